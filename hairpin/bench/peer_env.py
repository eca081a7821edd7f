"""Our vector environment, as other training frameworks want to see it."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from sim.gym_env import ENV_ID

Images = NDArray[np.uint8]
VectorStep = tuple[Images, NDArray[Any], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class CroppedTimeTrial(VectorEnv[Images, Any, NDArray[Any]]):
    """`hairpin/TimeTrial-v0` as our network sees it: (rows, columns) images without the sky.

    Args:
        num_envs: How many cars.
        crop_top: Rows cut from the top of each image.
        settings: Fields of `sim.settings.WorldSettings`.
    """

    autoreset_mode = AutoresetMode.SAME_STEP

    def __init__(self, num_envs: int, *, crop_top: int, **settings: Any) -> None:
        self.num_envs = num_envs
        self.crop_top = crop_top
        self.metadata = {"autoreset_mode": self.autoreset_mode}
        self.inner = gymnasium.make_vec(
            ENV_ID,
            num_envs=num_envs,
            vectorization_mode="vector_entry_point",
            **settings,
        )
        rows, columns, _ = self.inner.single_observation_space.shape or ()
        self.single_observation_space = spaces.Box(0, 255, (rows - crop_top, columns), np.uint8)
        self.single_action_space = self.inner.single_action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Images, dict[str, Any]]:
        """Begins an episode of every car."""
        obs, info = self.inner.reset(seed=seed if isinstance(seed, int) else None, options=options)
        return obs[:, self.crop_top :, :, 0], info

    def step(self, actions: NDArray[Any]) -> VectorStep:
        """Drives one control step; `final_obs` in the info is cropped too."""
        obs, rewards, terminated, truncated, info = self.inner.step(actions)
        if "final_obs" in info:
            for car in np.flatnonzero(info["_final_obs"]):
                info["final_obs"][car] = info["final_obs"][car][self.crop_top :, :, 0]
        return obs[:, self.crop_top :, :, 0], rewards, terminated, truncated, info

    def close_extras(self, **kwargs: Any) -> None:
        """Frees the physics engine."""
        self.inner.close()


class NextStepTimeTrial(CroppedTimeTrial):
    """The same with the reset that RLlib's own env runner counts on: in the step after the end.

    The car has restarted by then, so the first step of an episode is shown as its reset.
    """

    autoreset_mode = AutoresetMode.NEXT_STEP

    def __init__(self, num_envs: int, *, crop_top: int, **settings: Any) -> None:
        super().__init__(num_envs, crop_top=crop_top, **settings)
        self._restarted = np.zeros(num_envs, np.bool_)

    def step(self, actions: NDArray[Any]) -> VectorStep:
        """Drives one control step; a car that ended shows its last image first."""
        obs, rewards, terminated, truncated, info = super().step(actions)
        terminated, truncated = terminated & ~self._restarted, truncated & ~self._restarted
        ended = terminated | truncated
        if ended.any():
            obs = obs.copy()
            for car in np.flatnonzero(ended):
                obs[car] = info["final_obs"][car]
        self._restarted = ended
        return obs, rewards, terminated, truncated, {}
