"""A track: its centre line, its borders, and arc length along it."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from sim.errors import UserError

Array = NDArray[np.float64]

SAMPLE_STEP_M = 0.02  # widths and curvature are looked at so far apart
BORDER_REACH_M = 3.0  # a border is looked for so far along the lap; beyond it lies another branch
RADIUS_CHORD_M = 0.3  # curvature is read from three points so far apart, which skips polyline kinks


class Track:
    """The geometry of one route, as driven in one direction.

    All coordinates are in metres in the world frame. Arc length `s_m` runs along the polyline of
    the centre rows from waypoint 0, in driving direction.

    Args:
        name: What to call it.
        route: (N, 6) float64, rows of centre x, y, inner border x, y, outer border x, y; a closed
            route repeats its first row as its last.
        reverse: Drive it against the order of the rows.

    Attributes:
        waypoints: (N, 2) centre rows as driven; first equals last on a closed track.
        inner, outer: (N, 2) border rows as driven, by track side (the inside of the loop is inner).
        left, right: (N, 2) the same two borders as the driver sees them.
        s_of_waypoint: (N,) arc length of each waypoint, metres.
        inner_is_left: Whether the inner border is the left one.
    """

    def __init__(self, name: str, route: Array, *, reverse: bool = False) -> None:
        route = np.asarray(route, dtype=np.float64)
        if route.ndim != 2 or route.shape[1] != 6 or len(route) < 4:
            raise UserError(
                f"a route has rows of 6 numbers, this one has the shape {route.shape}",
                where=name,
                fix="Give a float array (N, 6) with N >= 4",
            )
        self.name = name
        self.reverse = reverse
        self.closed = bool(np.allclose(route[0], route[-1]))
        rows = route[::-1] if reverse else route
        self.waypoints = np.ascontiguousarray(rows[:, 0:2])
        self.inner = np.ascontiguousarray(rows[:, 2:4])
        self.outer = np.ascontiguousarray(rows[:, 4:6])
        self.is_ccw = _signed_area(self.waypoints) > 0.0
        segments = np.diff(self.waypoints, axis=0)
        self.s_of_waypoint = np.concatenate(
            [[0.0], np.cumsum(np.hypot(segments[:, 0], segments[:, 1]))]
        )
        self.length_m = float(self.s_of_waypoint[-1])
        inner_is_left = _is_left(self.waypoints, self.inner)
        self.left, self.right = (
            (self.inner, self.outer) if inner_is_left else (self.outer, self.inner)
        )
        self.inner_is_left = inner_is_left

    @classmethod
    def load(cls, spec: str, *, reverse: bool = False) -> Track:
        """Loads a track by the name of the library, the path of a route file, or ``random:SEED``.

        Raises:
            UserError: There is no such track, or its route is malformed.
        """
        from sim.tracks import route

        name, rows = route(spec)
        return cls(name, rows, reverse=reverse)

    @property
    def route(self) -> Array:
        """The rows (N, 6) of its route: centre line, inner and outer border, metres."""
        rows = np.concatenate([self.waypoints, self.inner, self.outer], axis=1)
        return rows[::-1] if self.reverse else rows

    def turned(self) -> Track:
        """The same track as driven the other way."""
        return Track(self.name, self.route, reverse=not self.reverse)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """The box around both borders: xmin, ymin, xmax, ymax, metres."""
        both = np.concatenate([self.inner, self.outer])
        (xmin, ymin), (xmax, ymax) = both.min(axis=0), both.max(axis=0)
        return float(xmin), float(ymin), float(xmax), float(ymax)

    def point(self, s_m: Array | float) -> Array:
        """The centre line's points at arc lengths (...,), as (..., 2); wraps on closed tracks."""
        s = self._wrap(s_m)
        x = np.interp(s, self.s_of_waypoint, self.waypoints[:, 0])
        y = np.interp(s, self.s_of_waypoint, self.waypoints[:, 1])
        return np.stack([x, y], axis=-1)

    def heading(self, s_m: Array | float) -> Array:
        """The direction of the centre line at arc lengths (...,), radians, 0 = +x, ccw positive."""
        s = self._wrap(s_m)
        ahead = np.searchsorted(self.s_of_waypoint, s, side="right")
        ahead = np.clip(ahead, 1, len(self.waypoints) - 1)
        # Rows may repeat, so the segment is taken from arc lengths that really differ.
        ends = np.searchsorted(self.s_of_waypoint, self.s_of_waypoint[ahead - 1], side="left")
        step = self.waypoints[ahead] - self.waypoints[ends]
        return np.asarray(np.arctan2(step[..., 1], step[..., 0]))

    def _wrap(self, s_m: Array | float) -> Array:
        s = np.asarray(s_m, dtype=np.float64)
        return np.mod(s, self.length_m) if self.closed else np.clip(s, 0.0, self.length_m)

    def half_widths(self, s_m: Array) -> tuple[Array, Array]:
        """Distances from the centre line at (S,) to the left and to the right border, (S,) each."""
        centre = self.point(s_m)
        left, right = (
            np.hypot(*(self._border_projection(centre, s_m, border) - centre).T)
            for border in (self.left, self.right)
        )
        return left, right

    @cached_property
    def widths(self) -> Array:
        """(S,) widths of the road by projection, all along the lap, metres."""
        s_m = self._samples_m
        centre = self.point(s_m)
        on_left = self._border_projection(centre, s_m, self.left)
        on_right = self._border_projection(centre, s_m, self.right)
        widths: Array = np.hypot(*(on_left - on_right).T)
        return widths

    @property
    def width_m(self) -> float:
        """The mean width of the road, metres."""
        return float(self.widths.mean())

    @cached_property
    def min_radius_m(self) -> float:
        """The radius of the tightest bend, metres."""
        s_m, h = self._samples_m, RADIUS_CHORD_M
        inside = s_m if self.closed else s_m[(s_m >= h) & (s_m <= self.length_m - h)]
        p, q, r = self.point(inside - h), self.point(inside), self.point(inside + h)
        pq, qr, pr = q - p, r - q, r - p
        sides = np.hypot(*pq.T) * np.hypot(*qr.T) * np.hypot(*pr.T)
        twice_area = np.abs(pq[:, 0] * pr[:, 1] - pq[:, 1] * pr[:, 0])
        # Radius of the circle through three points: abc / (4 area).
        return float(np.min(sides / np.maximum(2.0 * twice_area, 1e-9)))

    @property
    def _samples_m(self) -> Array:
        return np.linspace(0.0, self.length_m, max(2, round(self.length_m / SAMPLE_STEP_M)) + 1)

    def _border_projection(self, centre: Array, s_m: Array, border: Array) -> Array:
        """Projects centre points (S, 2) at `s_m` on the part of a border that runs beside them."""
        a, b = border[:-1], border[1:]
        step = b - a
        squared = np.einsum("ij,ij->i", step, step)
        beside = 0.5 * (self.s_of_waypoint[:-1] + self.s_of_waypoint[1:])
        out = np.empty_like(centre)
        for first in range(0, len(centre), 512):
            part = slice(first, first + 512)
            offset = centre[part, None, :] - a[None]
            along = np.einsum("kij,ij->ki", offset, step) / np.where(squared > 0.0, squared, 1.0)
            foot = a[None] + np.clip(along, 0.0, 1.0)[..., None] * step[None]
            distance = np.hypot(*np.moveaxis(centre[part, None, :] - foot, -1, 0))
            gap = np.abs(s_m[part, None] - beside[None])
            if self.closed:
                gap = np.minimum(gap, self.length_m - gap)
            distance[gap > BORDER_REACH_M] = np.inf
            out[part] = foot[np.arange(len(foot)), distance.argmin(axis=1)]
        return out


def _signed_area(points: Array) -> float:
    x, y = points[:, 0], points[:, 1]
    return 0.5 * float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y))


def _is_left(centre: Array, border: Array) -> bool:
    """Tells whether a border lies left of the centre line, by the majority of its rows."""
    ahead = np.gradient(centre, axis=0)
    aside = border - centre
    return bool(np.sum(np.sign(ahead[:, 0] * aside[:, 1] - ahead[:, 1] * aside[:, 0])) > 0)
