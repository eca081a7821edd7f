"""What stands beyond the ground: sky, clouds and two ranges of hills all around."""

from __future__ import annotations

import math

import cv2
import numpy as np
import numpy.typing as npt

from sim.camera import sky_rgb
from sim.texture import periodic_noise

_CLOUD_RGB = np.array([250.0, 250.0, 250.0])
_FAR_HILLS_RGB = np.array([146.0, 172.0, 184.0])
_NEAR_HILLS_RGB = np.array([112.0, 148.0, 122.0])


class Panorama:
    """The surroundings of a level camera that turns about the vertical.

    Args:
        width: Image width, pixels.
        focal_px: The camera's focal length.
        elevation_rad: (rows,) elevation of each image row above the horizon, top row first.
    """

    def __init__(self, width: int, focal_px: float, elevation_rad: npt.NDArray[np.float64]) -> None:
        self._around = round(2 * math.pi * focal_px)
        strip = _paint(self._around, focal_px, elevation_rad)
        # Half a view more than a full turn, so that every view is one piece.
        self._strip = np.concatenate([strip, strip[:, : width * 2]], axis=1)
        azimuth = np.arctan((np.arange(width) + 0.5 - 0.5 * width) / focal_px)
        self._columns = (azimuth * focal_px).astype(np.float32)
        self._rows = np.repeat(np.arange(len(strip), dtype=np.float32)[:, None], width, axis=1)

    def view(self, yaw_rad: float) -> npt.NDArray[np.uint8]:
        """(rows, width, 3) RGB of a camera that looks in a direction of the world."""
        # Columns run to the right, which is clockwise; yaw is counter-clockwise.
        middle = -yaw_rad / (2 * math.pi) * self._around
        first = math.floor(middle + float(self._columns[0]))
        shifted = self._columns + np.float32(middle - first + first % self._around)
        columns = np.repeat(shifted[None], len(self._rows), axis=0)
        seen: npt.NDArray[np.uint8] = cv2.remap(
            self._strip, columns, self._rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return seen


def _paint(
    around: int, focal_px: float, elevation_rad: npt.NDArray[np.float64]
) -> npt.NDArray[np.uint8]:
    rows = len(elevation_rad)
    picture = np.repeat(sky_rgb(elevation_rad)[:, None], around, axis=1).astype(np.float64)
    cloud = 0.65 * periodic_noise(rows, around, max(2, rows // 14), around // 90, 21)
    cloud += 0.35 * periodic_noise(rows, around, max(2, rows // 5), around // 26, 22)
    share = np.clip((cloud - 0.06) * 2.2, 0.0, 0.75) * np.clip(elevation_rad / 0.06, 0, 1)[:, None]
    picture += share[..., None] * (_CLOUD_RGB - picture)
    for base, rough, cells, rgb, seed in (
        (0.034, 0.020, 30, _FAR_HILLS_RGB, 31),
        (0.013, 0.011, 56, _NEAR_HILLS_RGB, 41),
    ):
        ridge = base + rough * (
            0.75 * periodic_noise(1, around, 1, cells, seed)
            + 0.25 * periodic_noise(1, around, 1, cells * 5, seed + 1)
        )
        # The ridge's share of a pixel, so that its edge is smooth.
        cover = np.clip((ridge - elevation_rad[:, None]) * focal_px + 0.5, 0.0, 1.0)
        picture += cover[..., None] * (rgb - picture)
    painted: npt.NDArray[np.uint8] = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    return painted
