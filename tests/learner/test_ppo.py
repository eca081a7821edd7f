"""The algorithm on Ray: it learns, its workers are light, and a dead one is replaced."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest
from ray.rllib.algorithms.ppo import PPO

from learner.config import build_config
from learner.patience import Patience
from learner.ppo import explained_variance, normalised
from sim.errors import UserError

pytestmark = pytest.mark.usefixtures("local_ray")


@pytest.fixture
def build(toy):
    built = []

    def make(settings, world=toy.world):
        algorithm = build_config(settings, network=toy.network, world_factory=world).build_algo()
        built.append(algorithm)
        return algorithm

    yield make
    for algorithm in built:
        algorithm.stop()


def mean_return(algorithm) -> float:
    return float(np.mean([episode.return_ for episode in algorithm.last.episodes]))


def test_it_learns_the_toy_world_with_light_workers(build, toy) -> None:
    algorithm = build(toy.settings(workers=2))
    assert isinstance(algorithm, PPO)
    result = algorithm.train()
    first = mean_return(algorithm)
    assert algorithm.steps == 2 * 8 * 32 == algorithm.last.steps
    assert result["num_env_steps_sampled_lifetime"] == algorithm.steps
    assert not any(
        algorithm.env_runner_group.foreach_env_runner("has_torch", local_env_runner=False)
    )
    for _ in range(24):
        algorithm.train()
    assert first < 6.0  # of 16; chance gives 3.2
    assert mean_return(algorithm) > 12.0
    assert algorithm.last.losses["learning_rate"] < 3e-3
    assert algorithm.last.losses["explained_variance"] <= 1.0
    assert {"sampling", "learning", "sync", "inference"} <= algorithm.last.seconds.keys()


@pytest.mark.parametrize("learners", [1, 2])
def test_remote_learners_learn_too(build, toy, learners: int) -> None:
    algorithm = build(toy.settings(num_learners=learners))
    for _ in range(10):
        algorithm.train()
    assert mean_return(algorithm) > 6.0  # chance gives 3.2
    assert algorithm.last.losses["kl"] > 0.0
    assert algorithm.learner_facts() == (0, "auto")


@pytest.mark.parametrize("learners", [0, 2])
def test_whole_episodes_are_shared_out_and_learned_from(build, toy, learners: int) -> None:
    ppo = {"episodes_per_iteration": 11, "minibatch_size": 32}
    algorithm = build(toy.settings(workers=2, num_learners=learners, ppo=ppo))
    for iteration in range(1, 13):
        algorithm.train()
        assert len(algorithm.last.episodes) == 11
        assert algorithm.last.steps == 11 * 16
        assert algorithm.last.dropped == 0
        assert algorithm.steps == iteration * 11 * 16
    assert mean_return(algorithm) > 6.0  # chance gives 3.2


def test_steps_beyond_the_limit_count_but_are_not_learned_from(build, toy) -> None:
    ppo = {"episodes_per_iteration": 10, "max_iteration_steps": 101, "minibatch_size": 16}
    algorithm = build(toy.settings(workers=2, ppo=ppo))
    algorithm.train()
    assert (algorithm.last.steps, algorithm.last.dropped) == (160, 59)
    assert algorithm.last.losses["minibatches"] == 3 * round(101 / 16)


def test_a_killed_workers_episodes_are_driven_by_the_others(build, toy) -> None:
    algorithm = build(toy.settings(workers=2, ppo={"episodes_per_iteration": 7}))
    pids = algorithm.env_runner_group.foreach_env_runner(_pid, local_env_runner=False)
    os.kill(pids[1], signal.SIGKILL)
    algorithm.train()
    assert algorithm.last.lost_workers == [2]
    assert len(algorithm.last.episodes) == 7
    assert algorithm.last.steps == 7 * 16


def test_a_killed_worker_is_replaced_and_the_others_go_on(build, toy) -> None:
    algorithm = build(toy.settings(workers=2))
    algorithm.train()
    pids = algorithm.env_runner_group.foreach_env_runner(_pid, local_env_runner=False)
    os.kill(pids[0], signal.SIGKILL)
    algorithm.train()
    assert algorithm.last.lost_workers == [1]
    assert algorithm.last.steps == 8 * 32
    assert algorithm.iterations == 2
    deadline = time.monotonic() + 120.0
    while algorithm.env_runner_group.num_healthy_remote_env_runners() < 2:
        assert time.monotonic() < deadline
        algorithm.train()
    algorithm.train()
    assert algorithm.last.steps == 2 * 8 * 32
    versions = algorithm.env_runner_group.foreach_env_runner(_version, local_env_runner=False)
    assert versions[0] == versions[1] > 2
    assert algorithm.restored_workers == [1]
    assert list(algorithm.last.rollouts) == [1, 2]


def test_a_worker_that_dies_in_an_evaluation_is_told_of(build, toy) -> None:
    algorithm = build(toy.settings(workers=1))
    algorithm.train()
    pids = algorithm.env_runner_group.foreach_env_runner(_pid, local_env_runner=False)
    os.kill(pids[0], signal.SIGKILL)
    assert algorithm.evaluate_greedily([0.0]) == []
    assert algorithm.last.lost_workers == [1]


def test_a_stopped_worker_is_left_out_and_taken_back(build, toy) -> None:
    algorithm = build(toy.settings(workers=2))
    algorithm.train()
    algorithm._sampling_patience = Patience(1.0, 1.0)
    pids = algorithm.env_runner_group.foreach_env_runner(_pid, local_env_runner=False)
    os.kill(pids[0], signal.SIGSTOP)
    try:
        algorithm.train()
        assert algorithm.last.lost_workers == [1]
        assert list(algorithm.last.driven) == [2]
        algorithm.train()  # the others do not wait a second time
        assert algorithm.last.lost_workers == []
        assert list(algorithm.last.driven) == [2]
    finally:
        os.kill(pids[0], signal.SIGCONT)
    deadline = time.monotonic() + 120.0
    while list(algorithm.last.driven) != [1, 2]:
        assert time.monotonic() < deadline
        algorithm.train()


def test_a_users_mistake_in_a_worker_is_raised_as_such(build, toy) -> None:
    with pytest.raises(UserError, match="no such track"):
        build(toy.settings(), world=_no_world).train()


def test_another_exception_in_a_worker_comes_with_its_traceback(build, toy) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        build(toy.settings(), world=_broken_world).train()


def test_advantages_are_normalised_over_the_batch() -> None:
    values = normalised(np.array([1.0, 2.0, 6.0], np.float32))
    assert values.mean() == pytest.approx(0.0, abs=1e-6)
    assert values.std() == pytest.approx(1.0, rel=1e-5)
    assert np.isfinite(normalised(np.zeros(3, np.float32))).all()


def test_explained_variance() -> None:
    targets = np.array([1.0, 2.0, 3.0], np.float32)
    assert explained_variance(np.zeros(3, np.float32), targets) == pytest.approx(1.0)
    assert explained_variance(targets - 2.0, targets) == pytest.approx(0.0)


def _pid(worker) -> int:
    return os.getpid()


def _version(worker) -> int:
    return worker.weights_version


def _no_world(settings, *, num_cars, seed):
    raise UserError("no such track")


def _broken_world(settings, *, num_cars, seed):
    return 1 / 0
