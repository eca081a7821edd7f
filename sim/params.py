"""The `params` of a reward function, as DeepRacer's simulator fills them.

Twenty-seven keys with the meanings and types of that contract, and `measured_speed` (m/s), which is
ours: `speed` is the commanded one. Nothing that a reward function does to its params reaches the
next step: what can be changed is made anew.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.track import Array, Track

Params = dict[str, Any]


class ParamsBuilder:
    """Builds the params of every car of a world after a step.

    Args:
        track: The track as driven along its rows.
        reverse: The same track as driven against them.
    """

    def __init__(self, track: Track, reverse: Track) -> None:
        self._waypoints = [
            [(float(x), float(y)) for x, y in way.waypoints] for way in (track, reverse)
        ]
        self._length = track.length_m

    def build(
        self,
        readings: NDArray[np.void],
        memory: NDArray[np.void],
        commands: Array,
        time_s: Array,
    ) -> list[Params]:
        """Builds one dict a car.

        Args:
            readings: (n,) of `sim.rules.READINGS`.
            memory: (n,) of `sim.rules.MEMORY`.
            commands: (n, 2) steering degrees (left positive) and commanded speeds, m/s.
            time_s: (n,) simulated time since the world began, seconds.
        """
        waypoints, length = self._waypoints, self._length
        built: list[Params] = []
        for row, steps, reverse, (steering, speed), now in zip(
            readings.tolist(),
            memory["steps"].tolist(),
            memory["reverse"].tolist(),
            commands.tolist(),
            time_s.tolist(),
            strict=True,
        ):
            built.append(
                {
                    "all_wheels_on_track": row[9],
                    "x": row[0],
                    "y": row[1],
                    "heading": row[2],
                    "distance_from_center": row[3],
                    "projection_distance": row[4],
                    "progress": row[5],
                    "steps": float(steps),  # a float in the contract, whole as it is
                    "speed": speed,
                    "steering_angle": steering,
                    "track_width": row[6],
                    "track_length": length,
                    "waypoints": waypoints[reverse].copy(),
                    "closest_waypoints": [row[12], row[13]],
                    "is_left_of_center": row[10],
                    # As the contract has it: the direction of driving, not of the nose.
                    "is_reversed": bool(reverse),
                    "is_offtrack": row[11],
                    "is_crashed": False,
                    "closest_objects": [0, 0],
                    "objects_location": [],
                    "objects_distance": [],
                    "objects_distance_from_center": [],
                    "objects_heading": [],
                    "objects_speed": [],
                    "objects_left_of_center": [],
                    "object_in_camera": False,
                    "sim_time": now,
                    "measured_speed": row[7],
                }
            )
        return built
