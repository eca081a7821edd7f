"""What the car sees: its camera's image of the ground, gray for the network, colour for people."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.ground import Ground
from sim.mipmap import Pyramid
from sim.warp import draw, workspace

SKY_GRAY = 208
_ZENITH_RGB = (116, 166, 222)
_HORIZON_RGB = (206, 220, 230)


@dataclass(frozen=True)
class CameraSpec:
    """A pinhole camera on the car; the defaults are those of the DeepRacer robot description.

    Attributes:
        width, height: Image size, pixels.
        horizontal_fov_rad: Angle between the image's left and right rims (64.7 degrees).
        pitch_rad: How far the optical axis points below the body's x axis (15 degrees).
        mount_m: The camera's place in the body frame, from the car origin on the ground.
    """

    width: int
    height: int
    horizontal_fov_rad: float = 1.13
    pitch_rad: float = 0.2618
    mount_m: tuple[float, float, float] = (0.1453, 0.0, 0.1303)

    @property
    def focal_px(self) -> float:
        """Focal length, pixels; pixels are square."""
        return 0.5 * self.width / math.tan(0.5 * self.horizontal_fov_rad)


CAMERAS = {"fast": CameraSpec(80, 60), "deepracer": CameraSpec(160, 120)}


class Camera:
    """Renders the ground as cameras on cars see it; an image depends on its own car only.

    One camera draws one batch at a time: it holds the scratch arrays.

    Args:
        spec: The camera.
        ground: What it sees; the sky is above the horizon.
    """

    def __init__(self, spec: CameraSpec, ground: Ground) -> None:
        self.spec = spec
        self.ground = ground
        self._mount = (*spec.mount_m, spec.pitch_rad)
        self._texture = (ground.pixels_per_m, ground.west_m, ground.north_m)
        self._work = {channels: workspace(spec.width, channels) for channels in (1, 3)}
        self._gray_sky = np.full((spec.height, 1), SKY_GRAY, dtype=np.uint8)

    def render(
        self,
        origin: npt.NDArray[np.float64],
        quaternion: npt.NDArray[np.float64],
        out: npt.NDArray[np.uint8],
        which: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Writes gray images.

        Args:
            origin: (n, 3), car origins, m, world frame.
            quaternion: (n, 4), car orientations, unit, xyzw.
            out: (n, height, width), contiguous, written; pixel (0, 0) is the upper left one.
            which: (k,), the cars to draw; the other images stay as they are. None draws all.
        """
        self._draw(origin, quaternion, out[:, None], which, self.ground.gray_pyramid)

    def render_colour(
        self,
        origin: npt.NDArray[np.float64],
        quaternion: npt.NDArray[np.float64],
        out: npt.NDArray[np.uint8],
        which: npt.NDArray[np.int64] | None = None,
    ) -> None:
        """Writes RGB images for people, out (n, height, width, 3); otherwise like `render`."""
        planes = np.ascontiguousarray(np.moveaxis(out, -1, 1))
        self._draw(origin, quaternion, planes, which, self.ground.colour_pyramid)
        out[:] = np.moveaxis(planes, 1, -1)

    def _draw(
        self,
        origin: npt.NDArray[np.float64],
        quaternion: npt.NDArray[np.float64],
        out: npt.NDArray[np.uint8],
        which: npt.NDArray[np.int64] | None,
        pyramid: Pyramid,
    ) -> None:
        channels = out.shape[1]
        draw(
            np.ascontiguousarray(origin, dtype=np.float64),
            np.ascontiguousarray(quaternion, dtype=np.float64),
            np.arange(len(origin)) if which is None else np.asarray(which, dtype=np.int64),
            self._mount,
            self.spec.focal_px,
            self._texture,
            pyramid,
            self._gray_sky if channels == 1 else self._colour_sky(),
            self._work[channels],
            out,
        )

    def _colour_sky(self) -> npt.NDArray[np.uint8]:
        """(height, 3): the sky's gradient, by image row of a level camera."""
        spec = self.spec
        row = np.arange(spec.height) + 0.5 - 0.5 * spec.height
        return sky_rgb(-spec.pitch_rad - np.arctan(row / spec.focal_px))


def sky_rgb(elevation_rad: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """(k,) elevations above the horizon, rad -> (k, 3) uint8: pale below, deeper blue above."""
    high = np.clip(elevation_rad / 0.6, 0.0, 1.0)[:, None] ** 0.7
    mixed = (1 - high) * np.array(_HORIZON_RGB) + high * np.array(_ZENITH_RGB)
    rgb: npt.NDArray[np.uint8] = np.round(mixed).astype(np.uint8)
    return rgb
