"""The contract's own words for `params`, computed with shapely and SciPy.

It knows nothing of ours: it takes the rows of a route, asks shapely for projections, distances and
insides, and SciPy for rotations.
"""

from __future__ import annotations

import bisect
import copy
import itertools
import math
from typing import Any

import numpy as np
import shapely
from scipy.spatial.transform import Rotation
from shapely.geometry import LinearRing, LineString, Polygon

NOSE_M = [0.14, 0.0, 0.0]
WHEELS_M = [(x, y, 0.035) for x in (0.082, -0.082) for y in (0.081, -0.081)]
CONSTANT: dict[str, Any] = {  # without objects
    "is_crashed": False,
    "closest_objects": [0, 0],
    "objects_location": [],
    "objects_distance": [],
    "objects_distance_from_center": [],
    "objects_heading": [],
    "objects_speed": [],
    "objects_left_of_center": [],
    "object_in_camera": False,
}
TYPES = {key: type(value) for key, value in CONSTANT.items()} | {
    "all_wheels_on_track": bool,
    "x": float,
    "y": float,
    "heading": float,
    "distance_from_center": float,
    "projection_distance": float,
    "progress": float,
    "steps": float,
    "speed": float,
    "steering_angle": float,
    "track_width": float,
    "track_length": float,
    "waypoints": list,
    "closest_waypoints": list,
    "is_left_of_center": bool,
    "is_reversed": bool,
    "is_offtrack": bool,
    "sim_time": float,
    "measured_speed": float,  # ours, beside the 27
}


class Road:
    """The contract's geometry of a route as driven along its rows (N, 6).

    Attributes:
        centre, inner, outer, surface: Geometries, or arrays of them, one a car.
        begins_m: Arc length at which (each) centre begins.
    """

    def __init__(self, rows: np.ndarray) -> None:
        self.rows = rows
        centre, inner, outer = rows[:, 0:2], rows[:, 2:4], rows[:, 4:6]
        self.closed = bool((rows[0] == rows[-1]).all())
        self.centre, self.inner, self.outer = map(LineString, (centre, inner, outer))
        self.begins_m: Any = 0.0
        if self.closed and self.centre.is_simple:
            self.surface: Any = Polygon(outer).difference(Polygon(inner))
            self.is_ccw = bool(LinearRing(centre).is_ccw)
        else:
            # There is no way round, so the inner side is the one where the inner border lies.
            self.surface = Polygon(np.concatenate([outer, inner[::-1]]))
            (ax, ay), (bx, by) = centre[1] - centre[0], inner[0] - centre[0]
            self.is_ccw = bool(ax * by - ay * bx > 0)
        shapely.prepare(self.surface)
        steps = [math.dist(a, b) for a, b in itertools.pairwise(centre)]
        width_m = max(
            abs((b - a)[0] * (q - p)[1] - (b - a)[1] * (q - p)[0]) / math.dist(a, b)
            for a, b, p, q in zip(centre, centre[1:], inner, outer, strict=False)
            if math.dist(a, b) > 0.0
        )
        self.half_circle_m = math.pi * width_m / 2
        self.at_m = np.cumsum([0.0, *steps])
        self.length_m = self.at_m[-1]

    def look(self, nose: np.ndarray, wheels: np.ndarray) -> dict[str, np.ndarray]:
        """Section 1.2 of the contract for noses (n, 2) and wheels (n, 4, 2)."""
        noses = shapely.points(nose)
        along_m = shapely.line_locate_point(self.centre, noses)
        nearest = shapely.line_interpolate_point(self.centre, along_m)
        on_inner, on_outer = (
            shapely.line_interpolate_point(border, shapely.line_locate_point(border, nearest))
            for border in (self.inner, self.outer)
        )
        to_inner, to_outer = (shapely.distance(b, noses) for b in (self.inner, self.outer))
        surface = np.expand_dims(self.surface, -1)
        inside = shapely.contains_xy(surface, wheels[..., 0], wheels[..., 1])
        s_m = along_m + self.begins_m
        if self.closed:
            s_m = (s_m + 1e-9) % self.length_m - 1e-9
        return {
            "projection_distance": s_m,
            "distance_from_center": shapely.distance(self.centre, noses),
            "track_width": shapely.distance(on_inner, on_outer),
            "is_left_of_center": (to_inner < to_outer) ^ (not self.is_ccw),
            "all_wheels_on_track": inside.all(axis=1),
            "is_offtrack": ~inside.any(axis=1),
            "closest_waypoints": np.array([self._around(s) for s in s_m]).reshape(-1, 2),
        }

    def own_branches(self, before_m: np.ndarray, *, borders: bool) -> Road:
        """The same road, but for each car only the part near where it was (n,) a step ago.

        The centre line is cut to the segments that lie, at least in part, within the length of a
        half circle as wide as the road, and a step, of the row behind that place; the borders, if
        asked, to 3 m.
        """
        own = copy.copy(self)
        row_m = self.at_m[np.searchsorted(self.at_m, before_m, side="right") - 1]
        first, end = self._part(row_m, self.half_circle_m + 0.3)
        laps = self._laps(self.rows)
        own.begins_m = self._laps_m()[first]
        pieces = [laps[a:b] for a, b in zip(first, end, strict=True)]
        own.centre = np.array([LineString(piece[:, 0:2]) for piece in pieces])
        if borders:
            wide = [laps[a:b] for a, b in zip(*self._part(row_m, 3.0), strict=True)]
            own.inner = np.array([LineString(piece[:, 2:4]) for piece in wide])
            own.outer = np.array([LineString(piece[:, 4:6]) for piece in wide])
            own.surface = np.array(
                [Polygon(np.concatenate([piece[:, 4:6], piece[::-1, 2:4]])) for piece in wide]
            )
        return own

    def _part(self, row_m: np.ndarray, reach_m: float) -> tuple[np.ndarray, np.ndarray]:
        laps_m = self._laps_m()
        first = np.searchsorted(laps_m, row_m - reach_m, side="left") - 1
        end = np.searchsorted(laps_m, row_m + reach_m, side="right") + 1
        return np.maximum(first, 0), np.minimum(end, len(laps_m))

    def _laps(self, rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows[:-1], rows[:-1], rows]) if self.closed else rows

    def _laps_m(self) -> np.ndarray:
        if not self.closed:
            return self.at_m
        lap = self.at_m[:-1]
        return np.concatenate([lap - self.length_m, lap, self.at_m + self.length_m])

    def _around(self, s_m: float) -> list[int]:
        # A nose outside a corner is beside the row itself: a billionth is rounding.
        after = bisect.bisect_right(self.at_m, s_m + 1e-9)
        count = len(self.at_m)
        return [(after - 1) % count, 0 if after == count else after]


def places(origin: np.ndarray, quaternion: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Noses (n, 2), wheels (n, 4, 2), and headings (n,) in degrees."""
    turn = Rotation.from_quat(quaternion)
    nose = origin + turn.apply(NOSE_M)
    wheels = np.stack([origin + turn.apply(wheel) for wheel in WHEELS_M], axis=1)
    return nose[:, :2], wheels[..., :2], turn.as_euler("zyx")[:, 0] * 180 / math.pi


def progress_of(s_m: float, start_m: float, length_m: float, before: float) -> float:
    """The contract's rule: percent of the lap since the start, given the step before's."""
    now = 100.0 * (s_m - start_m) / length_m
    if now <= 0.0:
        now += 100.0
    if before > now + 50.0:
        now += 100.0
    if now > before + 50.0:
        now -= 100.0
    return min(now, 100.0)
