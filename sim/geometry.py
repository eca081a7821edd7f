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

from sim.track import Track

Array = NDArray[np.float64]

WINDOW_M = 1.2  # search this far along the lap both ways; a car moves 0.27 m a step at 4 m/s


class Geometry(NamedTuple):
    """A track's arrays in the form the kernels read.

    Attributes:
        points: (N, 2) centre rows as driven.
        s_m: (N,) arc length of each row.
        half_left, half_right, widths: (S,) by arc length, `table_step_m` apart.
        table_step_m: Spacing of those three.
        closed: Whether the lap closes.
    """

    points: Array
    s_m: Array
    half_left: Array
    half_right: Array
    widths: Array
    table_step_m: float
    closed: bool

    @classmethod
    def of(cls, track: Track) -> Geometry:
        """The geometry of a track."""
        return cls(
            track.waypoints,
            track.s_of_waypoint,
            track.half_left,
            track.half_right,
            track.widths,
            track.table_step_m,
            track.closed,
        )


@njit(cache=True)
def project(
    geometry: Geometry, x: float, y: float, near: int
) -> tuple[int, float, float]:  # pragma: no cover - compiled
    """Projects a point on the centre line near segment `near`.

    Returns:
        The segment's index, the arc length (metres), and the signed distance (metres, left of the
        driving direction positive).
    """
    points, s_m = geometry.points, geometry.s_m
    last = points.shape[0] - 1
    length = s_m[last]
    best, best_s, best_side = 1e18, 0.0, 1.0
    best_k = near
    for way in range(2):
        k = near if way == 0 else near - 1
        gone = 0.0
        while gone <= WINDOW_M:
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
                    best_s = s_m[k] + t * size
                    best_side = 1.0 if ux * ey - uy * ex >= 0.0 else -1.0
            gone += size
            if gone >= length:
                break
            k += 1 if way == 0 else -1
    return best_k, best_s, best_side * math.sqrt(best)


@njit(cache=True)
def on_road(geometry: Geometry, s_m: float, lateral_m: float) -> bool:  # pragma: no cover
    """Tells whether a projected point lies strictly between the borders."""
    left, right = half_widths(geometry, s_m)
    return bool(-right < lateral_m < left)


@njit(cache=True)
def half_widths(geometry: Geometry, s_m: float) -> tuple[float, float]:  # pragma: no cover
    """Distances from the centre line to the left and the right border at an arc length."""
    at = s_m / geometry.table_step_m
    k = min(max(int(at), 0), geometry.half_left.shape[0] - 2)
    t = at - k
    left = geometry.half_left[k] * (1.0 - t) + geometry.half_left[k + 1] * t
    right = geometry.half_right[k] * (1.0 - t) + geometry.half_right[k + 1] * t
    return left, right


@njit(cache=True)
def overrun(geometry: Geometry, x: float, y: float) -> bool:  # pragma: no cover - compiled
    """Tells whether a point lies before the start or beyond the end of an open track."""
    if geometry.closed:
        return False
    p = geometry.points
    n = p.shape[0]
    before = (x - p[0, 0]) * (p[1, 0] - p[0, 0]) + (y - p[0, 1]) * (p[1, 1] - p[0, 1])
    beyond = (x - p[n - 1, 0]) * (p[n - 1, 0] - p[n - 2, 0]) + (y - p[n - 1, 1]) * (
        p[n - 1, 1] - p[n - 2, 1]
    )
    return bool(before < 0.0 or beyond > 0.0)
