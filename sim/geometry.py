"""Where a point lies on a track: compiled kernels on a track's arrays.

A point is projected on the piece of the centre line near the place where it was a moment ago,
never on the whole line, so that a car on a crossover stays on its own branch.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim.borders import Border, borders_of, search, to_edge
from sim.track import Track

Array = NDArray[np.float64]

# A search goes so far along the lap both ways: a car moves 0.27 m a step at 4 m/s, and where it
# cuts the tightest bend a road can have, to the other side of a half circle of half its width.
WINDOW_M, WINDOW_WIDTHS = 0.3, math.pi / 2


class Geometry(NamedTuple):
    """A track's arrays in the form the kernels read.

    Attributes:
        points: (N, 2) centre rows as driven.
        s_m: (N,) arc length of each row.
        closed: Whether the lap closes.
        window_m: How far along the lap a point is looked for.
        inner, outer: The borders.
        inner_is_left: Whether the inner one is on the driver's left.
        caps: (0 or 2, 9) the lines that end an open road, as `sim.borders.Border.edges`.
    """

    points: Array
    s_m: Array
    closed: bool
    window_m: float
    inner: Border
    outer: Border
    inner_is_left: bool
    caps: Array

    @classmethod
    def of(cls, track: Track) -> Geometry:
        """The geometry of a track."""
        heading = track.heading(track.s_of_waypoint)
        between = track.outer - track.inner
        breadth = between[:, 1] * np.cos(heading) - between[:, 0] * np.sin(heading)
        width_m = float(np.abs(breadth).max())
        inner, outer, caps = borders_of(track, width_m)
        return cls(
            track.waypoints,
            track.s_of_waypoint,
            track.closed,
            WINDOW_M + WINDOW_WIDTHS * width_m,
            inner,
            outer,
            track.inner_is_left,
            caps,
        )


@njit(cache=True)
def project(
    geometry: Geometry, x: float, y: float, near: int
) -> tuple[int, float, float]:  # pragma: no cover - compiled
    """Projects a point on the centre line near segment `near`.

    Returns:
        The segment's index, the arc length (metres), and the signed distance (metres, left of the
        driving direction positive). Where a closed lap ends it begins: the arc length is 0 there.
    """
    points, s_m = geometry.points, geometry.s_m
    last = points.shape[0] - 1
    length = s_m[last]
    best, best_s, best_side = 1e18, 0.0, 1.0
    best_k = near
    for way in range(2):
        k = near if way == 0 else near - 1
        gone = 0.0
        while gone <= geometry.window_m:
            if k < 0 or k >= last:
                if not geometry.closed:
                    break
                k = k % last
            ax, ay = points[k, 0], points[k, 1]
            ux, uy = points[k + 1, 0] - ax, points[k + 1, 1] - ay
            size = s_m[k + 1] - s_m[k]
            if size > 0.0:
                ex, ey = x - ax, y - ay
                t = (ex * ux + ey * uy) / (size * size)
                t = min(max(t, 0.0), 1.0)
                dx, dy = ex - t * ux, ey - t * uy
                squared = dx * dx + dy * dy
                if squared < best:
                    best = squared
                    best_k = k
                    # At a row it is the row's own number: which waypoint is next depends on it.
                    best_s = s_m[k] + t * size if t < 1.0 else s_m[k + 1]
                    best_side = 1.0 if ux * ey - uy * ex >= 0.0 else -1.0
            gone += size
            if gone >= length:
                break
            k += 1 if way == 0 else -1
    if geometry.closed and best_s >= length:
        best_k, best_s = 0, 0.0
    return best_k, best_s, best_side * math.sqrt(best)


@njit(cache=True)
def on_road(
    geometry: Geometry, x: float, y: float, near: int
) -> bool:  # pragma: no cover - compiled
    """Tells whether a point beside segment `near` lies strictly inside the road."""
    ax, ay = geometry.points[near, 0], geometry.points[near, 1]
    ux, uy = geometry.points[near + 1, 0] - ax, geometry.points[near + 1, 1] - ay
    ex, ey = x - ax, y - ay
    square = ux * ux + uy * uy
    t = min(max((ex * ux + ey * uy) / square, 0.0), 1.0) if square > 0.0 else 0.0
    away = math.hypot(ex - t * ux, ey - t * uy)
    best, _, _, side = search(geometry.inner, near, away, x, y, 1e18)
    other, _, _, other_side = search(geometry.outer, near, away, x, y, best)
    if other < best:
        best, side = other, other_side
    for i in range(geometry.caps.shape[0]):
        other, _, _, other_side = to_edge(geometry.caps[i], x, y)
        if other < best:
            best, side = other, other_side
    return bool(side > 0.0)


@njit(cache=True)
def across(geometry: Geometry, s_m: float, near: int) -> float:  # pragma: no cover - compiled
    """The road's width at an arc length on segment `near`, metres.

    It is the distance between the points of both borders that are nearest to the centre there.
    """
    size = geometry.s_m[near + 1] - geometry.s_m[near]
    t = (s_m - geometry.s_m[near]) / size if size > 0.0 else 0.0
    x = geometry.points[near, 0] * (1.0 - t) + geometry.points[near + 1, 0] * t
    y = geometry.points[near, 1] * (1.0 - t) + geometry.points[near + 1, 1] * t
    _, inner_x, inner_y, _ = search(geometry.inner, near, 0.0, x, y, 1e18)
    _, outer_x, outer_y, _ = search(geometry.outer, near, 0.0, x, y, 1e18)
    return math.hypot(inner_x - outer_x, inner_y - outer_y)


@njit(cache=True)
def is_left(
    geometry: Geometry, x: float, y: float, near: int, away_m: float
) -> bool:  # pragma: no cover - compiled
    """Tells whether a point beside segment `near`, `away_m` from it, is nearer the left border."""
    inner, _, _, _ = search(geometry.inner, near, away_m, x, y, 1e18)
    outer, _, _, _ = search(geometry.outer, near, away_m, x, y, 1e18)
    return bool((inner < outer) == geometry.inner_is_left)
