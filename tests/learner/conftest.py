"""A world that a policy masters in seconds, and one Ray for all tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import pytest
import ray

from learner.settings import EvaluateSettings, PPOSettings, StopSettings, TrainSettings
from rollout_workers.network import Conv, NetworkSpec
from sim.episode import Episode
from sim.reward import RewardError, RewardUse

# Workers have no import path to this file; its classes travel whole.
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

TINY = NetworkSpec("tiny", 60, 80, 12, (Conv(4, 16, 16), Conv(8, 3, 1)), 32)
EPISODE_STEPS = 16


class ToyWorld:
    """The right action is the number of the bright column; the reward is 1 for it, else 0.

    Its state is complete, so that a resumed training repeats exactly. `settings.start_offset` of
    0.5 and more makes every reward fail.
    """

    def __init__(self, settings, *, num_cars: int, seed: int) -> None:
        self.num_cars = num_cars
        self.failing = settings.start_offset >= 0.5
        self.random = np.random.default_rng(seed)
        self.seconds = {"physics": 0.0, "camera": 0.0, "reward": 0.0}
        self.hits = np.zeros(num_cars, np.int64)
        self.steps = np.arange(num_cars) % EPISODE_STEPS
        self.target = self.random.integers(0, 5, num_cars)
        self.errors = []

    @property
    def obs(self):
        images = np.zeros((self.num_cars, 60, 80), np.uint8)
        for car, target in enumerate(self.target):
            images[car, :, 16 * target : 16 * target + 16] = 250
        return images

    def advance(self, actions, active=None):
        active = np.ones(self.num_cars, bool) if active is None else active
        rewards = (np.asarray(actions) % 5 == self.target).astype(np.float32) * active
        self.hits += rewards.astype(np.int64)
        self.steps += 1
        self.target = self.random.integers(0, 5, self.num_cars)
        ended = (self.steps >= EPISODE_STEPS) & active
        if self.failing:
            self.errors.append(
                RewardError("ValueError", "no", "Traceback: no", "{}", self.num_cars)
            )
        return SimpleNamespace(
            obs=self.obs,
            rewards=rewards,
            terminated=ended,
            truncated=np.zeros(self.num_cars, bool),
            final_obs={},
            episodes=[self._record(int(car)) for car in np.flatnonzero(ended)],
            ended=np.flatnonzero(ended),
        )

    def step(self, actions):
        step = self.advance(actions)
        self.restart(step.ended)
        return step

    def restart(self, cars):
        self.hits[cars] = 0
        self.steps[cars] = 0

    def _record(self, car: int) -> Episode:
        share = self.hits[car] / EPISODE_STEPS
        lap_s = 10.0 if share == 1.0 else None
        return Episode(float(self.hits[car]), 16, 100.0 * share, lap_s, "end", 0, 0.0, False)

    def take_reward_errors(self):
        errors, self.errors = self.errors, []
        return errors

    def take_reward_prints(self):
        return [], 0

    def take_reward_use(self):
        return RewardUse()

    def state(self):
        return {
            "random": self.random.bit_generator.state,
            "arrays": [a.tolist() for a in (self.hits, self.steps, self.target)],
        }

    def set_state(self, state, *, restart=True):
        self.random.bit_generator.state = state["random"]
        self.hits, self.steps, self.target = map(np.array, state["arrays"])


def toy_settings(workers: int = 1, **changes) -> TrainSettings:
    ppo = {"fragment_steps": 32, "minibatch_size": 64, "learning_rate": 3e-3, "threads": 1}
    ppo |= changes.pop("ppo", {})
    values = {
        "workers": workers,
        "cars_per_worker": 8,
        "ppo": PPOSettings(**ppo),
        "evaluate": EvaluateSettings(every_s=3600.0, starts=4),
        "stop": StopSettings(steps=512),
    }
    return TrainSettings(**(values | changes))


@pytest.fixture(scope="session")
def local_ray() -> Iterator[None]:
    ray.init(
        address="local",
        num_cpus=4,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=256 * 2**20,
    )
    yield
    ray.shutdown()


@pytest.fixture
def toy() -> SimpleNamespace:
    """World, network and settings of the toy problem."""
    return SimpleNamespace(world=ToyWorld, network=TINY, settings=toy_settings)
