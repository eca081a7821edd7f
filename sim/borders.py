"""Where a point lies between the borders of a road: exact, and without looking at all of them.

For each segment of the centre line the border segments beside it are listed, nearest first. A
search along such a list ends as soon as what is left must be farther away than what was found, so
it takes a few steps and still finds the nearest point. Segments of another branch of the lap are in
no list, so a crossover has no way to confuse it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim.track import Track

Array = NDArray[np.float64]

REACH_M, REACH_WIDTHS = 1.0, 2.0  # listed are the borders so far along the lap, both ways
_CHUNK_ROWS = 512  # centre segments looked at together: bounds the memory on routes of 5000 rows


class Border(NamedTuple):
    """One border as the kernels read it.

    Attributes:
        edges: (E, 9) segments: the start's x, y; the step's x, y; 1 / length^2; a vector towards
            the road from the start, and one from the end (x, y each). At a vertex the unit normals
            of both its segments are added up: the side on which a point lies that is nearest to
            the vertex is the sign of its product with the sum.
        first: (K + 1,) the list of centre segment k is first[k] to first[k + 1].
        listed: (M,) int32 indices of edges.
        bound: (M,) no point of the edge is nearer to the centre segment, metres; rising.
    """

    edges: Array
    first: NDArray[np.int64]
    listed: NDArray[np.int32]
    bound: Array


def borders_of(track: Track, width_m: float) -> tuple[Border, Border, Array]:
    """The inner border, the outer border, and the (0 or 2, 9) edges that end an open road.

    Args:
        track: The track.
        width_m: The road's width where it is widest.
    """
    ends, inward = np.empty((0, 2)), np.empty((0, 2))
    if not track.closed:
        ends = track.outer[[0, -1]] - track.inner[[0, -1]]
        ahead = track.waypoints[[1, -2]] - track.waypoints[[0, -1]]
        inward = _left_normals(ends)
        inward *= np.sign(np.einsum("ij,ij->i", inward, ahead))[:, None]
    reach_m = REACH_M + REACH_WIDTHS * width_m
    inner = _border(track, track.inner, inward, reach_m)
    outer = _border(track, track.outer, inward, reach_m)
    caps = np.empty((0, 9))
    if not track.closed:
        at_inner, at_outer = (
            np.stack([border.edges[0, 5:7], border.edges[-1, 7:9]]) for border in (inner, outer)
        )
        caps = _edges(track.inner[[0, -1]], ends, at_inner, at_outer)
    return inner, outer, caps


@njit(cache=True)
def search(
    border: Border, k: int, away_m: float, x: float, y: float, best: float
) -> tuple[float, float, float, float]:  # pragma: no cover - compiled
    """Finds the point of a border nearest to a point, if it is nearer than one already known.

    Args:
        border: Which border.
        k: The segment of the centre line beside which the point lies.
        away_m: How far from that segment it is.
        x: The point, world frame, metres.
        y: The same.
        best: Squared distance of what is already known, m^2.

    Returns:
        The squared distance, the nearest point's x and y, and a number that is positive on the
        road's side of the border. Where nothing is nearer, `best` and zeros.
    """
    foot_x, foot_y, side = 0.0, 0.0, 0.0
    for i in range(border.first[k], border.first[k + 1]):
        beyond = border.bound[i] - away_m
        if beyond > 0.0 and beyond * beyond > best:
            break
        squared, fx, fy, inward = to_edge(border.edges[border.listed[i]], x, y)
        if squared < best:
            best, foot_x, foot_y, side = squared, fx, fy, inward
    return best, foot_x, foot_y, side


@njit(cache=True)
def to_edge(
    edge: Array, x: float, y: float
) -> tuple[float, float, float, float]:  # pragma: no cover - compiled
    """What `search` returns, for a single row of `Border.edges`."""
    ex, ey = x - edge[0], y - edge[1]
    t = (ex * edge[2] + ey * edge[3]) * edge[4]
    if t <= 0.0:
        return ex * ex + ey * ey, edge[0], edge[1], ex * edge[5] + ey * edge[6]
    if t >= 1.0:
        dx, dy = ex - edge[2], ey - edge[3]
        return dx * dx + dy * dy, edge[0] + edge[2], edge[1] + edge[3], dx * edge[7] + dy * edge[8]
    dx, dy = ex - t * edge[2], ey - t * edge[3]
    # Inside the segment either end's vector shows the side: both lie within a right angle of its
    # normal, and the rest (dx, dy) is along the normal.
    return (
        dx * dx + dy * dy,
        edge[0] + t * edge[2],
        edge[1] + t * edge[3],
        dx * edge[5] + dy * edge[6],
    )


def _border(track: Track, rows: Array, inward: Array, reach_m: float) -> Border:
    """Prepares one border, given the inward normals (0 or 2, 2) of an open road's ends."""
    steps = np.diff(rows, axis=0)
    kept = np.flatnonzero(steps.any(axis=1))  # rows may repeat
    normals = _left_normals(steps[kept])
    if rows is track.left:
        normals = -normals
    before, after = (normals[-1:], normals[:1]) if track.closed else (inward[:1], inward[1:])
    at_start = normals + np.concatenate([before, normals[:-1]])
    at_end = normals + np.concatenate([normals[1:], after])
    edges = _edges(rows[kept], steps[kept], at_start, at_end)

    # A row of a border need not lie beside the centre of the same row: move it along the road.
    heading = track.heading(track.s_of_waypoint)
    aside = rows - track.waypoints
    beside_m = track.s_of_waypoint + aside[:, 0] * np.cos(heading) + aside[:, 1] * np.sin(heading)
    low_m, high_m = beside_m[kept], beside_m[kept + 1]
    at_m, reaches_m = 0.5 * (low_m + high_m), reach_m + 0.5 * np.abs(high_m - low_m)
    middle, half_m = rows[kept] + 0.5 * steps[kept], 0.5 * np.hypot(*steps[kept].T)
    counts, listed, bound = [np.zeros(1, np.int64)], [], []
    for first in range(0, len(track.waypoints) - 1, _CHUNK_ROWS):
        centre = track.waypoints[first : first + _CHUNK_ROWS + 1]
        s_m = track.s_of_waypoint[first : first + _CHUNK_ROWS + 1]
        apart_m = np.abs(0.5 * (s_m[:-1] + s_m[1:])[:, None] - at_m)
        if track.closed:
            apart_m = np.minimum(apart_m, np.abs(track.length_m - apart_m))
        k, edge = np.nonzero(apart_m <= 0.5 * np.diff(s_m)[:, None] + reaches_m)
        between = 0.5 * (centre[k] + centre[k + 1]) - middle[edge]
        gap_m = np.hypot(*between.T) - half_m[edge] - 0.5 * np.diff(s_m)[k]
        order = np.lexsort((gap_m, k))
        counts.append(np.bincount(k, minlength=len(centre) - 1))
        listed.append(edge[order].astype(np.int32))
        bound.append(gap_m[order])
    return Border(
        edges, np.cumsum(np.concatenate(counts)), np.concatenate(listed), np.concatenate(bound)
    )


def _edges(starts: Array, steps: Array, at_start: Array, at_end: Array) -> Array:
    per_square = 1.0 / np.einsum("ij,ij->i", steps, steps)
    return np.hstack([starts, steps, per_square[:, None], at_start, at_end])


def _left_normals(steps: Array) -> Array:
    left = np.stack([-steps[:, 1], steps[:, 0]], axis=1)
    normals: Array = left / np.hypot(*steps.T)[:, None]
    return normals
