"""Route files: the centre line and borders of a track, as DeepRacer's simulator stores them."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import NoReturn

import numpy as np

from sim.errors import UserError
from sim.polylines import Floats, arc_lengths, crossings, nearest

MIN_ROWS = 4
MAX_ROWS = 5000  # 12 mm a row on the longest DeepRacer track; the checks look at pairs of rows
MIN_LENGTH_M, MAX_LENGTH_M = 2.0, 1000.0  # outside, the unit is hardly the metre
MIN_WIDTH_M = 0.25  # the car is 0.2 m wide over its wheels
MAX_WIDTH_M = 20.0
_MAX_BYTES = 1 << 22
_SAME_M = 1e-6  # rows nearer than this are one row
_REACH_WIDTHS = 3.0  # borders cross within this of a crossover's middle when it is above 20 degrees
_SPIKE_COS = np.cos(np.radians(135))  # a border that turns by more in one row has folded back

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
    bad = np.flatnonzero(~np.isfinite(route).all(axis=1))
    if len(bad):
        raise UserError("the row holds NaN or infinity", where=f"{where}, row {bad[0]}")
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


def _check_borders(route: Floats, where: str) -> None:
    """Refuses borders that fold, touch, cross or lie on one side of the centre."""
    # A row written twice has no direction.
    rows = np.flatnonzero(np.linalg.norm(np.diff(route[:, :2], axis=0), axis=1) >= _SAME_M)
    rows = np.append(rows, len(route) - 1)
    kept = route[rows]
    way_m = arc_lengths(kept[:, :2])
    lap_m = way_m[-1] if is_closed(route) else np.inf
    width_m = _check_width(kept, way_m, lap_m, rows, where)

    def apart(a_m: Floats, b_m: Floats) -> Floats:
        distance: Floats = np.abs(a_m - b_m)
        return np.minimum(distance, lap_m - distance)

    def fail(what: str, row: int) -> NoReturn:
        raise UserError(
            what,
            where=f"{where}, row {rows[row]}",
            fix="Widen the corner or narrow the road there; a road may only cross itself at more "
            "than 20 degrees.",
        )

    middle_m = (way_m[:-1] + way_m[1:]) / 2
    centre = kept[:, :2]
    bridges = middle_m[crossings(centre, centre)]
    reach_m = _REACH_WIDTHS * width_m
    for a_m, b_m in bridges:
        if apart(a_m, b_m) < reach_m:
            fail("the centre line crosses itself in a knot", int(np.searchsorted(way_m, a_m)))
    lines = {"centre line": centre, "inner border": kept[:, 2:4], "outer border": kept[:, 4:]}
    for name in ("inner border", "outer border"):
        _check_spikes(lines[name], name, fail)
    for first, second in (
        ("inner border", "inner border"),
        ("outer border", "outer border"),
        ("inner border", "outer border"),
        ("centre line", "inner border"),
        ("centre line", "outer border"),
    ):
        for i, j in crossings(lines[first], lines[second]):
            near = apart(bridges[:, 0], middle_m[i]) < reach_m
            near &= apart(bridges[:, 1], middle_m[j]) < reach_m
            if not near.any():
                other = "itself" if first == second else f"the {second}"
                fail(f"the {first} touches {other}: the road overlaps itself", int(i))


def _check_width(route: Floats, way_m: Floats, lap_m: float, rows: object, where: str) -> float:
    """Refuses a road without width; returns its mean width, by projection on the borders."""
    centre = route[:, :2]
    along = np.gradient(centre, axis=0)
    # Rows of the borders need not be perpendicular partners of the centre's, so look further, but
    # not so far that the other side of a lap is found.
    apart = np.abs(way_m[:, None] - (way_m[:-1] + way_m[1:]) / 2)
    apart = np.minimum(apart, lap_m - apart)
    step_m = np.diff(way_m).max()
    indexwise_m = np.linalg.norm(route[:, 2:4] - route[:, 4:], axis=1).max()
    allowed = apart <= max(2 * step_m, indexwise_m)
    offsets = [nearest(centre, route[:, c : c + 2], allowed) - centre for c in (2, 4)]
    width_m = sum(np.linalg.norm(offset, axis=1) for offset in offsets)
    worst = int(np.argmin(width_m))
    if width_m[worst] < MIN_WIDTH_M or width_m.max() > MAX_WIDTH_M:
        worst = worst if width_m[worst] < MIN_WIDTH_M else int(np.argmax(width_m))
        raise UserError(
            f"the road is {width_m[worst]:.4g} m wide",
            where=f"{where}, row {np.asarray(rows)[worst]}",
            fix=f"It must be {MIN_WIDTH_M:g} to {MAX_WIDTH_M:g} m everywhere.",
        )
    inner, outer = (along[:, 0] * o[:, 1] - along[:, 1] * o[:, 0] for o in offsets)
    same = np.flatnonzero(inner * outer >= 0)
    if len(same):
        raise UserError(
            "both borders lie on the same side of the centre line",
            where=f"{where}, row {np.asarray(rows)[same[0]]}",
            fix=f"The columns are {_COLUMNS}.",
        )
    return float(width_m.mean())


def _check_spikes(border: Floats, name: str, fail: object) -> None:
    """Refuses a border that turns back on itself within one row."""
    steps = np.diff(border, axis=0)
    lengths = np.linalg.norm(steps, axis=1)
    moving = np.flatnonzero(lengths >= _SAME_M)
    directions = steps[moving] / lengths[moving, None]
    cosines = (directions[1:] * directions[:-1]).sum(axis=1)
    folded = np.flatnonzero(cosines < _SPIKE_COS)
    if len(folded):
        assert callable(fail)
        fail(f"the {name} folds back on itself", int(moving[folded[0] + 1]))
