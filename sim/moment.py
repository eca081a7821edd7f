"""One instant of a drive, and instants between the recorded ones."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.recording import Recording

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Moment:
    """What a picture of a driving car needs to know.

    Attributes:
        origin: (3,) car origin, m, world frame.
        quaternion: (4,) car orientation, unit, xyzw.
        steering_deg: Steering angle, left positive.
        speed_mps: Commanded speed.
        measured_speed_mps: Speed over ground.
        progress: Percent of the lap.
        reward: Reward of the control step.
        time_s: Simulated time since the start.
    """

    origin: Array
    quaternion: Array
    steering_deg: float
    speed_mps: float
    measured_speed_mps: float
    progress: float
    reward: float
    time_s: float

    @property
    def yaw_rad(self) -> float:
        """Heading of the car, 0 along world x, left positive."""
        x, y, z, w = self.quaternion
        return math.atan2(2.0 * (w * z + x * y), 1.0 - 2.0 * (y * y + z * z))


def moment_at(recording: Recording, time_s: float) -> Moment:
    """The moment of a recording at a time between its first and last step.

    Poses and readings are interpolated between the two control steps around it (orientations on the
    sphere); commands and rewards hold for the whole step that they belong to.
    """
    times = recording.time_s
    after = min(int(np.searchsorted(times, time_s - 1e-9)), len(recording) - 1)
    before = max(after - 1, 0)
    way = times[after] - times[before]
    t = min(max((time_s - times[before]) / way, 0.0), 1.0) if way > 0.0 else 1.0

    def between(values: Array) -> Array:
        mixed: Array = values[before] * (1.0 - t) + values[after] * t
        return mixed

    return Moment(
        origin=between(recording.origin),
        quaternion=slerp(recording.quaternion[before], recording.quaternion[after], t),
        steering_deg=float(between(recording.steering_deg)),
        speed_mps=float(recording.speed_mps[after]),
        measured_speed_mps=float(between(recording.measured_speed_mps)),
        progress=float(between(recording.progress)),
        reward=float(recording.reward[after]),
        time_s=float(between(times)),
    )


def slerp(a: Array, b: Array, t: float) -> Array:
    """The unit quaternion a share `t` of the shorter way from `a` to `b` (K. Shoemake, 1985)."""
    cosine = float(a @ b)
    if cosine < 0.0:
        b, cosine = -b, -cosine
    if cosine > 0.9995:  # nearly equal: the straight way is as good, and does not divide by zero
        straight: Array = a + t * (b - a)
        return straight / float(np.linalg.norm(straight))
    angle = math.acos(cosine)
    curved: Array = (math.sin((1.0 - t) * angle) * a + math.sin(t * angle) * b) / math.sin(angle)
    return curved
