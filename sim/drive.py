"""Collects the recording of one car of a running world, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.episode import Episode
from sim.recording import Recording

if TYPE_CHECKING:
    from sim.world import World

MAX_ROWS = 4000  # more than four minutes at 15 Hz, 400 kB; a longer drive is kept up to there


class Drive:
    """The rows of one car's drive.

    Args:
        world: Where it drives.
        car: Index of the car.
    """

    def __init__(self, world: World, car: int) -> None:
        self.car = car
        self._world = world
        self._rows: list[tuple[Any, ...]] = []

    def begin(self) -> None:
        """Forgets the rows so far: another episode begins."""
        self._rows = []

    def note(self, command: NDArray[np.float64], reward: float) -> None:
        """Adds the car as it is now.

        Args:
            command: (2,) the steering angle (degrees) and speed (m/s) it obeyed in the step.
            reward: Of the step.
        """
        if len(self._rows) >= MAX_ROWS:
            return
        world, car = self._world, self.car
        reading = world.referee.readings[car]
        self._rows.append(
            (
                world.physics.origin[car].copy(),
                world.physics.quaternion[car].copy(),
                float(command[0]),
                float(command[1]),
                float(reading["measured_speed"]),
                float(reading["progress"]),
                reward,
            )
        )

    def recording(self, episode: Episode) -> Recording:
        """The drive up to its end, at least one row long.

        Args:
            episode: What came of it.
        """
        world = self._world
        columns = [np.array(column, np.float64) for column in zip(*self._rows, strict=True)]
        origin, quaternion, steering, speed, measured, progress, reward = columns
        return Recording(
            origin=origin,
            quaternion=quaternion,
            steering_deg=steering,
            speed_mps=speed,
            measured_speed_mps=measured,
            progress=progress,
            reward=reward,
            time_s=np.arange(1, len(reward) + 1) / world.settings.control_hz,
            track=world.settings.track,
            reverse=episode.reverse,
            control_hz=world.settings.control_hz,
            lap_time_s=episode.lap_time_s,
            end_reason=episode.end_reason,
        )
