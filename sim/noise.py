"""Noise on what a car is told: how well a policy drives when its car does not quite obey."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sim.actions import ContinuousActions, DiscreteActions
from sim.settings import MAX_SPEED_MPS, MAX_STEERING_DEG

Array = NDArray[np.float64]


class CommandNoise:
    """Adds uniform noise to commands, anew at every control step and for every car.

    The steering angle moves by at most a share of the action space's range of angles, the speed by
    at most the same share of its highest speed; both stay what the car can do.

    Args:
        actions: The action space.
        share: How much, 0 to 1.
        seed: Of the random numbers.
    """

    def __init__(
        self, actions: DiscreteActions | ContinuousActions, share: float, *, seed: int
    ) -> None:
        if isinstance(actions, DiscreteActions):
            low, high = actions.pairs.min(axis=0), actions.pairs.max(axis=0)
        else:
            low, high = actions.low, actions.high
        self._reach = share * np.array([high[0] - low[0], high[1]])
        self._random = np.random.default_rng(seed)

    def __call__(self, commands: Array) -> Array:
        """The commands (n, 2), steering degrees and speeds m/s, as the cars get them."""
        moved = commands + self._reach * self._random.uniform(-1.0, 1.0, commands.shape)
        limits = np.array([[-MAX_STEERING_DEG, 0.0], [MAX_STEERING_DEG, MAX_SPEED_MPS]])
        noisy: Array = np.clip(moved, limits[0], limits[1])
        return noisy
