"""Stable-Baselines3's PPO on our environment, with our network and hyperparameters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import VecEnv

from hairpin.bench.peer_env import CroppedTimeTrial
from hairpin.bench.peer_network import Sb3Trunk
from learner.settings import TrainSettings
from rollout_workers.network import NETWORKS


class Sb3Peer:
    """PPO as Stable-Baselines3 runs it: one process, torch on all cores.

    Its one vector environment has the cars of all our workers.

    Args:
        settings: Our run; its world, network and hyperparameters are taken over.
    """

    def __init__(self, settings: TrainSettings) -> None:
        ppo, network = settings.ppo, NETWORKS[settings.network]
        cars = settings.workers * settings.cars_per_worker
        self._env = TimeTrialVecEnv(
            CroppedTimeTrial(cars, crop_top=network.crop_top, **settings.world.model_dump())
        )
        self._batch = cars * ppo.fragment_steps
        self._model = PPO(
            "CnnPolicy",
            self._env,
            n_steps=ppo.fragment_steps,
            batch_size=ppo.minibatch_size,
            n_epochs=ppo.epochs,
            learning_rate=ppo.learning_rate,
            gamma=ppo.gamma,
            gae_lambda=ppo.gae_lambda,
            clip_range=ppo.clip,
            ent_coef=ppo.entropy_coefficient,
            vf_coef=ppo.value_coefficient,
            max_grad_norm=ppo.grad_clip,
            target_kl=ppo.target_kl,
            seed=settings.seed,
            device="cpu",
            policy_kwargs={
                "features_extractor_class": Sb3Trunk,
                "features_extractor_kwargs": {"network": network},
                "net_arch": [],
            },
        )

    def iterate(self) -> int:
        """Samples and learns once; returns the environment steps of it."""
        self._model.learn(self._batch, reset_num_timesteps=False)
        return self._batch

    def close(self) -> None:
        """Frees the physics engine."""
        self._env.close()


class TimeTrialVecEnv(VecEnv):
    """Our vector environment behind its own interface; images are (1, rows, columns)."""

    def __init__(self, env: CroppedTimeTrial) -> None:
        self.env = env
        self._actions: NDArray[Any] = np.zeros(0)
        space = spaces.Box(0, 255, (1, *(env.single_observation_space.shape or ())), np.uint8)
        super().__init__(env.num_envs, space, env.single_action_space)

    def reset(self) -> NDArray[np.uint8]:
        """Begins an episode of every car."""
        return self.env.reset()[0][:, None]

    def step_async(self, actions: NDArray[Any]) -> None:
        """Takes the actions of the next step."""
        self._actions = actions

    def step_wait(
        self,
    ) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[np.bool_], list[dict[str, Any]]]:
        """Drives the step."""
        obs, rewards, terminated, truncated, info = self.env.step(self._actions)
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        ended = terminated | truncated
        for car in np.flatnonzero(ended):
            infos[car]["terminal_observation"] = info["final_obs"][car][None]
            infos[car]["TimeLimit.truncated"] = bool(truncated[car] and not terminated[car])
        return obs[:, None], rewards, ended, infos

    def close(self) -> None:
        """Frees the physics engine."""
        self.env.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        """The same attribute for every car asked for."""
        return [getattr(self.env, attr_name, None) for _ in self._get_indices(indices)]

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        """Not supported: the cars share one environment."""
        raise NotImplementedError(attr_name)

    def env_method(
        self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any
    ) -> list[Any]:
        """Not supported: the cars share one environment."""
        raise NotImplementedError(method_name)

    def env_is_wrapped(
        self, wrapper_class: type[gymnasium.Wrapper[Any, Any, Any, Any]], indices: Any = None
    ) -> Sequence[bool]:
        """No car is wrapped."""
        return [False for _ in self._get_indices(indices)]
