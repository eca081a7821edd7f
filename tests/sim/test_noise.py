"""Noise on commands: its bounds, its seed, and that cars obey it."""

from __future__ import annotations

import numpy as np

from sim.actions import ContinuousActions, DiscreteActions
from sim.noise import CommandNoise

PAIRS = np.array([[-30.0, 1.0], [0.0, 2.0], [30.0, 2.0]])


def test_noise_stays_within_its_share_and_what_the_car_can_do() -> None:
    noise = CommandNoise(DiscreteActions(PAIRS), 0.1, seed=1)
    straight = np.tile([0.0, 2.0], (5000, 1))
    moved = noise(straight) - straight
    assert np.abs(moved[:, 0]).max() <= 6.0
    assert np.abs(moved[:, 0]).max() > 5.9
    assert 0.19 < np.abs(moved[:, 1]).max() <= 0.2
    assert np.abs(moved.mean(axis=0)).max() < 0.1
    assert noise(np.tile([30.0, 4.0], (500, 1))).max(axis=0).tolist() == [30.0, 4.0]


def test_noise_of_a_continuous_space_has_its_bounds() -> None:
    actions = ContinuousActions(np.array([-20.0, 1.0]), np.array([20.0, 3.0]))
    moved = CommandNoise(actions, 0.5, seed=1)(np.tile([0.0, 2.0], (5000, 1)))
    assert 19.0 < moved[:, 0].max() <= 20.0
    assert 3.4 < moved[:, 1].max() <= 3.5


def test_one_seed_is_one_noise_and_none_changes_nothing() -> None:
    one, same, other = (CommandNoise(DiscreteActions(PAIRS), 0.1, seed=k) for k in (1, 1, 2))
    first = one(PAIRS)
    assert np.array_equal(first, same(PAIRS))
    assert not np.array_equal(first, other(PAIRS))
    assert not np.array_equal(first, one(PAIRS))
    assert np.array_equal(CommandNoise(DiscreteActions(PAIRS), 0.0, seed=1)(PAIRS), PAIRS)
