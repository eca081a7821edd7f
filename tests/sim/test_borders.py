"""The search along borders: nearest, on the right side, the same from either direction."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
import shapely
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon

from sim.borders import Border, search, to_edge
from sim.geometry import Geometry, across, is_left, on_road, project
from sim.track import Track

SPECS = ["crossover", "dash", "oval", *(f"random:{seed}" for seed in range(40))]

specs = st.sampled_from(SPECS)
shares = st.floats(0.0, 0.999)
asides = st.floats(-0.9, 0.9)


@functools.cache
def ways(spec: str) -> tuple[tuple[Track, Geometry], tuple[Track, Geometry]]:
    track = Track.load(spec)
    back = track.turned()
    return (track, Geometry.of(track)), (back, Geometry.of(back))


def point(track: Track, share: float, aside: float) -> tuple[float, float, int]:
    """A point beside the centre line, and the segment that it is beside."""
    s_m = share * track.length_m
    heading = float(track.heading(s_m))
    x, y = track.point(s_m) + aside * np.array([-math.sin(heading), math.cos(heading)])
    return float(x), float(y), int(np.searchsorted(track.s_of_waypoint, s_m, side="right")) - 1


def listed(border: Border, k: int) -> np.ndarray:
    return border.edges[border.listed[border.first[k] : border.first[k + 1]]]


@settings(max_examples=300, deadline=None)
@given(specs, shares, asides)
def test_a_search_that_ends_early_finds_what_looking_at_all_finds(
    spec: str, share: float, aside: float
) -> None:
    (track, geometry), _ = ways(spec)
    x, y, near = point(track, share, aside)
    k, _, lateral = project(geometry, x, y, near)
    for border in (geometry.inner, geometry.outer):
        found, foot_x, foot_y, side = search(border, k, abs(lateral), x, y, 1e18)
        everything = [to_edge(edge, x, y) for edge in listed(border, k)]
        assert found == min(squared for squared, *_ in everything)
        assert math.hypot(foot_x - x, foot_y - y) == pytest.approx(math.sqrt(found), abs=1e-12)
        sides = {math.copysign(1.0, inward) for d, _, _, inward in everything if d <= found + 1e-14}
        assert math.copysign(1.0, side) in sides
        assert len(sides) == 1 or found < 1e-18, "the edges at a vertex agree on the side"
        assert search(border, k, abs(lateral), x, y, 0.5 * found)[0] == 0.5 * found


@settings(max_examples=300, deadline=None)
@given(specs, shares, asides)
def test_a_point_is_on_the_road_between_the_borders_of_its_own_branch(
    spec: str, share: float, aside: float
) -> None:
    (track, geometry), _ = ways(spec)
    x, y, near = point(track, share, aside)
    k, s_m, _ = project(geometry, x, y, near)
    at_m, reach_m = track.s_of_waypoint, 3.0
    if track.closed:
        at_m = np.concatenate([at_m[:-1] - track.length_m, at_m[:-1], at_m + track.length_m])
    own = np.flatnonzero(np.abs(at_m - s_m) < reach_m) % (len(track.waypoints) - track.closed)
    outline = Polygon(np.concatenate([track.inner[own], track.outer[own][::-1]]))
    if shapely.distance(outline.exterior, shapely.points(x, y)) > 1e-9:
        assert on_road(geometry, x, y, k) == outline.contains(shapely.points(x, y))


@settings(max_examples=300, deadline=None)
@given(specs, shares, asides)
def test_driven_the_other_way_it_is_the_same_road(spec: str, share: float, aside: float) -> None:
    (track, geometry), (_, back) = ways(spec)
    x, y, near = point(track, share, aside)
    last = len(track.waypoints) - 1
    k, s_m, lateral = project(geometry, x, y, near)
    back_k, back_s_m, back_lateral = project(back, x, y, last - 1 - near)
    assume(abs(abs(lateral) - abs(back_lateral)) < 1e-9)  # far off, the searches end elsewhere
    assert on_road(back, x, y, back_k) == on_road(geometry, x, y, k)
    gap_m = abs(s_m + back_s_m - track.length_m)
    assume(min(gap_m, track.length_m - gap_m) < 1e-9)  # as far from two places
    assert across(back, back_s_m, back_k) == pytest.approx(across(geometry, s_m, k), abs=1e-9)
    if abs(lateral) > 0.05:
        left = is_left(geometry, x, y, k, abs(lateral))
        assert is_left(back, x, y, back_k, abs(back_lateral)) != left


@settings(max_examples=200, deadline=None)
@given(specs, shares)
def test_the_road_lies_around_its_centre(spec: str, share: float) -> None:
    (track, geometry), _ = ways(spec)
    x, y, near = point(track, share, 0.0)
    k, s_m, lateral = project(geometry, x, y, near)
    assert abs(lateral) < 1e-9
    width_m = across(geometry, s_m, k)
    assert width_m == pytest.approx(track.width_m, abs=0.25 * track.width_m)
    for aside in (-0.45, 0.45):
        px, py, _ = point(track, share, aside * width_m)
        if track.closed or 1.0 < s_m < track.length_m - 1.0:
            assert on_road(geometry, px, py, k)
            assert is_left(geometry, px, py, k, abs(aside) * width_m) == (aside > 0.0)


def test_an_open_road_ends_where_its_borders_do() -> None:
    (track, geometry), _ = ways("dash")
    last = len(track.waypoints) - 2
    for s_m, sign, near in ((0.0, 1.0, 0), (track.length_m, -1.0, last)):
        heading = float(track.heading(s_m))
        ahead = np.array([math.cos(heading), math.sin(heading)])
        for inside in (0.01, -0.01):
            x, y = track.point(s_m) + sign * inside * ahead
            assert on_road(geometry, float(x), float(y), near) == (inside > 0.0)


def test_a_point_on_a_border_is_not_on_the_road() -> None:
    (track, geometry), _ = ways("oval")
    for row in range(0, len(track.waypoints) - 1, 7):
        for border in (track.inner, track.outer):
            x, y = border[row]
            assert not on_road(geometry, float(x), float(y), row)


def test_where_a_lap_ends_it_begins() -> None:
    rows = np.array([(0.0, 0.0), (4.0, 0.0), (4.0, 4.0), (0.0, 4.0), (0.0, 0.0)])
    middle = np.array([2.0, 2.0])
    route = np.hstack([rows, middle + 0.8 * (rows - middle), middle + 1.2 * (rows - middle)])
    geometry = Geometry.of(Track("square", route))
    for near in (0, 3):
        assert project(geometry, -0.1, -0.1, near)[:2] == (0, 0.0)
    assert project(geometry, 4.1, -0.1, 0)[1] == 4.0, "a corner is its row, whichever side found it"
    assert project(geometry, 4.1, -0.1, 1)[1] == 4.0
