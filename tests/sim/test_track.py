"""Track geometry against shapely, and against shapes whose numbers are known."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import LineString, Point, Polygon

from sim.geometry import Geometry, on_road, project
from sim.track import Track
from sim.tracks import DESIGNS

REAL = (
    sorted(Path(os.environ["HAIRPIN_TEST_ROUTES"]).glob("*.npy"))
    if os.environ.get("HAIRPIN_TEST_ROUTES")
    else []
)
ALL = [*DESIGNS, *(str(path) for path in REAL)]


def circle(radius: float = 3.0, half: float = 0.4, rows: int = 361) -> np.ndarray:
    turn = np.linspace(0.0, 2 * np.pi, rows)
    ray = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    route = np.concatenate([radius * ray, (radius - half) * ray, (radius + half) * ray], axis=1)
    route[-1] = route[0]
    return route


def test_a_circles_numbers() -> None:
    track = Track("circle", circle())
    assert track.closed and track.is_ccw
    assert track.length_m == pytest.approx(2 * np.pi * 3.0, rel=1e-4)
    assert track.width_m == pytest.approx(0.8, rel=1e-3)
    assert track.min_radius_m == pytest.approx(3.0, rel=1e-2)
    assert track.left is track.inner
    assert track.bounds == pytest.approx((-3.4, -3.4, 3.4, 3.4), abs=1e-3)


def test_reversed_it_runs_the_other_way_with_the_sides_swapped() -> None:
    track, back = Track("circle", circle()), Track("circle", circle(), reverse=True)
    assert not back.is_ccw
    assert back.right is back.inner
    assert np.array_equal(back.waypoints, track.waypoints[::-1])
    quarter = track.length_m / 4
    assert back.point(quarter) == pytest.approx(track.point(3 * quarter), abs=1e-3)
    turned = (back.heading(quarter) - track.heading(3 * quarter)) % (2 * np.pi)
    assert turned == pytest.approx(np.pi, abs=0.02)


def test_points_wrap_on_a_closed_track() -> None:
    track = Track("circle", circle())
    assert track.point(track.length_m + 1.0) == pytest.approx(track.point(1.0))
    assert track.point(-1.0) == pytest.approx(track.point(track.length_m - 1.0))


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("spec", ALL, ids=lambda spec: Path(spec).stem)
def test_projection_and_borders_agree_with_shapely(spec: str, reverse: bool) -> None:
    track = Track.load(spec, reverse=reverse)
    geometry = Geometry.of(track)
    line = LineString(track.waypoints)
    left, right = LineString(track.left), LineString(track.right)
    road = (
        Polygon(np.concatenate([track.inner, track.outer[::-1]]))
        if not track.closed
        else Polygon(track.outer).symmetric_difference(Polygon(track.inner))
        if Polygon(track.outer).is_valid and Polygon(track.inner).is_valid
        else None  # a crossover: no polygon is its road
    )
    rng = np.random.default_rng(0)
    for _ in range(400):
        s_m = rng.uniform(0.0, track.length_m)
        heading = float(track.heading(s_m))
        aside = rng.uniform(-0.8, 0.8)
        x, y = track.point(s_m) + aside * np.array([-np.sin(heading), np.cos(heading)])
        near = int(np.searchsorted(track.s_of_waypoint, s_m, side="right")) - 1
        segment, along, lateral = project(geometry, x, y, near)
        point = Point(x, y)
        assert abs(lateral) >= line.distance(point) - 1e-9
        if road is None:
            continue
        if abs(abs(lateral) - line.distance(point)) < 1e-6:
            foot = np.array(line.interpolate(along).coords[0])
            assert np.hypot(*(foot - (x, y))) == pytest.approx(abs(lateral), abs=1e-6)
            assert track.s_of_waypoint[segment] - 1e-9 <= along
            assert along <= track.s_of_waypoint[segment + 1] + 1e-9
        if min(left.distance(point), right.distance(point)) > 1e-9:
            assert on_road(geometry, x, y, segment) == road.contains(point), (s_m, aside)


@pytest.mark.parametrize("spec", ALL, ids=lambda spec: Path(spec).stem)
def test_width_is_measured_by_projection(spec: str) -> None:
    track = Track.load(spec)
    assert 0.3 < track.width_m < 2.0
    assert track.widths.min() > 0.8 * track.width_m
    left_m, right_m = track.half_widths(np.linspace(0.0, track.length_m, len(track.widths)))
    assert np.abs(left_m + right_m - track.widths).max() < 0.05


def test_progress_on_a_crossover_stays_on_its_branch() -> None:
    track = Track.load("crossover")
    geometry = Geometry.of(track)
    line = LineString(track.waypoints)
    assert not line.is_simple, "the track crosses itself"
    near = 0
    for s_m in np.arange(0.0, track.length_m, 0.05):
        x, y = track.point(s_m)
        near, along, lateral = project(geometry, float(x), float(y), near)
        assert along == pytest.approx(s_m, abs=1e-6)
        assert lateral == pytest.approx(0.0, abs=1e-6)
