"""Roads drawn from control points."""

from __future__ import annotations

import numpy as np
import pytest

from sim.track import Track
from sim.track_design import design_route, signed_area

SQUARE = [(6.0, 0.0, 1.5), (6.0, 6.0, 1.5), (0.0, 6.0, 1.5), (0.0, 0.0, 1.5)]


def test_a_rounded_square_has_the_length_and_radius_of_geometry() -> None:
    track = Track("square", design_route(SQUARE, 0.8, softness_m=0.02))
    assert track.length_m == pytest.approx(4 * 3.0 + 2 * np.pi * 1.5, abs=0.02)
    assert track.min_radius_m == pytest.approx(1.5, rel=0.05)
    assert track.width_m == pytest.approx(0.8, abs=0.01)
    assert track.closed and track.is_ccw


def test_rows_are_equally_far_apart_and_the_lap_closes() -> None:
    route = design_route(SQUARE, 0.8)
    steps = np.linalg.norm(np.diff(route[:, :2], axis=0), axis=1)
    assert steps.max() / steps.min() < 1.01
    assert steps.mean() == pytest.approx(0.12, rel=0.02)
    assert (route[0] == route[-1]).all()
    np.testing.assert_allclose(route[0, :2], (3.0, 0.0), atol=1e-9)


def test_borders_are_offsets_along_the_normal() -> None:
    route = design_route(SQUARE, 0.8)
    centre, inner, outer = np.split(route, 3, axis=1)
    np.testing.assert_allclose(np.linalg.norm(inner - centre, axis=1), 0.4, atol=1e-4)
    np.testing.assert_allclose((inner + outer) / 2, centre, atol=1e-9)
    along = (centre[2:] - centre[:-2]) / 0.24
    assert np.abs(((inner - centre)[1:-1] * along).sum(axis=1)).max() < 0.01


def test_the_inner_border_is_inside_whichever_way_it_is_driven() -> None:
    for corners in (SQUARE, SQUARE[::-1]):
        route = design_route(corners, 0.8)
        assert abs(signed_area(route[:, 2:4])) < abs(signed_area(route[:, 4:6]))


def test_curvature_does_not_jump() -> None:
    centre = design_route(SQUARE, 0.8)[:, :2]
    steps = np.diff(centre, axis=0)
    turns = np.diff(np.unwrap(np.arctan2(steps[:, 1], steps[:, 0]))) / 0.12
    assert np.abs(np.diff(turns)).max() < 0.35 * np.abs(turns).max()


def test_the_width_may_change_on_the_way() -> None:
    track = Track("square", design_route(SQUARE, (0.6, 0.6, 1.0, 1.0)))
    assert track.widths.min() == pytest.approx(0.6, abs=0.02)
    assert track.widths.max() == pytest.approx(1.0, abs=0.02)


def test_an_open_road_ends_where_it_was_told_to() -> None:
    route = design_route([(1.0, 2.0, 0), (5.0, 2.0, 1.0), (5.0, 6.0, 0)], 0.7, closed=False)
    np.testing.assert_allclose(route[[0, -1], :2], [(1.0, 2.0), (5.0, 6.0)], atol=1e-9)
    np.testing.assert_allclose(route[0, 2:4], (1.0, 2.35), atol=1e-6)  # inner is left


def test_arcs_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="corner 1 of radius 4 m"):
        design_route([(6.0, 0.0, 4.0), *SQUARE[1:]], 0.8)
