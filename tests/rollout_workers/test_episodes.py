"""Whole episodes: exactly so many, each from its start to its end, all of their steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rollout_workers.episodes import EpisodeBatch, collect_episodes, share_of
from sim.settings import WorldSettings
from sim.world import World

GAMMA, LAMBDA = 0.97, 0.9


def collect(cars: int, count: int, max_steps: int = 10_000, seed: int = 0) -> EpisodeBatch:
    """Random driving on the oval, with values that tell the pictures apart."""
    world = World(WorldSettings(track="oval", episode_s=8.0), num_cars=cars)
    random = np.random.default_rng(seed)

    def value_of(obs: NDArray[np.uint8]) -> NDArray[np.float32]:
        return obs.mean(axis=(1, 2)).astype(np.float32) / 255.0

    def choose(obs: NDArray[np.uint8], steps: int) -> tuple[Any, Any, Any]:
        assert 0 < steps <= cars
        actions = random.integers(0, 10, cars)
        return actions, -actions.astype(np.float32), value_of(obs)

    try:
        return collect_episodes(
            world,
            choose,
            value_of,
            lambda obs: obs[:, 12:],
            count=count,
            max_steps=max_steps,
            gamma=GAMMA,
            lambda_=LAMBDA,
        )
    finally:
        world.close()


@pytest.mark.parametrize(("cars", "count"), [(4, 4), (3, 7), (5, 2), (1, 3)])
def test_exactly_so_many_episodes_with_all_their_steps(cars: int, count: int) -> None:
    batch = collect(cars, count)
    assert len(batch.episodes) == count
    assert all(episode.end_reason != "in_progress" for episode in batch.episodes)
    steps = sum(episode.steps for episode in batch.episodes)
    assert batch.dropped == 0
    for array in (batch.obs, batch.actions, batch.log_probabilities, batch.advantages):
        assert len(array) == steps
    assert batch.obs.shape[1:] == (48, 80)
    np.testing.assert_array_equal(batch.log_probabilities, -batch.actions)


def test_steps_beyond_the_limit_are_driven_and_dropped() -> None:
    whole, cut = collect(3, 5), collect(3, 5, max_steps=60)
    assert len(cut.actions) == 60
    assert cut.dropped == len(whole.actions) - 60
    assert [e.steps for e in cut.episodes] == [e.steps for e in whole.episodes]
    np.testing.assert_array_equal(cut.obs, whole.obs[:60])
    np.testing.assert_array_equal(cut.advantages, whole.advantages[:60])


def test_a_single_cars_advantages_are_those_of_each_episode_alone() -> None:
    batch = collect(1, 3)
    values = batch.value_targets - batch.advantages
    first = 0
    for episode in batch.episodes:
        part = slice(first, first + episode.steps)
        first += episode.steps
        # Returns of a terminated episode: with lambda = 1 they would be the targets; here, the
        # recursion is run backwards in plain Python and must agree.
        if episode.end_reason in ("off_track", "immobilized", "reversed"):
            rewards = _rewards(batch.advantages[part], values[part])
            assert rewards.sum() == pytest.approx(episode.return_, abs=1e-3)


def _rewards(advantages: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Solves GAE's recursion of one terminated episode for the rewards."""
    following_value = np.append(values[1:], 0.0)
    following_gain = np.append(advantages[1:], 0.0)
    return advantages - GAMMA * LAMBDA * following_gain - GAMMA * following_value + values


def test_one_seed_one_batch() -> None:
    one, other = collect(3, 5), collect(3, 5)
    np.testing.assert_array_equal(one.obs, other.obs)
    np.testing.assert_array_equal(one.advantages, other.advantages)
    assert one.episodes == other.episodes


def test_shares_add_up() -> None:
    assert [share_of(20, 3, worker) for worker in range(3)] == [7, 7, 6]
    assert [share_of(2, 2, worker) for worker in range(2)] == [1, 1]
