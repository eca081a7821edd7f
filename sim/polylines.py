"""Plane geometry of polylines that checks of routes need: crossings and distances."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CHUNK_PAIRS = 1_000_000  # segment pairs looked at together: bounds the memory to some 100 MB
_PARALLEL_SIN = 1e-9  # below it two segments are pieces of one straight line, and do not cross


def crossings(a: Floats, b: Floats) -> Ints:
    """Finds where the segments of one polyline cross those of another.

    A segment holds its first end but not its last, so neighbours do not cross and a polyline may be
    given twice to find where it crosses itself (each crossing is then found in both orders).

    Args:
        a: Polyline, shape (N, 2), float64, metres, frame `world`.
        b: Polyline, shape (M, 2), likewise.

    Returns:
        Pairs (i, j), shape (K, 2): segment i of `a` (rows i and i + 1) crosses segment j of `b`.
    """
    middle_a, middle_b = (a[:-1] + a[1:]) / 2, (b[:-1] + b[1:]) / 2
    along_a, along_b = np.diff(a, axis=0), np.diff(b, axis=0)
    length_a, length_b = np.hypot(*along_a.T), np.hypot(*along_b.T)
    found = [np.empty((0, 2), dtype=np.int64)]
    rows = max(1, _CHUNK_PAIRS // max(1, len(middle_b)))
    for first in range(0, len(middle_a), rows):
        part = slice(first, first + rows)
        reach = (length_a[part, None] + length_b) / 2
        near = np.abs(middle_a[part, None, 0] - middle_b[:, 0]) <= reach
        near &= np.abs(middle_a[part, None, 1] - middle_b[:, 1]) <= reach
        i, j = np.nonzero(near)
        i += first
        between = b[j] - a[i]
        across = _cross(along_a[i], along_b[j])
        with np.errstate(divide="ignore", invalid="ignore"):
            at_a = _cross(between, along_b[j]) / across
            at_b = _cross(between, along_a[i]) / across
        hit = np.abs(across) > _PARALLEL_SIN * length_a[i] * length_b[j]
        hit &= (at_a >= 0) & (at_a < 1) & (at_b >= 0) & (at_b < 1)
        found.append(np.column_stack((i[hit], j[hit])))
    return np.concatenate(found)


def nearest(points: Floats, line: Floats, allowed: npt.NDArray[np.bool_]) -> Floats:
    """Finds the point of a polyline nearest to each of the given points.

    Args:
        points: Shape (K, 2), float64, metres, frame `world`.
        line: Polyline, shape (M, 2), likewise.
        allowed: Shape (K, M - 1): which segments count for which point; at least one each.

    Returns:
        The nearest points on the polyline, shape (K, 2).
    """
    start, along = line[:-1], np.diff(line, axis=0)
    squared = np.maximum((along**2).sum(axis=1), np.finfo(np.float64).tiny)
    best = np.empty_like(points)
    rows = max(1, _CHUNK_PAIRS // max(1, len(start)))
    for first in range(0, len(points), rows):
        part = slice(first, first + rows)
        x, y = np.moveaxis(points[part, None] - start, -1, 0)
        at = np.clip((x * along[:, 0] + y * along[:, 1]) / squared, 0.0, 1.0)
        distance = np.hypot(x - at * along[:, 0], y - at * along[:, 1])
        k = np.where(allowed[part], distance, np.inf).argmin(axis=1)
        best[part] = start[k] + at[np.arange(len(k)), k, None] * along[k]
    return best


def arc_lengths(line: Floats) -> Floats:
    """Measures a polyline: the way from its first row to each row, shape (N,), metres."""
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    return np.concatenate(([0.0], np.cumsum(steps)))


def _cross(a: Floats, b: Floats) -> Floats:
    product: Floats = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product
