"""The `params` of a reward function, as DeepRacer's simulator fills them.

Twenty-seven keys with the meanings and types of that contract, and `measured_speed` (m/s), which is
ours: `speed` is the commanded one. Nothing that a reward function does to its params reaches the
next step: what can be changed is made anew.

Nothing here may import NumPy: the reward process builds the params, see `sim.reward_process`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

Params = dict[str, Any]
Waypoints = list[tuple[float, float]]

# What a car's params are made of, and how it lies in the memory that both processes share: the
# struct code of each, little-endian and packed.
INPUTS = (
    ("x", "d"),
    ("y", "d"),
    ("heading", "d"),
    ("distance_from_center", "d"),
    ("projection_distance", "d"),
    ("progress", "d"),
    ("track_width", "d"),
    ("measured_speed", "d"),
    ("steering_angle", "d"),
    ("speed", "d"),
    ("sim_time", "d"),
    ("steps", "q"),
    ("waypoint_behind", "q"),
    ("waypoint_ahead", "q"),
    ("all_wheels_on_track", "?"),
    ("is_left_of_center", "?"),
    ("is_offtrack", "?"),
    ("reverse", "?"),
    ("active", "?"),  # whether there is a reward to compute
)
INPUT_FORMAT = "<" + "".join(code for _, code in INPUTS)


def build_params(row: Sequence[Any], waypoints: Sequence[Waypoints], length_m: float) -> Params:
    """Builds the params of one car after a step.

    Args:
        row: The values of `INPUTS`.
        waypoints: The centre line along the rows of the route, and against them, metres.
        length_m: Its length.
    """
    (
        x,
        y,
        heading,
        distance_from_center,
        projection_distance,
        progress,
        track_width,
        measured_speed,
        steering_angle,
        speed,
        sim_time,
        steps,
        behind,
        ahead,
        all_wheels_on_track,
        is_left_of_center,
        is_offtrack,
        reverse,
        _,
    ) = row
    return {
        "all_wheels_on_track": all_wheels_on_track,
        "x": x,
        "y": y,
        "heading": heading,
        "distance_from_center": distance_from_center,
        "projection_distance": projection_distance,
        "progress": progress,
        "steps": float(steps),  # a float in the contract, whole as it is
        "speed": speed,
        "steering_angle": steering_angle,
        "track_width": track_width,
        "track_length": length_m,
        "waypoints": waypoints[reverse].copy(),
        "closest_waypoints": [behind, ahead],
        "is_left_of_center": is_left_of_center,
        # As the contract has it: the direction of driving, not of the nose.
        "is_reversed": reverse,
        "is_offtrack": is_offtrack,
        "is_crashed": False,
        "closest_objects": [0, 0],
        "objects_location": [],
        "objects_distance": [],
        "objects_distance_from_center": [],
        "objects_heading": [],
        "objects_speed": [],
        "objects_left_of_center": [],
        "object_in_camera": False,
        "sim_time": sim_time,
        "measured_speed": measured_speed,
    }
