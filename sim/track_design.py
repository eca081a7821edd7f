"""From a few control points to a smooth route with exact borders."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.polylines import Floats, arc_lengths

Corner = tuple[float, float, float]

ROW_SPACING_M = 0.12
SOFTNESS_M = 0.22
_FINE_M = 0.01  # the step at which curves are worked out before rows are spread over them


def design_route(
    corners: Sequence[Corner],
    width_m: float | Sequence[float],
    *,
    closed: bool = True,
    softness_m: float = SOFTNESS_M,
    spacing_m: float = ROW_SPACING_M,
) -> Floats:
    """Draws a road through control points.

    Straight lines join the points, an arc rounds each corner, and a Gaussian over the way eases
    the arcs into the straights, as a driver turns a wheel: curvature never jumps. Borders are
    offset by half the width along the normal.

    Args:
        corners: Points (x, y, radius of the arc), metres, in the order driven. A closed road starts
            in the middle of the line from the last point to the first; an open one runs from the
            first point to the last, whose radii are not used.
        width_m: The road's width, everywhere or at each corner.
        closed: Whether the road is a lap.
        softness_m: Standard deviation of the Gaussian, metres.
        spacing_m: About how far rows are apart along the centre line; they are equally far.

    Returns:
        Float64 array (N, 6), metres, as `sim.route.load_route` returns it. The inner border of an
        anticlockwise or open road is its left one, of a clockwise road its right one.

    Raises:
        ValueError: The arcs of two neighbouring corners do not fit between them.
    """
    points = np.array([corner[:2] for corner in corners], dtype=np.float64)
    radii = np.array([corner[2] for corner in corners], dtype=np.float64)
    widths = np.broadcast_to(np.asarray(width_m, dtype=np.float64), len(points))
    if closed:
        start = (points[-1] + points[0]) / 2
        points = np.vstack((start, points, start))
        radii = np.concatenate(([0.0], radii, [0.0]))
        middle = (widths[-1] + widths[0]) / 2
        widths = np.concatenate(([middle], widths, [middle]))
    rounded, passed = _round_corners(points, radii)
    fine = _resample(rounded, _FINE_M)
    fine_width = np.interp(arc_lengths(fine), arc_lengths(rounded)[passed], widths)
    values = _soften(np.column_stack((fine, fine_width)), softness_m, closed)
    centre, road_width = values[:, :2], values[:, 2]
    if closed:
        along = np.gradient(np.vstack((centre[-2], centre, centre[1])), axis=0)[1:-1]
    else:
        along = np.gradient(centre, axis=0)
    left = np.column_stack((-along[:, 1], along[:, 0]))
    left *= (road_width / 2 / np.linalg.norm(along, axis=1))[:, None]
    inner = left if not closed or signed_area(centre) > 0 else -left
    route = _resample(np.hstack((centre, centre + inner, centre - inner)), spacing_m)
    if closed:
        route[-1] = route[0]
    return route


def signed_area(line: Floats) -> float:
    """Gives the area inside a closed polyline (N, 2), square metres; positive anticlockwise."""
    x, y = line[:, 0], line[:, 1]
    return float(0.5 * np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]))


def _round_corners(points: Floats, radii: Floats) -> tuple[Floats, list[int]]:
    """Replaces the inner corners of a polyline by arcs.

    Returns the polyline, and which of its rows is nearest to each of the points.
    """
    rows = [points[:1]]
    passed = [0]
    count = 1
    free = np.linalg.norm(np.diff(points, axis=0), axis=1)
    for k in range(1, len(points) - 1):
        into = (points[k] - points[k - 1]) / np.linalg.norm(points[k] - points[k - 1])
        out = (points[k + 1] - points[k]) / np.linalg.norm(points[k + 1] - points[k])
        turn = np.arctan2(into[0] * out[1] - into[1] * out[0], into @ out)
        reach = radii[k] * np.tan(abs(turn) / 2)
        free[k - 1 : k + 1] -= reach
        if free[k - 1] < -1e-9 or free[k] < -1e-9:
            raise ValueError(f"corner {k} of radius {radii[k]:.3g} m does not fit its neighbours")
        normal = np.sign(turn) * np.array((-into[1], into[0]))
        begin = points[k] - reach * into
        steps = max(2, int(np.ceil(radii[k] * abs(turn) / _FINE_M)))
        angles = abs(turn) * np.linspace(0.0, 1.0, steps + 1)[:, None]
        arc = begin + radii[k] * (np.sin(angles) * into + (1 - np.cos(angles)) * normal)
        rows.append(arc)
        passed.append(count + steps // 2)
        count += len(arc)
    rows.append(points[-1:])
    passed.append(count)
    return np.vstack(rows), passed


def _resample(values: Floats, spacing_m: float) -> Floats:
    """Spreads rows equally over the way along the first two columns, ends included."""
    way_m = arc_lengths(values[:, :2])
    at_m = np.linspace(0.0, way_m[-1], round(way_m[-1] / spacing_m) + 1)
    return np.column_stack([np.interp(at_m, way_m, column) for column in values.T])


def _soften(values: Floats, softness_m: float, closed: bool) -> Floats:
    """Averages rows that lie `_FINE_M` apart with a Gaussian over the way."""
    half = int(np.ceil(4 * softness_m / _FINE_M))
    kernel = np.exp(-0.5 * (np.arange(-half, half + 1) * _FINE_M / max(softness_m, 1e-9)) ** 2)
    kernel /= kernel.sum()
    if closed:
        ring = values[:-1]
        padded = np.take(ring, np.arange(-half, len(ring) + half), axis=0, mode="wrap")
    else:
        # Run on straight beyond the ends, so that they stay where they are.
        beyond = np.arange(1, half + 1)[:, None]
        before = values[0] - beyond[::-1] * (values[1] - values[0])
        after = values[-1] + beyond * (values[-1] - values[-2])
        padded = np.vstack((before, values, after))
    soft = np.column_stack([np.convolve(column, kernel, mode="valid") for column in padded.T])
    return np.vstack((soft, soft[:1])) if closed else soft
