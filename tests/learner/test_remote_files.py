"""Workers on machines that have neither the reward function's file nor the route's."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from learner.config import build_config
from learner.ppo import NoSamples
from learner.settings import EvaluateSettings, PPOSettings, TrainSettings
from sim.errors import UserError
from sim.settings import WorldSettings
from sim.tracks import route

pytestmark = pytest.mark.usefixtures("local_ray")

REWARD = "def reward_function(params):\n    return 0.125\n"


def settings_for(folder: Path) -> TrainSettings:
    return TrainSettings(
        world=WorldSettings(
            track=str(folder / "mine.npy"), reward=str(folder / "reward.py"), episode_s=2.0
        ),
        workers=1,
        cars_per_worker=4,
        ppo=PPOSettings(fragment_steps=32, minibatch_size=32, threads=1),
        evaluate=EvaluateSettings(every_s=3600.0, starts=3),
    )


def test_workers_need_no_file_of_the_driver(tmp_path: Path) -> None:
    folder = tmp_path / "job"
    folder.mkdir()
    (folder / "reward.py").write_text(REWARD)
    np.save(folder / "mine.npy", route("bowtie")[1])
    config = build_config(settings_for(folder))
    shutil.rmtree(folder)

    algorithm = config.build_algo()
    try:
        algorithm.train()
        assert algorithm.last.episodes and not algorithm.last.reward_errors
        assert {e.return_ / e.steps for e in algorithm.last.episodes} == {0.125}
        assert len(algorithm.evaluate_greedily([0.0, 0.5])) == 2

        group = algorithm.env_runner_group
        (pid,) = group.foreach_env_runner(lambda worker: os.getpid(), local_env_runner=False)
        os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 120.0
        while algorithm.iterations == 1:  # one that was started again has no files either
            assert time.monotonic() < deadline
            with contextlib.suppress(NoSamples):
                algorithm.train()
        assert {e.return_ / e.steps for e in algorithm.last.episodes} == {0.125}
    finally:
        algorithm.stop()


def test_a_missing_file_is_said_before_any_worker_is_asked(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mine\.npy.*cannot read the route"):
        build_config(settings_for(tmp_path))
