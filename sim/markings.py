"""What is painted on and beside a track, as polygons in metres of the world frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.polylines import arc_lengths
from sim.track import Track

Polygons = npt.NDArray[np.float64]  # (k, corners, 2), m, world frame

BORDER_LINE_M = 0.05  # width of the white line, outside the road's edge
CENTRE_LINE_M = 0.04  # width of a dash
DASH_M = 0.18
DASH_PERIOD_M = 0.36
KERB_M = 0.07  # width of a kerb, outside the white line
KERB_BLOCK_M = 0.12
KERB_RADIUS_M = 1.3  # corners tighter than this get a kerb on their inner side
KERB_RUN_IN_M = 0.25  # a kerb begins this much before its corner and ends this much after
CHECK_ROWS = 2
_KERB_STEP_M = 0.05
_TURN_CHORD_M = 0.4  # the turn of the centre line is measured over this length


@dataclass(frozen=True)
class Markings:
    """Everything painted, in the order it is to be drawn: the later covers the earlier.

    Kerbs lie under the border lines, border lines under the road: so no line is ever painted
    across the asphalt of another branch of a track that crosses itself, and the road's edge is
    exactly the inner edge of the paint.

    Attributes:
        kerbs_red: (k, 4, 2) red kerb blocks.
        kerbs_white: (k, 4, 2) white kerb blocks.
        borders: The two border polylines, (N, 2) each, to be stroked BORDER_LINE_M to each side.
        road: (k, 4, 2) pieces of asphalt; their union is the road.
        dashes: (k, 2 * m, 2) dashes of the centre line.
        checks_dark: (k, 4, 2) dark squares of the start and finish line.
        checks_light: (k, 4, 2) its light squares.
    """

    kerbs_red: Polygons
    kerbs_white: Polygons
    borders: tuple[Polygons, Polygons]
    road: Polygons
    dashes: Polygons
    checks_dark: Polygons
    checks_light: Polygons

    @classmethod
    def of(cls, track: Track) -> Markings:
        """Lays out the paint of a track."""
        left, right = track.left, track.right
        red, white = _kerbs(track)
        dark, light = _checks(track, 0.0)
        if not track.closed:
            end_dark, end_light = _checks(track, track.length_m)
            dark, light = np.concatenate([dark, end_dark]), np.concatenate([light, end_light])
        return cls(
            kerbs_red=red,
            kerbs_white=white,
            borders=(left, right),
            road=np.stack([left[:-1], right[:-1], right[1:], left[1:]], axis=1),
            dashes=_dashes(track),
            checks_dark=dark,
            checks_light=light,
        )


def _ribbon(track: Track, s_m: npt.NDArray[np.float64], half_m: float) -> Polygons:
    """Strips along the centre line: s_m (k, m) -> polygons (k, 2 * m, 2)."""
    heading = track.heading(s_m)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=-1) * half_m
    centre = track.point(s_m)
    return np.concatenate([centre + normal, (centre - normal)[:, ::-1]], axis=1)


def _dashes(track: Track) -> Polygons:
    count = max(2, round(track.length_m / DASH_PERIOD_M))
    period_m = track.length_m / count
    start_m = (np.arange(count) + 0.5) * period_m - DASH_M / 2
    s_m = start_m[:, None] + np.linspace(0.0, DASH_M, 7)
    return _ribbon(track, s_m[~_crossed(track, s_m.mean(axis=1))], CENTRE_LINE_M / 2)


def _crossed(track: Track, s_m: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """Which points of the centre line lie on the asphalt of another branch: s_m (k,) -> (k,)."""
    other_m = np.arange(0.0, track.length_m, 0.1)
    apart_m = np.abs(s_m[:, None] - other_m)
    if track.closed:
        apart_m = np.minimum(apart_m, track.length_m - apart_m)
    gap_m = np.linalg.norm(track.point(s_m)[:, None] - track.point(other_m), axis=-1)
    crossed: npt.NDArray[np.bool_] = (
        (apart_m > 2.0 * track.width_m) & (gap_m < 0.5 * track.width_m)
    ).any(axis=1)
    return crossed


def _checks(track: Track, s_m: float) -> tuple[Polygons, Polygons]:
    """The chequered line that ends (or starts) at arc length s_m: dark and light squares."""
    heading = float(track.heading(s_m))
    forward = np.array([np.cos(heading), np.sin(heading)])
    across = np.array([-forward[1], forward[0]])
    columns = max(4, 2 * round(track.width_m / 0.16))
    square_m = track.width_m / columns
    origin = track.point(s_m) - forward * (CHECK_ROWS / 2 * square_m) - across * track.width_m / 2
    if not track.closed:
        origin = origin + forward * (CHECK_ROWS / 2 * square_m) * (1 if s_m == 0.0 else -1)
    row, column = np.divmod(np.arange(CHECK_ROWS * columns), columns)
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]])
    cells = np.stack([row, column], axis=1)[:, None] + corners
    squares = origin + (cells[..., :1] * forward + cells[..., 1:] * across) * square_m
    dark = (row + column) % 2 == 0
    return squares[dark], squares[~dark]


def _kerbs(track: Track) -> tuple[Polygons, Polygons]:
    """Red and white blocks along the inner side of the tight corners."""
    count = max(8, round(track.length_m / _KERB_STEP_M))
    s_m = np.linspace(0.0, track.length_m, count, endpoint=not track.closed)
    turn_rad = track.heading(s_m + _TURN_CHORD_M / 2) - track.heading(s_m - _TURN_CHORD_M / 2)
    curvature = ((turn_rad + np.pi) % (2 * np.pi) - np.pi) / _TURN_CHORD_M  # 1/m, left positive
    reach = min(round(KERB_RUN_IN_M / _KERB_STEP_M), count // 2)
    blocks = []
    for border, side in ((track.left, 1.0), (track.right, -1.0)):
        tight = side * curvature > 1.0 / KERB_RADIUS_M
        if not track.closed:
            tight[:reach] = tight[-reach:] = False
        near = np.any([np.roll(tight, shift) for shift in range(-reach, reach + 1)], axis=0)
        blocks.append(_kerb_blocks(border, side, track.point(s_m), near))
    both = np.concatenate(blocks)
    return both[::2], both[1::2]


def _kerb_blocks(
    border: npt.NDArray[np.float64],
    side: float,
    centre: npt.NDArray[np.float64],
    near: npt.NDArray[np.bool_],
) -> Polygons:
    """Blocks outside a border where the centre point nearest to it is marked as near a corner."""
    length = arc_lengths(border)
    count = max(1, round(length[-1] / KERB_BLOCK_M))
    at = np.linspace(0.0, length[-1], count + 1)
    edge = np.stack([np.interp(at, length, border[:, k]) for k in (0, 1)], axis=1)
    ahead = np.gradient(edge, axis=0)
    ahead /= np.maximum(np.linalg.norm(ahead, axis=1, keepdims=True), 1e-9)
    outward = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1) * side
    rim = edge + outward * (BORDER_LINE_M + KERB_M)
    blocks = np.stack([edge[:-1], edge[1:], rim[1:], rim[:-1]], axis=1)
    middle = blocks[:, :2].mean(axis=1)
    nearest = np.linalg.norm(middle[:, None] - centre, axis=-1).argmin(axis=1)
    chosen: Polygons = blocks[near[nearest]]
    return chosen
