"""The picture from above: the whole track and the car on it."""

from __future__ import annotations

import math
from collections import deque

import cv2
import numpy as np
import numpy.typing as npt

from sim.car_view import CarView, Pinhole
from sim.ground import Ground
from sim.hud import AMBER, Hud
from sim.moment import Moment
from sim.track import Track

Image = npt.NDArray[np.uint8]

_ROOM = 190  # pixels on the left that belong to the display, of a frame 640 wide
_EDGE = 22  # pixels around the track
_CAR_PX = 34  # the car is drawn at least so long
_CAR_M = 0.32
_PATCH = 48  # half the side of the patch that the car is drawn in
_TRAIL = 45  # frames
_SHIFT = 4


class TopView:
    """Draws frames of one drive, north up, in the order of time.

    Args:
        track: Where the car drives.
        width: Frame width, pixels.
        height: Frame height, pixels.
        hud: The display to draw over it.
    """

    def __init__(self, track: Track, width: int, height: int, hud: Hud) -> None:
        self._hud = hud
        room = _ROOM * width // 640
        xmin, ymin, xmax, ymax = track.bounds
        self._scale = min(
            (width - room - 2 * _EDGE) / (xmax - xmin), (height - 2 * _EDGE) / (ymax - ymin)
        )
        self._middle_m = np.array([xmin + xmax, ymin + ymax]) / 2
        self._middle_px = np.array([(width + room) / 2, height / 2])
        ground = Ground.bake(track, self._scale)
        column, row = self._at(np.array([ground.west_m, ground.north_m]))
        move = np.array([[1.0, 0.0, column], [0.0, 1.0, row]])
        self._ground = cv2.warpAffine(
            ground.colour, move, (width, height), borderMode=cv2.BORDER_REPLICATE
        )
        self._car = CarView()
        self._car_scale = max(self._scale, _CAR_PX / _CAR_M)
        self._trail: deque[tuple[float, float]] = deque(maxlen=_TRAIL)

    def frame(self, moment: Moment, *, car: bool = True) -> Image:
        """Draws the next frame, (height, width, 3) uint8 RGB; without the car if so told."""
        frame: Image = self._ground.copy()
        at = self._at(moment.origin[:2])
        if self._trail and math.dist(self._trail[-1], at) > 0.6 * self._scale:
            self._trail.clear()
        self._trail.append(at)
        points = np.round(np.array(self._trail) * (1 << _SHIFT)).astype(np.int32)
        for k in range(1, len(points)):
            mixed = 0.25 + 0.75 * k / len(points)
            rgb = tuple(round(mixed * value) for value in AMBER)
            cv2.line(frame, points[k - 1], points[k], rgb, 2, cv2.LINE_AA, _SHIFT)
        if car:
            self._draw_car(frame, moment, at)
        self._hud.draw(frame, moment, None)
        return frame

    def banner(self, frame: Image, title: str, subtitle: str) -> None:
        """Writes what came of the drive across a frame."""
        self._hud.banner(frame, title, subtitle)

    def _draw_car(self, frame: Image, moment: Moment, at: tuple[float, float]) -> None:
        """The car is drawn larger than it is, into a patch of its own around it."""
        height, width = frame.shape[:2]
        column = min(max(round(at[0]), _PATCH), width - _PATCH)
        row = min(max(round(at[1]), _PATCH), height - _PATCH)
        rows, columns = slice(row - _PATCH, row + _PATCH), slice(column - _PATCH, column + _PATCH)
        patch = np.ascontiguousarray(frame[rows, columns])
        high_m = 40.0  # so far up that perspective does not show
        offset = np.array([column - at[0], at[1] - row]) / self._car_scale
        eye = np.array([*(moment.origin[:2] + offset), high_m])
        focal_px = self._car_scale * high_m
        camera = Pinhole(eye, math.pi / 2, math.pi / 2, focal_px, 2 * _PATCH, 2 * _PATCH)
        self._car.draw(patch, camera, moment, 0.0)
        frame[rows, columns] = patch

    def _at(self, point_m: npt.NDArray[np.float64]) -> tuple[float, float]:
        x, y = (point_m - self._middle_m) * (self._scale, -self._scale) + self._middle_px
        return float(x), float(y)
