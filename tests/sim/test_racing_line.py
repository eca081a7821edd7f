"""The racing line stays on the road, is smoother than the centre line, and its speeds hold."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import LineString, Point

from sim.car import GRAVITY_MPS2
from sim.polylines import crossings
from sim.racing_line import FRICTION, MARGIN_M, racing_line, speed_profile
from sim.track import Array, Track
from sim.tracks import names

ROUTES = os.environ.get("HAIRPIN_TEST_ROUTES")
REAL = sorted(map(str, Path(ROUTES).glob("*.npy"))) if ROUTES else []
TRACKS = [*names(), "random:3", *REAL]


@pytest.mark.parametrize("spec", TRACKS)
@pytest.mark.parametrize("reverse", [False, True])
def test_the_line_is_on_the_road_and_smoother(spec: str, reverse: bool) -> None:
    track = Track.load(spec, reverse=reverse)
    line = racing_line(track)
    if track.min_radius_m < 100.0:
        before, after = (np.sum(k[:-1] ** 2) for k in (line.centre_curvature, line.curvature))
        assert after < 0.95 * before
        assert line.length_m < track.length_m
    else:
        assert np.abs(line.curvature).max() < 1e-3
    for k in range(0, len(line.points), 3):
        for border in (track.left, track.right):
            beside = _piece(track, border, float(line.s_m[k]))
            assert beside.distance(Point(line.points[k])) > min(MARGIN_M - 0.01, 0.1)
    # It goes round as the track does and makes no loop of its own.
    own, tracks = (crossings(p[:-1], p[:-1]) for p in (line.points, track.waypoints))
    assert len(own) == len(tracks)


def _piece(track: Track, border: Array, s_m: float) -> LineString:
    """The part of a border beside an arc length: where roads cross, there are others near."""
    count = len(border) - 1
    middle = int(np.searchsorted(track.s_of_waypoint, s_m))
    reach = math.ceil(2.0 / np.diff(track.s_of_waypoint).mean())
    rows = np.arange(middle - reach, middle + reach + 1)
    return LineString(border[rows % count if track.closed else np.clip(rows, 0, count)])


def test_the_line_keeps_its_margin_on_a_track_that_does_not_cross_itself() -> None:
    track = Track.load("hairpin")
    for margin_m in (MARGIN_M, 0.2, 0.3):
        line = LineString(racing_line(track, margin_m=margin_m).points)
        nearest = min(line.distance(LineString(border)) for border in (track.left, track.right))
        assert nearest > margin_m - 0.015  # between the points it may cut a little


def test_a_road_too_narrow_for_the_margin_is_driven_in_its_middle() -> None:
    line = racing_line(Track.load("oval"), margin_m=2.0)
    assert np.abs(line.offset_m).max() < 1e-3


@pytest.mark.parametrize("spec", ["hairpin", "crossover", "dash"])
def test_the_speeds_stay_inside_the_friction_circle(spec: str) -> None:
    line = racing_line(Track.load(spec))
    grip = FRICTION * GRAVITY_MPS2
    step_m = np.hypot(*np.diff(line.points, axis=0).T)
    along = np.diff(line.speed_mps**2) / (2 * step_m)
    across = line.speed_mps**2 * np.abs(line.curvature)
    assert np.all(across <= grip * (1 + 1e-9))
    speeding = np.where(along > 0, across[:-1], across[1:])  # the end the pass began at
    assert np.all(along**2 + speeding**2 <= grip**2 * (1 + 1e-6))
    assert line.speed_mps.max() <= 4.0


def test_more_grip_and_more_speed_are_quicker_laps() -> None:
    track = Track.load("hairpin")
    slow = racing_line(track, max_speed_mps=2.0).lap_time_s
    usual = racing_line(track).lap_time_s
    gripping = racing_line(track, friction=1.0).lap_time_s
    assert slow > usual > gripping
    assert slow == pytest.approx(racing_line(track).length_m / 2.0, rel=0.05)


def test_an_open_track_begins_at_standstill_and_speeds_up_by_the_grip() -> None:
    speed = speed_profile(np.zeros(11), np.full(10, 0.1), False, 0.5, 4.0)
    s_m = np.arange(11) * 0.1
    assert speed == pytest.approx(np.minimum(4.0, np.sqrt(2 * 0.5 * GRAVITY_MPS2 * s_m)))


def test_a_circle_is_driven_at_the_speed_of_its_radius() -> None:
    speed = speed_profile(np.full(60, 1.0), np.full(59, 0.1), True, 0.5, 4.0)
    assert speed == pytest.approx(np.sqrt(0.5 * GRAVITY_MPS2))
