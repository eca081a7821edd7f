"""Random tracks: one seed, one closed road that a car can drive."""

from __future__ import annotations

import numpy as np

from sim.errors import UserError
from sim.polylines import Floats, arc_lengths
from sim.route import check_route
from sim.track_design import Corner, design_route

MIN_RADIUS_M = 0.6
MIN_WIDTH_M, MAX_WIDTH_M = 0.6, 1.0
MIN_LENGTH_M, MAX_LENGTH_M = 12.0, 40.0
GAP_M = 0.25  # grass between two stretches of road, at least
_MIN_ARC_M = 0.68  # arcs of corners; easing them tightens the curve a little
_MAX_ARC_M = 3.0
_MIN_TURNING_RAD = 2 * np.pi + 1.6  # a lap is 2 pi; the rest is bends to the other side and back
_TRIES = 1000


def random_route(seed: int) -> Floats:
    """Makes up a closed road.

    The road is 12 to 40 m long and 0.6 to 1.0 m wide, has no corner tighter than 0.6 m on its
    centre line, keeps clear of itself and is driven either way round.

    Args:
        seed: Not negative; the same seed always gives the same road.

    Returns:
        Float64 array (N, 6), metres, as `sim.route.load_route` returns it.
    """
    rng = np.random.default_rng(seed)
    for _ in range(_TRIES):
        route = _try_route(rng)
        if route is not None:
            return check_route(route, where=f"random:{seed}", closed=True)
    raise RuntimeError(f"seed {seed}: no valid road in {_TRIES} tries")


def parse_seed(spec: str) -> int:
    """Reads the seed of a track named ``random:SEED``.

    Raises:
        UserError: The seed is not a whole number from 0 on.
    """
    text = spec.removeprefix("random:")
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise UserError(
            f"{text!r} is not a seed",
            where=f"track {spec!r}",
            fix="Give a whole number from 0 on, such as 'random:7'.",
        )
    return int(text)


def _try_route(rng: np.random.Generator) -> Floats | None:
    """Draws corners around a middle and rounds them; None if the road is not a good one."""
    target_m = MIN_LENGTH_M + (MAX_LENGTH_M - MIN_LENGTH_M) * rng.random()
    width_m = MIN_WIDTH_M + (MAX_WIDTH_M - MIN_WIDTH_M) * rng.random()
    count = round(target_m * (0.27 + 0.15 * rng.random())) + 2
    angles = (np.arange(count) + 0.35 + 0.7 * rng.random(count)) / count * 2 * np.pi
    distances = 0.35 + 0.65 * rng.random(count)
    flat = 0.55 + 0.35 * rng.random()
    points = np.column_stack((np.cos(angles), flat * np.sin(angles))) * distances[:, None]
    if rng.random() < 0.5:
        points = points[::-1]
    edges = np.linalg.norm(np.roll(points, -1, axis=0) - points, axis=1)
    points *= 1.15 * target_m / edges.sum()  # rounding the corners cuts about an eighth off
    corners = _fit_arcs(points, 0.5 + 0.5 * rng.random(count))
    if corners is None:
        return None
    route = design_route(corners, width_m)
    length_m = arc_lengths(route[:, :2])[-1]
    if not MIN_LENGTH_M <= length_m <= MAX_LENGTH_M:
        return None
    if _tightest_radius(route[:, :2]) < MIN_RADIUS_M or _touches(route[:, :2], width_m + GAP_M):
        return None
    return route


def _fit_arcs(points: Floats, roundness: Floats) -> list[Corner] | None:
    """Gives each corner of a closed polygon an arc that fits half its edges.

    `roundness`, 0 to 1 for each corner, says how much of the room its arc takes. The longest edge
    is put last, so that the road starts on it. None if a corner has too little room, or the lap has
    no bend to the other side.
    """
    edges = np.roll(points, -1, axis=0) - points
    lengths = np.linalg.norm(edges, axis=1)
    first = int(np.argmax(lengths)) + 1
    points, edges = np.roll(points, -first, axis=0), np.roll(edges, -first, axis=0)
    lengths = np.roll(lengths, -first)
    headings = np.arctan2(edges[:, 1], edges[:, 0])
    turns = headings - np.roll(headings, 1)
    turns = np.abs((turns + np.pi) % (2 * np.pi) - np.pi)
    room_m = np.minimum(lengths, np.roll(lengths, 1)) / 2 / np.tan(np.maximum(turns, 1e-6) / 2)
    if room_m.min() < _MIN_ARC_M or turns.sum() < _MIN_TURNING_RAD:
        return None
    arcs_m = np.clip(roundness * room_m, _MIN_ARC_M, _MAX_ARC_M)
    return [(float(x), float(y), float(r)) for (x, y), r in zip(points, arcs_m, strict=True)]


def _tightest_radius(centre: Floats) -> float:
    """Measures the tightest radius of a closed centre line of equal steps, metres."""
    steps = np.diff(centre, axis=0)
    headings = np.arctan2(steps[:, 1], steps[:, 0])
    turns = np.diff(headings, append=headings[0])
    turns = np.abs((turns + np.pi) % (2 * np.pi) - np.pi)
    return float(np.linalg.norm(steps, axis=1).mean() / turns.max())


def _touches(centre: Floats, clearance_m: float) -> bool:
    """Tells whether two stretches of a closed centre line come nearer than the clearance.

    Points closer along the way than half a circle of that diameter are one bend, not two stretches.
    """
    way_m = arc_lengths(centre)
    apart_m = np.abs(way_m[:, None] - way_m)
    apart_m = np.minimum(apart_m, way_m[-1] - apart_m)
    distance_m = np.linalg.norm(centre[:, None] - centre, axis=2)
    near = (distance_m < clearance_m) & (apart_m > clearance_m * np.pi / 2)
    return bool(near.any())
