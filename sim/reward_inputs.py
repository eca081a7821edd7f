"""What the params of all cars are made of, as one array: packed as `sim.params` unpacks it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from sim.params import INPUTS, Waypoints
from sim.track import Track

_DTYPES = {"d": "<f8", "q": "<i8", "?": "?"}
REWARD_INPUT = np.dtype([(name, _DTYPES[code]) for name, code in INPUTS])
_NOT_READ = ("steps", "reverse", "steering_angle", "speed", "sim_time", "active")
_FROM_READINGS = tuple(name for name, _ in INPUTS if name not in _NOT_READ)


def fill_inputs(
    inputs: NDArray[np.void],
    readings: NDArray[np.void],
    memory: NDArray[np.void],
    commands: NDArray[np.float64],
    time_s: float | NDArray[np.float64],
    active: NDArray[np.bool_] | None = None,
) -> None:
    """Writes what a step gave into the inputs of all cars.

    Args:
        inputs: (n,) of `REWARD_INPUT`, written.
        readings: (n,) of `sim.rules.READINGS`.
        memory: (n,) of `sim.rules.MEMORY`.
        commands: (n, 2) steering degrees (left positive) and commanded speeds, m/s.
        time_s: Simulated time since the world began, seconds; one for all, or (n,).
        active: (n,) which cars get a reward; all by default.
    """
    for name in _FROM_READINGS:
        inputs[name] = readings[name]
    inputs["steps"] = memory["steps"]
    inputs["reverse"] = memory["reverse"]
    inputs["steering_angle"] = commands[:, 0]
    inputs["speed"] = commands[:, 1]
    inputs["sim_time"] = time_s
    inputs["active"] = True if active is None else active


def waypoints_of(tracks: Iterable[Track]) -> list[Waypoints]:
    """The centre lines of tracks as `sim.params.build_params` takes them, metres."""
    return [[(float(x), float(y)) for x, y in track.waypoints] for track in tracks]
