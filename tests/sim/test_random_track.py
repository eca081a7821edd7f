"""Random tracks: every seed gives a road that can be driven."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from shapely.geometry import LineString

from sim import tracks
from sim.errors import UserError
from sim.random_track import random_route
from sim.route import is_closed
from sim.track import Track
from sim.track_design import signed_area

SEEDS = 200


@pytest.fixture(scope="module")
def roads() -> list[np.ndarray]:
    return [random_route(seed) for seed in range(SEEDS)]


def headings(route: np.ndarray) -> np.ndarray:
    steps = np.diff(np.vstack((route, route[1]))[:, :2], axis=0)
    return np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))


def test_lengths_widths_and_radii_keep_their_bounds(roads: list[np.ndarray]) -> None:
    for seed, road in enumerate(roads):
        steps_m = np.linalg.norm(np.diff(road[:, :2], axis=0), axis=1)
        width_m = np.linalg.norm(road[:, 2:4] - road[:, 4:6], axis=1)
        assert is_closed(road)
        assert 12.0 <= steps_m.sum() <= 40.0, seed
        assert 0.6 - 1e-3 <= width_m.min() <= width_m.max() <= 1.0 + 1e-3, seed
        turns = np.abs(np.diff(headings(road)))
        assert (turns / steps_m).max() <= 1 / 0.6, seed


def test_a_track_measures_the_same(roads: list[np.ndarray]) -> None:
    for road in roads[:20]:
        track = Track("random", road)
        assert track.closed and track.min_radius_m >= 0.6
        width_m = np.linalg.norm(road[:, 2:4] - road[:, 4:6], axis=1)
        assert track.widths.min() == pytest.approx(width_m.min(), abs=5e-3)
        assert track.widths.max() == pytest.approx(width_m.max(), abs=5e-3)


def test_no_road_overlaps_itself(roads: list[np.ndarray]) -> None:
    for seed, road in enumerate(roads):
        line = LineString(road[:, :2])
        assert line.is_simple, seed
        # The road with a hand's breadth of grass is one ring: a self-overlap would add holes.
        width_m = float(np.linalg.norm(road[0, 2:4] - road[0, 4:6])) + 0.2
        grown = line.buffer(width_m / 2)
        assert len(grown.interiors) == 1, seed
        assert grown.area == pytest.approx(line.length * width_m, rel=0.01)


def test_they_differ_and_go_both_ways_round(roads: list[np.ndarray]) -> None:
    assert len({road.tobytes() for road in roads}) == SEEDS
    clockwise = sum(signed_area(road[:, :2]) < 0 for road in roads)
    assert 0.3 * SEEDS < clockwise < 0.7 * SEEDS


def test_each_bends_both_ways(roads: list[np.ndarray]) -> None:
    for seed, road in enumerate(roads):
        turns = np.diff(headings(road))
        assert turns.min() < -0.01 and turns.max() > 0.01, seed


def test_one_seed_is_one_road_also_in_another_process() -> None:
    code = "import sys; from sim.random_track import random_route as r;"
    code += "sys.stdout.buffer.write(r(7).tobytes())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout
    assert other == random_route(7).tobytes()


def test_it_is_found_by_its_name() -> None:
    name, route = tracks.route("random:7")
    assert name == "random:7" and is_closed(route)
    np.testing.assert_array_equal(route, random_route(7))


@pytest.mark.parametrize("spec", ["random:", "random:abc", "random:-1", "random:1.5", "random:²"])
def test_a_seed_must_be_a_whole_number(spec: str) -> None:
    with pytest.raises(UserError, match="is not a seed"):
        tracks.route(spec)
