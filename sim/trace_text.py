"""Numbers as text, many at once: a compiled writer of a trace's rows.

It rounds as ``%.4f`` does. Where the double that a number is multiplied into lies too close to the
middle between two results to tell, it stops before that row, and Python writes it.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

ROW_BYTES = 400  # more than any row of finite numbers below 1e15 takes
_LIMIT = 9e15  # products above it are no whole numbers any more
_TOO_CLOSE = 4e-16  # of a product: twice the error that it can have


@njit(cache=True)
def write_rows(
    out: Bytes,
    at: int,
    rows: NDArray[np.void],
    first: int,
    episode: int,
    names: Bytes,
    lengths: NDArray[np.int64],
    continuous: bool,
) -> tuple[int, int]:  # pragma: no cover - compiled
    """Writes rows from `first` on into `out` at `at`.

    Args:
        out: Has room for `ROW_BYTES` a row.
        at: Where to begin.
        rows: As `sim.trace.ROWS`.
        first: The first row to write.
        episode: Its number.
        names: (k, w) the words for the statuses, as bytes.
        lengths: (k,) how long they are.
        continuous: Whether an action is written as ``[steering speed]``.

    Returns:
        The row that was not written, or their number, and where the text ends.
    """
    for i in range(first, rows.shape[0]):
        row = rows[i]
        begin = at
        at = _comma(out, _whole(out, at, episode))
        at = _comma(out, _whole(out, at, row.steps))
        at = _comma(out, _fixed(out, at, row.x, 4))
        if at > 0:
            at = _comma(out, _fixed(out, at, row.y, 4))
        if at > 0:
            at = _comma(out, _fixed(out, at, row.yaw, 4))
        if at > 0:
            at = _comma(out, _fixed(out, at, row.steer, 2))
        if at > 0:
            at = _comma(out, _fixed(out, at, row.throttle, 2))
        if at > 0 and continuous:
            out[at] = 91  # [
            at = _fixed(out, at + 1, row.steer, 4)
            if at > 0:
                out[at] = 32
                at = _fixed(out, at + 1, row.throttle, 4)
            if at > 0:
                out[at] = 93  # ]
                at = _comma(out, at + 1)
        elif at > 0:
            at = _comma(out, _whole(out, at, row.action))
        if at > 0:
            at = _comma(out, _fixed(out, at, row.reward, 4))
        if at > 0:
            at = _comma(out, _truth(out, at, row.done))
            at = _comma(out, _truth(out, at, row.all_wheels_on_track))
            at = _comma(out, _fixed(out, at, row.progress, 4))
        if at > 0:
            at = _comma(out, _whole(out, at, row.closest_waypoint))
            at = _comma(out, _fixed(out, at, row.track_len, 2))
        if at > 0:
            at = _comma(out, _fixed(out, at, row.tstamp, 4))
        if at > 0:
            for k in range(lengths[row.status]):
                out[at + k] = names[row.status, k]
            at = _comma(out, at + lengths[row.status])
            at = _comma(out, _fixed(out, at, row.pause_duration, 2))
        if at > 0:
            at = _comma(out, _whole(out, at, 0))
            at = _fixed(out, at, row.wall_clock, 4)
        if at < 0:
            return i, begin
        out[at] = 10
        at += 1
    return rows.shape[0], at


@njit(cache=True)
def _comma(out: Bytes, at: int) -> int:  # pragma: no cover - compiled
    if at > 0:
        out[at] = 44
        return at + 1
    return at


@njit(cache=True)
def _truth(out: Bytes, at: int, value: bool) -> int:  # pragma: no cover - compiled
    if value:
        out[at], out[at + 1], out[at + 2], out[at + 3] = 84, 114, 117, 101
        return at + 4
    out[at], out[at + 1], out[at + 2], out[at + 3], out[at + 4] = 70, 97, 108, 115, 101
    return at + 5


@njit(cache=True)
def _whole(out: Bytes, at: int, value: int) -> int:  # pragma: no cover - compiled
    if value < 0:
        out[at] = 45
        at += 1
        value = -value
    digits, rest = 1, value // 10
    while rest > 0:
        digits += 1
        rest //= 10
    for k in range(digits - 1, -1, -1):
        out[at + k] = 48 + value % 10
        value //= 10
    return at + digits


@njit(cache=True)
def _fixed(out: Bytes, at: int, value: float, decimals: int) -> int:  # pragma: no cover - compiled
    """Writes a number with so many decimals; returns -1 if it cannot tell how it is rounded."""
    unit = 1
    for _ in range(decimals):
        unit *= 10
    scaled = abs(value) * unit
    if not scaled < _LIMIT:
        return -1
    below = math.floor(scaled)
    over = scaled - below - 0.5
    if abs(over) <= _TOO_CLOSE * scaled:
        return -1
    total = int(below) + (1 if over > 0.0 else 0)
    if math.copysign(1.0, value) < 0.0:
        out[at] = 45
        at += 1
    at = _whole(out, at, total // unit)
    out[at] = 46
    rest = total % unit
    for k in range(decimals, 0, -1):
        out[at + k] = 48 + rest % 10
        rest //= 10
    return at + decimals + 1
