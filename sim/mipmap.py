"""Texture pyramids laid out for fast sampling: one flat array, every level half the one before."""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

COARSEST_M = 1.0  # a coarser texel would mix the track into the grass at the texture's rim


class Pyramid(NamedTuple):
    """A texture with its mip levels.

    Attributes:
        texels: (channels, total) uint32. Each holds the four neighbours that a bilinear sample
            needs, so that one load fetches them: own texel in the lowest byte, then the one to the
            right, below, and below right; at the rim the last is repeated.
        offset: (levels,) int64, where a level starts in `texels`.
        size: (levels, 2) int32, columns and rows of a level.
    """

    texels: npt.NDArray[np.uint32]
    offset: npt.NDArray[np.int64]
    size: npt.NDArray[np.int32]


def build(image: npt.NDArray[np.uint8], pixels_per_m: float) -> Pyramid:
    """Builds the pyramid of an image by repeated averaging of 2 x 2 texels.

    Args:
        image: (h, w) or (h, w, channels) uint8.
        pixels_per_m: Texels of the image a metre.
    """
    planes = image[..., None] if image.ndim == 2 else image
    packed: list[npt.NDArray[np.uint32]] = []
    sizes: list[tuple[int, int]] = []
    while True:
        rows, columns = planes.shape[:2]
        sizes.append((columns, rows))
        packed.append(_packed(planes))
        pixels_per_m /= 2.0
        if pixels_per_m * COARSEST_M < 1.0 or min(rows, columns) < 4:
            break
        planes = _halved(planes)
    lengths = [columns * rows for columns, rows in sizes]
    return Pyramid(
        texels=np.ascontiguousarray(np.concatenate(packed, axis=1)),
        offset=np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64),
        size=np.array(sizes, dtype=np.int32),
    )


def _packed(planes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """(h, w, channels) -> (channels, h * w): each texel with its right and lower neighbours."""
    rows, columns, channels = planes.shape
    own = np.pad(np.moveaxis(planes, -1, 0), ((0, 0), (0, 1), (0, 1)), mode="edge")
    four = np.empty((channels, rows, columns, 4), dtype=np.uint8)
    four[..., 0] = own[:, :-1, :-1]
    four[..., 1] = own[:, :-1, 1:]
    four[..., 2] = own[:, 1:, :-1]
    four[..., 3] = own[:, 1:, 1:]
    return four.view("<u4").astype(np.uint32, copy=False).reshape(channels, rows * columns)


def _halved(planes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    rows, columns, channels = planes.shape
    even = np.pad(planes, ((0, rows % 2), (0, columns % 2), (0, 0)), mode="edge")
    size = even.shape[1] // 2, even.shape[0] // 2
    half: npt.NDArray[np.uint8] = cv2.resize(even, size, interpolation=cv2.INTER_AREA)
    return half.reshape(size[1], size[0], channels)
