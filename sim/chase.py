"""The picture for people: the car from behind, on the lit ground, under a sky."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
import numpy.typing as npt

from sim.camera import CAMERAS, Camera, CameraSpec, sky_rgb
from sim.car import CAR
from sim.car_view import CarView, Pinhole
from sim.ground import Ground
from sim.hud import Hud
from sim.moment import Moment
from sim.scenery import Panorama
from sim.track import Track
from sim.warp import draw, workspace

if TYPE_CHECKING:
    from sim.world import World

Image = npt.NDArray[np.uint8]

BEHIND_M, ABOVE_M, AHEAD_M = 0.74, 0.40, 0.42  # the eye's place, and the point it looks at
VERTICAL_FOV_RAD = math.radians(48.5)
SETTLE_S = 0.28  # the camera's heading follows the car's with this time constant
JUMP_M = 0.6  # a car that moved farther between two frames was put elsewhere
_HAZE_RGB = (186, 204, 206)
_HAZE_BELOW_RAD = 0.2  # nearer ground, farther below the horizon, is clear
_HAZE_M = 9.0  # over this distance haze takes most of its share of the ground's contrast
_HAZE = 0.6


class Chase:
    """Draws frames of one drive, in the order of time.

    Args:
        track: Where the car drives.
        width: Frame width, pixels.
        height: Frame height, pixels.
        eye: The car's camera, whose gray picture is inset; None leaves the inset out.
        hud: The head-up display to draw; False for none, True for that of a lap.
        ground: The track's ground, if it was baked before; else it is.
    """

    def __init__(
        self,
        track: Track,
        width: int = 640,
        height: int = 480,
        *,
        eye: CameraSpec | None = CAMERAS["fast"],
        hud: Hud | bool = True,
        ground: Ground | None = None,
    ) -> None:
        ground = ground or Ground.for_people(track)
        self.width, self.height = width, height
        self._focal_px = 0.5 * height / math.tan(0.5 * VERTICAL_FOV_RAD)
        self._pitch_rad = math.atan2(ABOVE_M - 0.05, BEHIND_M + AHEAD_M)
        self._texture = (ground.pixels_per_m, ground.west_m, ground.north_m)
        self._pyramid = ground.colour_pyramid
        self._work = workspace(width, 3)
        self._planes = np.empty((1, 3, height, width), dtype=np.uint8)
        # Angle of each row's middle below the horizon.
        down = np.arctan((np.arange(height) + 0.5 - 0.5 * height) / self._focal_px)
        down += self._pitch_rad
        self._sky = sky_rgb(-down)
        above = down < 0.5 / self._focal_px
        self._panorama = Panorama(width, self._focal_px, -down[above])
        below = ~above & (down < _HAZE_BELOW_RAD)
        far_m = ABOVE_M / np.tan(np.maximum(down[below], 1e-3)) - ABOVE_M / math.tan(
            _HAZE_BELOW_RAD
        )
        self._haze = (_HAZE * (1.0 - np.exp(-far_m / _HAZE_M))).astype(np.float32)
        self._haze_rows = slice(int(above.sum()), int(above.sum() + below.sum()))
        self._car = CarView()
        self._track, self._eye_spec = track, eye
        self._eye: Camera | None = None
        lap_hud = Hud(track, width, height, eye) if hud is True else None
        self._hud = hud if isinstance(hud, Hud) else lap_hud
        self._before: Moment | None = None
        self._yaw_rad = 0.0
        self._roll_rad = 0.0

    def frame(self, moment: Moment, seen: Image | None = None, *, car: bool = True) -> Image:
        """Draws the next frame.

        Args:
            moment: What to show.
            seen: (h, w) gray, what the car's camera sees now; drawn here if it is not given.
            car: Whether to draw the car.

        Returns:
            (height, width, 3) uint8 RGB.
        """
        self._follow(moment)
        cos, sin = math.cos(self._yaw_rad), math.sin(self._yaw_rad)
        x, y = moment.origin[0] - BEHIND_M * cos, moment.origin[1] - BEHIND_M * sin
        camera = Pinhole(
            np.array([x, y, ABOVE_M]),
            self._yaw_rad,
            self._pitch_rad,
            self._focal_px,
            self.width,
            self.height,
        )
        frame = self._surroundings(camera)
        if car:
            self._car.draw(frame, camera, moment, self._roll_rad)
        if self._hud is not None:
            self._hud.draw(frame, moment, self._seen(moment) if seen is None else seen)
        return frame

    def banner(self, frame: Image, title: str, subtitle: str) -> None:
        """Writes what came of the drive across a frame, if there is a display."""
        if self._hud is not None:
            self._hud.banner(frame, title, subtitle)

    def _follow(self, moment: Moment) -> None:
        before, self._before = self._before, moment
        yaw = moment.yaw_rad
        if before is None or np.linalg.norm(moment.origin - before.origin) > JUMP_M:
            self._yaw_rad = yaw
            if self._hud is not None:
                self._hud.begin()
            return
        passed_s = max(moment.time_s - before.time_s, 0.0)
        share = 1.0 - math.exp(-passed_s / SETTLE_S)
        self._yaw_rad += share * math.remainder(yaw - self._yaw_rad, 2 * math.pi)
        self._roll_rad += moment.measured_speed_mps * passed_s / CAR.wheel_radius_m

    def _surroundings(self, camera: Pinhole) -> Image:
        """Ground, haze and sky."""
        half = 0.5 * camera.yaw_rad
        draw(
            camera.eye[None],
            np.array([[0.0, 0.0, math.sin(half), math.cos(half)]]),
            np.zeros(1, dtype=np.int64),
            (0.0, 0.0, 0.0, camera.pitch_rad),
            camera.focal_px,
            self._texture,
            self._pyramid,
            self._sky,
            self._work,
            self._planes,
        )
        frame: Image = cv2.merge(list(self._planes[0]))
        far = frame[self._haze_rows].astype(np.float32)
        far += self._haze[:, None, None] * (np.array(_HAZE_RGB, dtype=np.float32) - far)
        frame[self._haze_rows] = far.astype(np.uint8)
        frame[: self._haze_rows.start] = self._panorama.view(camera.yaw_rad)
        return frame

    def _seen(self, moment: Moment) -> Image | None:
        spec = self._eye_spec
        if spec is None:
            return None
        if self._eye is None:
            # Baked anew at the resolution that training has, so that this is what was seen.
            self._eye = Camera(spec, Ground.bake(self._track))
        images = np.empty((1, spec.height, spec.width), dtype=np.uint8)
        self._eye.render(moment.origin[None], moment.quaternion[None], images)
        seen: Image = images[0]
        return seen


class ChaseView:
    """The chase picture of a car of a running world.

    Args:
        world: The world; the picture is of its state when `frame` is called.
        width: Frame width, pixels.
        height: Frame height, pixels.
    """

    def __init__(self, world: World, width: int = 640, height: int = 480) -> None:
        self._world = world
        self._chase = Chase(world.track, width, height, eye=world.camera.spec)

    def frame(self, car: int) -> Image:
        """Draws one car as it is now: (height, width, 3) uint8 RGB."""
        world = self._world
        reading, physics = world.referee.readings[car], world.physics
        steering_deg, speed_mps = world.commands[car]
        steps = int(world.referee.memory[car]["steps"])
        return self._chase.frame(
            Moment(
                origin=np.array(physics.origin[car]),
                quaternion=np.array(physics.quaternion[car]),
                steering_deg=float(steering_deg),
                speed_mps=float(speed_mps),
                measured_speed_mps=float(np.hypot(*physics.velocity[car][:2])),
                progress=float(reading["progress"]) if steps else 0.0,
                reward=float(world.rewards[car]),
                time_s=steps / world.settings.control_hz,
            ),
            world.obs[car],
        )
