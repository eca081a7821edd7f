"""Whole episodes: exactly so many, each from its start to its end, all of their steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from rollout_workers.batch import Batch
from rollout_workers.episodes import collect_episodes, share_of
from rollout_workers.fragment import Fragment, kept_rows
from sim.settings import WorldSettings
from sim.world import World

GAMMA, LAMBDA = 0.97, 0.9
ENDS = {"off_track", "lap_complete", "immobilized", "reversed", "time_up"}


def value_of(obs: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Values that tell the pictures apart."""
    return (obs.mean(axis=(1, 2)) / 255.0).astype(np.float32)


class Driving:
    """Random driving on the oval; notes how many pictures the policy was asked about."""

    def __init__(self, cars: int, seed: int = 0) -> None:
        self.world = World(WorldSettings(track="oval", episode_s=6.0), num_cars=cars)
        self.random = np.random.default_rng(seed)
        self.asked = 0

    def act(self, obs: NDArray[np.uint8]) -> tuple[Any, Any, Any]:
        self.asked += len(obs)
        actions = self.random.integers(0, 10, len(obs))
        return actions, -actions.astype(np.float32), value_of(obs)

    def collect(self, count: int, max_steps: int = 10_000) -> Batch:
        return collect_episodes(
            self.world,
            self.act,
            value_of,
            lambda obs: obs[:, 12:],
            count=count,
            max_steps=max_steps,
            gamma=GAMMA,
            lambda_=LAMBDA,
        )


@pytest.fixture
def drive():
    made = []

    def make(cars: int) -> Driving:
        made.append(Driving(cars))
        return made[-1]

    yield make
    for driving in made:
        driving.world.close()


@pytest.mark.parametrize(("cars", "count"), [(4, 4), (3, 7), (5, 2), (1, 3)])
def test_exactly_so_many_episodes_with_all_their_steps(drive, cars: int, count: int) -> None:
    driving = drive(cars)
    for _ in range(2):  # the second time, the cars stand where the first time left them
        driving.world.take_reward_use()
        driving.asked = 0
        batch = driving.collect(count)
        assert [episode.steps for episode in batch.episodes] == batch.lengths
        assert {episode.end_reason for episode in batch.episodes} <= ENDS
        steps = sum(batch.lengths)
        for array in (batch.obs, batch.actions, batch.log_probabilities, batch.advantages):
            assert len(array) == steps
        assert batch.obs.shape[1:] == (48, 80) and batch.obs.dtype == np.uint8
        np.testing.assert_array_equal(batch.log_probabilities, -batch.actions)
        # A car without an episode costs neither inference nor reward.
        assert driving.asked == driving.world.take_reward_use().calls == steps


def test_every_episode_begins_at_the_next_start(drive) -> None:
    driving = drive(3)
    rate, length = driving.world.settings.round_robin, driving.world.track.length_m
    first = driving.world.state()["next_start"]
    batch = driving.collect(7)
    starts = [(first + rate * index) % 1.0 * length for index in range(7)]
    assert [episode.start_m for episode in batch.episodes] == pytest.approx(starts)
    # What the network sees first is the picture at the start, not one of a moving car.
    begins = np.cumsum([0, *batch.lengths[:-1]])
    for row, episode in zip(begins, batch.episodes, strict=True):
        driving.world.place(0, episode.start_m / length)
        np.testing.assert_array_equal(batch.obs[row], driving.world.obs[0, 12:])


def test_steps_beyond_the_limit_are_driven_and_dropped(drive) -> None:
    whole, cut = drive(3).collect(5), drive(3).collect(5, max_steps=60)
    assert cut.lengths == whole.lengths and sum(whole.lengths) > 60
    assert cut.episodes == whole.episodes
    assert len(cut.actions) == len(cut.obs) == 60
    np.testing.assert_array_equal(cut.obs, whole.obs[:60])
    np.testing.assert_array_equal(cut.advantages, whole.advantages[:60])
    np.testing.assert_array_equal(cut.value_targets, whole.value_targets[:60])


def test_advantages_and_rewards_are_those_of_each_episode_alone(drive) -> None:
    batch = drive(3).collect(8)
    values = batch.value_targets - batch.advantages
    np.testing.assert_allclose(values, value_of(batch.obs), atol=1e-5)
    first, failed = 0, 0
    for episode, length in zip(batch.episodes, batch.lengths, strict=True):
        part = slice(first, first + length)
        first += length
        if episode.end_reason in ("off_track", "immobilized", "reversed"):
            failed += 1
            rewards = _rewards(batch.advantages[part], values[part])
            assert rewards.sum() == pytest.approx(episode.return_, abs=1e-3)
    assert failed


def _rewards(advantages: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Solves the advantages' recursion in one failed episode for its rewards."""
    following_value = np.append(values[1:], 0.0)
    following_gain = np.append(advantages[1:], 0.0)
    return advantages - GAMMA * LAMBDA * following_gain - GAMMA * following_value + values


def test_one_seed_one_batch(drive) -> None:
    one, other = drive(3).collect(5), drive(3).collect(5)
    np.testing.assert_array_equal(one.obs, other.obs)
    np.testing.assert_array_equal(one.advantages, other.advantages)
    assert one.episodes == other.episodes


def test_shares_add_up() -> None:
    assert [share_of(20, 3, worker) for worker in range(3)] == [7, 7, 6]
    assert [share_of(1, 2, worker) for worker in range(2)] == [1, 0]


def test_the_limit_takes_the_episodes_of_all_workers_in_turn() -> None:
    def fragment(*lengths: int, rows: int) -> Fragment:
        empty = np.zeros(rows, np.float32)
        return Fragment(empty, empty, empty, empty, empty, lengths=list(lengths))

    # In turn: 3 of the first, 4 of the second, 2 of the first, 5 of the second.
    fragments = [fragment(3, 2, rows=5), fragment(4, 5, rows=9)]
    kept = kept_rows(fragments, 11)
    assert kept.tolist() == [True] * 5 + [True] * 6 + [False] * 3
    assert kept_rows(fragments, 8).tolist() == [True] * 4 + [False] + [True] * 4 + [False] * 5
    assert kept_rows(fragments, 14).all()
    # A worker that kept no more than the limit itself.
    assert kept_rows([fragment(3, 20, rows=6), fragment(4, rows=4)], 6).tolist() == [
        *[True] * 3, *[False] * 3, *[True] * 3, False,
    ]  # fmt: skip
