"""Calls of a reward function in its process, as a world makes them."""

from __future__ import annotations

import numpy as np

from sim.reward import RewardError
from sim.reward_process import RewardProcess
from sim.rules import MEMORY, READINGS

CARS = 4


def batch(process: RewardProcess, cars: int = CARS) -> tuple[list[float], list[int]]:
    """One batch of cars whose x is 0, 1, 2, ..., the last of them driving in reverse."""
    readings, memory = np.zeros(cars, READINGS), np.zeros(cars, MEMORY)
    readings["x"] = np.arange(cars)
    memory["steps"] = 7
    memory["reverse"][-1] = 1
    process.send(readings, memory, np.tile([15.0, 2.5], (cars, 1)), 4.5)
    rewards, failed = process.receive()
    return rewards.tolist(), failed.tolist()


def only_error(process: RewardProcess) -> RewardError:
    """The one kind of failure that it has told of."""
    (error,) = process.take_errors()
    return error
