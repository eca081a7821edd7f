"""The ground seen from above: a picture of grass, asphalt and paint, baked once for a track."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np
import numpy.typing as npt

from sim import mipmap
from sim.markings import BORDER_LINE_M, Markings
from sim.texture import asphalt_noise, grass_noise
from sim.track import Track

MARGIN_M = 2.5  # grass around the borders; beyond it the rim's flat green goes on for ever
PIXELS_PER_M = 100.0  # an 80x60 camera sees 3 mm a pixel at its lower rim, a 160x120 one 1.7 mm
FINE_PIXELS_PER_M = 200.0  # for people
MAX_PIXELS = 10_000_000  # picture and gray pyramid take 6.3 bytes a pixel: 64 MB at most

# RGB of what the ground is made of; the index is the label drawn into the picture.
_GRASS, _KERB_RED, _KERB_WHITE, _LINE, _ROAD, _DASH, _CHECK_DARK, _CHECK_LIGHT = range(8)
_PALETTE = np.array(
    [
        (88, 126, 66),
        (198, 44, 38),
        (232, 230, 222),
        (240, 240, 236),
        (64, 65, 70),
        (246, 190, 44),
        (24, 24, 27),
        (236, 236, 232),
    ],
    dtype=np.uint8,
)
_OVERSAMPLE = 4  # the labels are drawn so many times finer, then averaged
_BAND = 256  # rows of the picture baked at a time, which bounds the memory
_SHIFT = 4  # fractional bits of the coordinates given to the drawing functions


@dataclass(frozen=True)
class Ground:
    """A bird's-eye picture of a track on flat ground.

    Row 0 is the northern rim (largest y), column 0 the western one. The rim is one flat colour, so
    that a sampler may repeat it outwards.

    Attributes:
        colour: (h, w, 3) uint8, RGB.
        gray: (h, w) uint8, its luma by ITU-R BT.601, as the DeepRacer observation is.
        pixels_per_m: Resolution.
        west_m, north_m: World x and y of the picture's upper left corner.
    """

    colour: npt.NDArray[np.uint8]
    gray: npt.NDArray[np.uint8]
    pixels_per_m: float
    west_m: float
    north_m: float

    @classmethod
    def bake(cls, track: Track, pixels_per_m: float | None = None) -> Ground:
        """Draws the ground of a track; the same track always gives the same picture.

        Args:
            track: What to draw.
            pixels_per_m: Resolution; 100 by default, and less where a track is so large that its
                picture would take more than `MAX_PIXELS`.
        """
        xmin, ymin, xmax, ymax = track.bounds
        west_m, north_m = xmin - MARGIN_M, ymax + MARGIN_M
        wide_m, high_m = xmax - xmin + 2 * MARGIN_M, ymax - ymin + 2 * MARGIN_M
        if pixels_per_m is None:
            pixels_per_m = _affordable(track, PIXELS_PER_M)
        rows, columns = math.ceil(high_m * pixels_per_m), math.ceil(wide_m * pixels_per_m)
        markings = Markings.of(track)
        colour = np.empty((rows, columns, 3), dtype=np.uint8)
        grass = grass_noise(rows, columns, pixels_per_m)
        asphalt = asphalt_noise(rows, columns, pixels_per_m)
        for first in range(0, rows, _BAND):
            band = slice(first, min(first + _BAND, rows))
            corner = np.array([west_m, north_m - first / pixels_per_m])
            labels = _draw(markings, corner, pixels_per_m, (band.stop - first, columns))
            colour[band] = _shade(labels, grass[band], asphalt[band])
        gray = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY).astype(np.uint8, copy=False)
        return cls(colour, gray, pixels_per_m, west_m, north_m)

    @classmethod
    def for_people(cls, track: Track) -> Ground:
        """Draws it for the chase picture, which comes closer than the cars' cameras do."""
        return cls.bake(track, _affordable(track, FINE_PIXELS_PER_M))

    @cached_property
    def gray_pyramid(self) -> mipmap.Pyramid:
        """The gray picture's mip levels."""
        return mipmap.build(self.gray, self.pixels_per_m)

    @cached_property
    def colour_pyramid(self) -> mipmap.Pyramid:
        """The colour picture's mip levels, three channels."""
        return mipmap.build(self.colour, self.pixels_per_m)


def _affordable(track: Track, pixels_per_m: float) -> float:
    """A resolution, or as much of it as `MAX_PIXELS` allow."""
    xmin, ymin, xmax, ymax = track.bounds
    area_m2 = (xmax - xmin + 2 * MARGIN_M) * (ymax - ymin + 2 * MARGIN_M)
    return min(pixels_per_m, math.sqrt(MAX_PIXELS / area_m2))


def _draw(
    markings: Markings,
    corner_m: npt.NDArray[np.float64],
    pixels_per_m: float,
    shape: tuple[int, int],
) -> npt.NDArray[np.uint8]:
    """Draws labels, `_OVERSAMPLE` times finer than the picture, from an upper left corner on."""
    fine = pixels_per_m * _OVERSAMPLE
    labels = np.zeros((shape[0] * _OVERSAMPLE, shape[1] * _OVERSAMPLE), dtype=np.uint8)

    def pixels(points_m: npt.NDArray[np.float64]) -> npt.NDArray[np.int32]:
        at = (points_m - corner_m) * (fine, -fine) - 0.5
        return np.round(at * (1 << _SHIFT)).astype(np.int32)

    def fill(polygons: npt.NDArray[np.float64], label: int) -> None:
        at = pixels(polygons)
        low, high = at[..., 1].min(axis=1), at[..., 1].max(axis=1)
        for polygon in at[(high >= 0) & (low < labels.shape[0] << _SHIFT)]:
            cv2.fillPoly(labels, [polygon], label, shift=_SHIFT)

    fill(markings.kerbs_red, _KERB_RED)
    fill(markings.kerbs_white, _KERB_WHITE)
    for border in markings.borders:
        thickness = max(1, round(2 * BORDER_LINE_M * fine))
        cv2.polylines(labels, [pixels(border)], False, _LINE, thickness, cv2.LINE_8, _SHIFT)
    fill(markings.road, _ROAD)
    fill(markings.dashes, _DASH)
    fill(markings.checks_dark, _CHECK_DARK)
    fill(markings.checks_light, _CHECK_LIGHT)
    return labels


def _shade(
    labels: npt.NDArray[np.uint8],
    grass: npt.NDArray[np.float32],
    asphalt: npt.NDArray[np.float32],
) -> npt.NDArray[np.uint8]:
    """Averages labels to colours and adds the grain: (h, w, 3) uint8."""
    rows, columns = grass.shape
    grassy = (np.arange(len(_PALETTE)) == _GRASS).astype(np.uint8) * 255
    # One word of four bytes a label, for speed; "clip" spares a bounds check, labels are in range.
    words = np.ascontiguousarray(np.column_stack([_PALETTE, grassy])).view(np.uint32)[:, 0]
    fine = np.take(words, labels, mode="clip").view(np.uint8).reshape(*labels.shape, 4)
    mean = cv2.resize(fine, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    share = mean[..., 3] * np.float32(1 / 255)
    grain = grass * share + asphalt * (1 - share)
    shaded = mean[..., :3] * (1 + grain[..., None])
    colour: npt.NDArray[np.uint8] = np.clip(shaded + 0.5, 0, 255).astype(np.uint8)
    return colour
