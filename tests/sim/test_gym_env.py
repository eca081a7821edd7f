"""The Gymnasium environments pass Gymnasium's own checks and need neither Ray nor torch."""

from __future__ import annotations

import subprocess
import sys
import warnings

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from sim.gym_env import ENV_ID


@pytest.mark.parametrize(
    "settings",
    [
        {"track": "oval"},
        {"track": "oval", "camera": "deepracer"},
        {"track": "oval", "actions": {"type": "continuous"}},
    ],
    ids=["default", "deepracer", "continuous"],
)
def test_it_passes_the_checker(settings: dict) -> None:
    env = gym.make(ENV_ID, render_mode="rgb_array", **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_env(env.unwrapped)
    env.close()


def test_an_episode_ends_with_its_record() -> None:
    env = gym.make(ENV_ID, track="oval")
    obs, info = env.reset(seed=1, options={"start": 0.5})
    assert obs.shape == (60, 80, 1)
    done, steps = False, 0
    while not done:
        obs, _, terminated, truncated, info = env.step(0)
        done, steps = terminated or truncated, steps + 1
    assert terminated
    assert info["episode_record"]["end_reason"] == "off_track"
    assert info["episode_record"]["steps"] == steps
    env.close()


def test_the_vector_version_restarts_in_the_same_step() -> None:
    envs = gym.make_vec(ENV_ID, num_envs=3, track="oval")
    obs, _ = envs.reset(seed=2)
    assert obs.shape == (3, 60, 80, 1) == envs.observation_space.shape
    infos: dict = {}
    while "final_obs" not in infos:
        obs, _, terminated, _, infos = envs.step(np.array([0, 4, 9]))
    car = int(np.flatnonzero(infos["_final_obs"])[0])
    assert terminated[car]
    assert infos["final_obs"][car].shape == (60, 80, 1)
    assert not np.array_equal(infos["final_obs"][car], obs[car])
    assert infos["episode_record"][car]["end_reason"] == "off_track"
    envs.close()


def test_the_same_seed_gives_the_same_drive() -> None:
    env = gym.make(ENV_ID, track="oval")

    def drive() -> list[bytes]:
        obs, _ = env.reset(seed=3)
        return [obs.tobytes(), *(env.step(a)[0].tobytes() for a in (4, 5, 7, 4, 2))]

    assert drive() == drive()
    env.close()


def test_it_needs_neither_ray_nor_torch() -> None:
    code = (
        "import gymnasium, sys, sim.gym_env\n"
        f"env = gymnasium.make('{ENV_ID}', track='oval')\n"
        "env.reset(seed=0); env.step(4); env.close()\n"
        "print(sorted({'ray', 'torch'} & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stdout == "[]\n"
