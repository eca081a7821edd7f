"""Action spaces: what a policy's numbers mean to the car."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from sim.errors import UserError
from sim.settings import ContinuousActionSettings, DiscreteActionSettings

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class DiscreteActions:
    """A list of (steering, speed) pairs; the policy chooses an index.

    Attributes:
        pairs: (A, 2) float64: steering angle in degrees (left positive), speed in m/s.
    """

    pairs: Array

    @property
    def space(self) -> spaces.Discrete[Any]:
        """The Gymnasium space of one action."""
        return spaces.Discrete(len(self.pairs))

    def decode(self, actions: NDArray[Any]) -> Array:
        """Turns (n,) indices into (n, 2) steering degrees and speeds m/s."""
        decoded: Array = self.pairs[actions]
        return decoded


@dataclass(frozen=True, eq=False)
class ContinuousActions:
    """A box of steering and speed; the policy gives two numbers in [-1, 1].

    Attributes:
        low, high: (2,) float64 bounds: steering angle in degrees, speed in m/s.
    """

    low: Array
    high: Array

    @property
    def space(self) -> spaces.Box:
        """The Gymnasium space of one action."""
        return spaces.Box(-1.0, 1.0, (2,), np.float32)

    def decode(self, actions: NDArray[Any]) -> Array:
        """Scales (n, 2) numbers, first clipped to [-1, 1], to steering degrees and speeds m/s."""
        unit = (np.clip(np.asarray(actions, dtype=np.float64), -1.0, 1.0) + 1.0) / 2.0
        return self.low + unit * (self.high - self.low)


Actions = DiscreteActions | ContinuousActions


def make_actions(settings: DiscreteActionSettings | ContinuousActionSettings) -> Actions:
    """Builds the action space that the settings describe."""
    if isinstance(settings, ContinuousActionSettings):
        low, high = zip(settings.steering_deg, settings.speed_mps, strict=True)
        return ContinuousActions(np.array(low), np.array(high))
    pairs = settings.pairs or [
        (steering, speed) for steering in settings.steering_deg for speed in settings.speed_mps
    ]
    return DiscreteActions(np.array(pairs, dtype=np.float64))


def grid(
    max_steering_deg: float,
    steering_granularity: int,
    max_speed_mps: float,
    speed_granularity: int,
) -> DiscreteActions:
    """The action list of DeepRacer's console: evenly spaced angles times fractions of a top speed.

    Args:
        max_steering_deg: Angles run from minus to plus this.
        steering_granularity: How many angles; odd, so that straight ahead is one of them.
        max_speed_mps: The highest speed.
        speed_granularity: How many speeds: 1/k, 2/k ... of the highest.

    Raises:
        UserError: A granularity is not of use.
    """
    if steering_granularity < 1 or steering_granularity % 2 == 0 or speed_granularity < 1:
        raise UserError(
            f"{steering_granularity} steering angles and {speed_granularity} speeds make no action "
            "list",
            fix="Steering granularity is odd, 1 or more, so that straight ahead is an angle; "
            "speed granularity is 1 or more.",
        )
    angles = np.linspace(-max_steering_deg, max_steering_deg, steering_granularity)
    if steering_granularity == 1:
        angles = np.zeros(1)
    speeds = max_speed_mps * np.arange(1, speed_granularity + 1) / speed_granularity
    settings = DiscreteActionSettings(steering_deg=angles.tolist(), speed_mps=speeds.tolist())
    actions = make_actions(settings)
    assert isinstance(actions, DiscreteActions)
    return actions
