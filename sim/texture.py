"""Grain of grass and asphalt: smooth noise from a hash, so that it needs no random state."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt

Noise = npt.NDArray[np.float32]

_RIM_M = 1.0  # the grain fades out over this width towards the rim, which must be one flat colour
_STRIPE_M = 0.9  # width of a mowing stripe


def grass_noise(rows: int, columns: int, pixels_per_m: float) -> Noise:
    """(rows, columns) float32: relative brightness of grass around 0; 0 at the rim."""
    noise: Noise = (
        0.06 * _octave(rows, columns, pixels_per_m * 0.02, 1)
        + 0.05 * _octave(rows, columns, pixels_per_m * 0.12, 2)
        + 0.05 * _octave(rows, columns, pixels_per_m * 0.9, 3)
    )
    y, x = np.ogrid[:rows, :columns]
    diagonal = (x + y).astype(np.float32) * np.float32(np.pi / (_STRIPE_M * pixels_per_m * 2**0.5))
    noise += np.float32(0.025) * np.tanh(6 * np.sin(diagonal))
    rim = np.minimum(np.minimum(x, columns - 1 - x), np.minimum(y, rows - 1 - y))
    noise *= np.clip(rim / np.float32(_RIM_M * pixels_per_m), 0, 1).astype(np.float32)
    return noise


def asphalt_noise(rows: int, columns: int, pixels_per_m: float) -> Noise:
    """(rows, columns) float32: relative brightness of asphalt and paint around 0."""
    noise: Noise = (
        0.05 * _octave(rows, columns, pixels_per_m * 0.008, 4)
        + 0.03 * _octave(rows, columns, pixels_per_m * 0.05, 5)
        + 0.05 * _octave(rows, columns, pixels_per_m * 0.5, 6)
    )
    return noise


def periodic_noise(rows: int, columns: int, high: int, wide: int, seed: int) -> Noise:
    """Smooth noise in -1..1 of high x wide cells that continues from its right rim to its left."""
    grid = np.pad(_hash(high + 1, wide, seed), ((0, 0), (2, 2)), mode="wrap")
    stretch = columns / wide
    size = round((wide + 4) * stretch), max(rows, 1)
    smooth: Noise = cv2.resize(grid, size, interpolation=cv2.INTER_CUBIC)
    first = round(2 * stretch)
    return smooth[:, first : first + columns]


def _octave(rows: int, columns: int, cell: float, seed: int) -> Noise:
    """Smooth noise in -1..1 that varies over `cell` pixels."""
    high = max(2, round(rows / max(cell, 1.0)))
    wide = max(2, round(columns / max(cell, 1.0)))
    grid = _hash(high, wide, seed)
    if (high, wide) == (rows, columns):
        return grid
    smooth: Noise = cv2.resize(grid, (columns, rows), interpolation=cv2.INTER_CUBIC)
    return smooth


def _hash(rows: int, columns: int, seed: int) -> Noise:
    """(rows, columns) values in -1..1, each a hash of its place (multiply, xor, shift rounds)."""
    y, x = np.ogrid[:rows, :columns]
    h = x.astype(np.uint32) * np.uint32(0x9E3779B1) + y.astype(np.uint32) * np.uint32(0x85EBCA77)
    h += np.uint32(seed * 0x27D4EB2F & 0xFFFFFFFF)
    for shift, factor in ((15, 0x2C1B3C6D), (12, 0x297A2D39), (15, 1)):
        h ^= h >> np.uint32(shift)
        h *= np.uint32(factor)
    values: Noise = h.astype(np.float32) * np.float32(2.0**-31) - np.float32(1.0)
    return values
