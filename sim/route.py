"""Route files: the centre line and borders of a track, as DeepRacer's simulator stores them."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

import numpy as np

from sim.errors import UserError
from sim.polylines import Floats, arc_lengths, crossings, nearest

MIN_ROWS = 4
MAX_ROWS = 5000  # 12 mm a row on the longest DeepRacer track; the checks look at pairs of rows
MIN_LENGTH_M, MAX_LENGTH_M = 2.0, 1000.0  # outside, the unit is hardly the metre
MIN_WIDTH_M = 0.25  # the car is 0.2 m wide over its wheels
MAX_WIDTH_M = 20.0
_MAX_BYTES = 1 << 22
_FARTHEST_M = 1e6  # from the origin; farther away float64 still holds a tenth of a nanometre
_SAME_M = 1e-6  # rows nearer than this are one row
_REACH_WIDTHS = 3.0  # borders cross within this of a crossover's middle when it is above 20 degrees
_SPIKE_COS = np.cos(np.radians(135))  # a border that turns by more in one row has folded back

_OVERLAP_FIX = (
    "Widen the corner or narrow the road there. A road may cross itself, at more than 20 degrees."
)
_COLUMNS = "center_x, center_y, inner_x, inner_y, outer_x, outer_y"


def load_route(path: str | PathLike[str], *, closed: bool = False) -> Floats:
    """Reads and checks a route file.

    Args:
        path: A .npy file (never a pickle) of shape (N, 6).
        closed: Whether an open route, which does not repeat its first row, is refused.

    Returns:
        Float64 array (N, 6) in metres, frame `world`: centre x, y, inner border x, y, outer border
        x, y. A closed route repeats row 0 exactly as its last row. Rows are as in the file, because
        reward functions see them by their number.

    Raises:
        UserError: The file cannot be read or is not a route that a car can drive.
    """
    where = str(path)
    try:
        if Path(path).stat().st_size > _MAX_BYTES:
            raise UserError(
                f"the file is larger than {_MAX_BYTES >> 20} MB",
                where=where,
                fix=f"A route has at most {MAX_ROWS} rows of 6 numbers.",
            )
        with open(path, "rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    except OSError as error:
        raise UserError(
            f"cannot read the route: {error.strerror or error}",
            where=where,
            fix="Give a .npy file, or see 'hairpin tracks list' for the names in the library.",
        ) from error
    except (ValueError, EOFError, MemoryError) as error:
        raise UserError(
            "not a NumPy array file",
            where=where,
            fix=f"A route is saved by numpy.save, shape (N, 6): {_COLUMNS}.",
        ) from error
    return check_route(array, where=where, closed=closed)


def check_route(array: np.ndarray, *, where: str = "route", closed: bool = False) -> Floats:
    """Checks that an array is a route that a car can drive.

    A road may cross itself at a clear angle (a crossover). It may not touch itself otherwise, fold
    back in a corner tighter than half its width, or have its borders on one side.

    Args:
        array: Numbers, shape (N, 6), as `load_route` returns them.
        where: The file or name that errors mention.
        closed: Whether an open route is refused.

    Returns:
        The route as float64, (N, 6); a copy.

    Raises:
        UserError: Says what is wrong and, where there is one, in which row (counted from 0).
    """
    if array.dtype.kind not in "fiu" or array.ndim != 2 or array.shape[1] != 6:
        raise UserError(
            f"the array is {array.dtype} of shape {array.shape}, not numbers of shape (N, 6)",
            where=where,
            fix=f"The columns are {_COLUMNS}.",
        )
    route = array.astype(np.float64)
    if not MIN_ROWS <= len(route) <= MAX_ROWS:
        raise UserError(
            f"the route has {len(route)} rows",
            where=where,
            fix=f"It needs {MIN_ROWS} to {MAX_ROWS}; one every 0.1 to 0.3 m is usual.",
        )
    bad = np.flatnonzero(~(np.abs(route) <= _FARTHEST_M).all(axis=1))
    if len(bad):
        raise UserError(
            f"the row holds NaN, infinity or a coordinate beyond {_FARTHEST_M:.0f} m",
            where=f"{where}, row {bad[0]}",
        )
    if np.abs(route[0] - route[-1]).max() < _SAME_M:
        route[-1] = route[0]
    if closed and not is_closed(route):
        gap_m = float(np.linalg.norm(route[-1, :2] - route[0, :2]))
        raise UserError(
            f"the route is open (its ends are {gap_m:.2f} m apart) where a closed one is needed",
            where=where,
            fix="The last row of a closed route repeats the first.",
        )
    _check_scale(route, where)
    _check_repeats(route, where)
    _check_borders(route, where)
    return route


def is_closed(route: Floats) -> bool:
    """Tells whether a route (N, 6) is a lap: its last row is its first."""
    return bool((route[0] == route[-1]).all())


def _check_scale(route: Floats, where: str) -> None:
    length_m = arc_lengths(route[:, :2])[-1]
    if not MIN_LENGTH_M <= length_m <= MAX_LENGTH_M:
        raise UserError(
            f"the route is {length_m:.4g} m long",
            where=where,
            fix=f"It must be {MIN_LENGTH_M:g} to {MAX_LENGTH_M:g} m; coordinates are in metres.",
        )


def _check_repeats(route: Floats, where: str) -> None:
    """Refuses rows that stand still.

    One row written twice is let pass: the public DeepRacer routes have it where their lap was once
    cut open.
    """
    still = np.linalg.norm(np.diff(route[:, :2], axis=0), axis=1) < _SAME_M
    moved = np.abs(np.diff(route[:, 2:], axis=0)).max(axis=1) >= _SAME_M
    again = np.concatenate(([False], still[1:] & still[:-1]))
    bad = np.flatnonzero(still & (moved | again))
    if len(bad):
        raise UserError(
            "the centre stands at the same point as in the row before",
            where=f"{where}, row {bad[0] + 1}",
            fix="Leave the row out.",
        )


class _Road:
    """A route without its repeated rows, ready to be measured."""

    def __init__(self, route: Floats, where: str) -> None:
        steps_m = np.linalg.norm(np.diff(route[:, :2], axis=0), axis=1)
        self.rows = np.append(np.flatnonzero(steps_m >= _SAME_M), len(route) - 1)
        self.where = where
        self.centre, self.inner, self.outer = np.split(route[self.rows], 3, axis=1)
        self.way_m = arc_lengths(self.centre)
        self.middle_m = (self.way_m[:-1] + self.way_m[1:]) / 2
        self.lap_m = self.way_m[-1] if is_closed(route) else np.inf

    def apart_m(self, a_m: Floats | float, b_m: Floats | float) -> Floats:
        """How far two places are apart along the way, the shorter way round."""
        distance_m = np.abs(np.subtract(a_m, b_m))
        return np.minimum(distance_m, self.lap_m - distance_m)

    def error(self, what: str, row: int, fix: str) -> UserError:
        return UserError(what, where=f"{self.where}, row {self.rows[row]}", fix=fix)


def _check_borders(route: Floats, where: str) -> None:
    """Refuses borders that fold, touch, cross or lie on one side of the centre."""
    road = _Road(route, where)
    reach_m = _REACH_WIDTHS * _check_width(road)
    bridges = crossings(road.centre, road.centre)
    bridges_m = road.middle_m[bridges]
    knots = np.flatnonzero(road.apart_m(bridges_m[:, 0], bridges_m[:, 1]) < reach_m)
    if len(knots):
        raise road.error("the centre line ties a knot", int(bridges[knots[0], 0]), _OVERLAP_FIX)
    lines = {
        "centre line": road.centre,
        "inner border": road.inner,
        "outer border": road.outer,
    }
    for name in ("inner border", "outer border"):
        row = _spike(lines[name])
        if row is not None:
            raise road.error(f"the {name} folds back on itself", row, _OVERLAP_FIX)
    for first, second in (
        ("inner border", "inner border"),
        ("outer border", "outer border"),
        ("inner border", "outer border"),
        ("centre line", "inner border"),
        ("centre line", "outer border"),
    ):
        for i, j in crossings(lines[first], lines[second]):
            near = road.apart_m(bridges_m[:, 0], road.middle_m[i]) < reach_m
            near &= road.apart_m(bridges_m[:, 1], road.middle_m[j]) < reach_m
            if not near.any():
                other = "itself" if first == second else f"the {second}"
                raise road.error(
                    f"the {first} crosses {other}: the road overlaps itself", int(i), _OVERLAP_FIX
                )


def _check_width(road: _Road) -> float:
    """Refuses a road without width; returns its mean width, by projection on the borders."""
    # Rows of the borders need not be perpendicular partners of the centre's, so look further, but
    # not so far that the other side of a lap is found.
    index_wise_m = np.linalg.norm(road.inner - road.outer, axis=1).max()
    reach_m = max(2 * np.diff(road.way_m).max(), index_wise_m)
    beside = road.apart_m(road.way_m[:, None], road.middle_m) <= reach_m
    to_inner = nearest(road.centre, road.inner, beside) - road.centre
    to_outer = nearest(road.centre, road.outer, beside) - road.centre
    width_m = np.hypot(*to_inner.T) + np.hypot(*to_outer.T)
    wrong = np.flatnonzero((width_m < MIN_WIDTH_M) | (width_m > MAX_WIDTH_M))
    if len(wrong):
        raise road.error(
            f"the road is {width_m[wrong[0]]:.4g} m wide",
            int(wrong[0]),
            f"It must be {MIN_WIDTH_M:g} to {MAX_WIDTH_M:g} m everywhere.",
        )
    ahead = np.gradient(road.centre, axis=0)
    inner_side = ahead[:, 0] * to_inner[:, 1] - ahead[:, 1] * to_inner[:, 0]
    outer_side = ahead[:, 0] * to_outer[:, 1] - ahead[:, 1] * to_outer[:, 0]
    same = np.flatnonzero(inner_side * outer_side >= 0)
    if len(same):
        raise road.error(
            "both borders lie on the same side of the centre line",
            int(same[0]),
            f"The columns are {_COLUMNS}.",
        )
    return float(width_m.mean())


def _spike(border: Floats) -> int | None:
    """Finds a row at which a border turns back on itself."""
    steps = np.diff(border, axis=0)
    lengths = np.hypot(*steps.T)
    moving = np.flatnonzero(lengths >= _SAME_M)
    directions = steps[moving] / lengths[moving, None]
    cosines = (directions[1:] * directions[:-1]).sum(axis=1)
    folded = np.flatnonzero(cosines < _SPIKE_COS)
    return int(moving[folded[0] + 1]) if len(folded) else None
