"""Plane geometry of polylines that checks of routes need: crossings and distances."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_CHUNK_PAIRS = 1_000_000  # segment pairs looked at together: bounds the memory to some 100 MB


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
    found = []
    start_b, along_b = b[:-1], np.diff(b, axis=0)
    rows = max(1, _CHUNK_PAIRS // max(1, len(start_b)))
    for first in range(0, len(a) - 1, rows):
        start_a = a[first : first + rows + 1][:-1, None]
        along_a = np.diff(a[first : first + rows + 1], axis=0)[:, None]
        between = start_b - start_a
        across = _cross(along_a, along_b)
        with np.errstate(divide="ignore", invalid="ignore"):
            at_a = _cross(between, along_b) / across
            at_b = _cross(between, along_a) / across
        hit = (at_a >= 0) & (at_a < 1) & (at_b >= 0) & (at_b < 1)
        pairs = np.argwhere(hit)
        pairs[:, 0] += first
        found.append(pairs)
    return np.concatenate(found) if found else np.empty((0, 2), dtype=np.int64)


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
    squared = np.maximum((along**2).sum(axis=-1), np.finfo(np.float64).tiny)
    at = np.clip(((points[:, None] - start) * along).sum(axis=-1) / squared, 0.0, 1.0)
    feet = start + at[..., None] * along
    distance = np.where(allowed, np.linalg.norm(points[:, None] - feet, axis=-1), np.inf)
    best: Floats = feet[np.arange(len(points)), distance.argmin(axis=1)]
    return best


def arc_lengths(line: Floats) -> Floats:
    """Measures a polyline: the way from its first row to each row, shape (N,), metres."""
    steps = np.linalg.norm(np.diff(line, axis=0), axis=1)
    return np.concatenate(([0.0], np.cumsum(steps)))


def _cross(a: Floats, b: Floats) -> Floats:
    product: Floats = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product
