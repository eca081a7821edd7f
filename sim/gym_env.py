"""The simulation as Gymnasium environments: ``hairpin/TimeTrial-v0``, single and vectorised.

Importing this module registers them.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from sim.settings import WorldSettings
from sim.world import World

Obs = NDArray[np.uint8]

ENV_ID = "hairpin/TimeTrial-v0"


class TimeTrialEnv(gym.Env[Obs, Any]):
    r"""A toy race car drives one lap of a track from what its camera sees.

    ## Description
    A 1/18 scale car with a forward-facing camera drives a time trial, alone on the track. Its body
    is simulated in 3-D by PyBullet; one step is one camera frame, 1/15 s of simulated time. The
    reward is that of any DeepRacer-style `reward_function(params)`.

    ## Action Space
    By default `Discrete(10)`: every steering angle of -30, -15, 0, 15, 30 degrees (left is
    positive) with every speed of 1, 2 m/s, the speed changing fastest. `actions` of the settings
    gives any other list, or a continuous space, `Box(-1, 1, (2,), float32)`:

    | Num | Action         | Min          | Max           |
    | --- | -------------- | ------------ | ------------- |
    | 0   | steering angle | -1: lowest   | 1: highest    |
    | 1   | speed          | -1: lowest   | 1: highest    |

    ## Observation Space
    `Box(0, 255, (60, 80, 1), uint8)`: the gray picture of a camera with 64.7 degrees of horizontal
    field of view, 0.13 m above the ground, pitched down by 15 degrees. With `camera="deepracer"` it
    is (120, 160, 1).

    ## Rewards
    What the reward function returns. The default one pays 1.0, 0.5 or 0.1 within 10, 25 or 50 % of
    the track's width from the centre line, else 0.001. A call that raises or returns no finite
    number counts as 0.

    ## Starting State
    At rest on the centre line, facing along it. The first episode starts at the start line, each
    following one 5 % of the lap further on. `reset(options={"start": 0.3})` starts at 30 % of the
    lap; `"reverse": True` drives it the other way round.

    ## Episode End
    Termination: all four wheels are off the track; the car has not moved, or has lost progress, for
    15 steps. Truncation: the lap is complete (the race goes on past the line), or two minutes have
    passed.

    `info` has `progress` (percent) at each step, and at an episode's end `episode_record`: return,
    steps, progress, lap time, end reason.

    ## Arguments
    ```python
    import gymnasium as gym
    import sim.gym_env  # registers the environment

    gym.make("hairpin/TimeTrial-v0", track="oval", reward="my_reward.py")
    gym.make_vec("hairpin/TimeTrial-v0", num_envs=16, track="random:7")
    ```
    The keyword arguments are the fields of `sim.settings.WorldSettings`. `render_mode="rgb_array"`
    gives the chase camera's picture.

    ## Version History
    * v0: first version.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 - as Gymnasium's

    def __init__(self, *, render_mode: str | None = None, **settings: Any) -> None:
        self._settings = WorldSettings(**settings)
        self.render_mode = render_mode
        self._world = World(self._settings, num_cars=1)
        self.observation_space = observation_space(self._world)
        self.action_space = self._world.actions.space
        self._fresh = True
        self._view: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Begins an episode; see Starting State."""
        super().reset(seed=seed)
        if seed is not None:
            # The same seed gives the same start, whatever was driven before.
            self._world.set_state(_first_start(self._settings))
        elif not self._fresh:
            self._world.restart(np.array([0]))
        self._fresh = False
        if options:
            self._world.place(0, float(options.get("start", 0.0)), reverse=options.get("reverse"))
        return self._world.obs[0, :, :, None].copy(), {"progress": 0.0}

    def step(self, action: Any) -> tuple[Obs, float, bool, bool, dict[str, Any]]:
        """Drives one control step; see the class for what ends an episode."""
        step = self._world.advance(np.asarray(action)[None])
        info: dict[str, Any] = {"progress": float(self._world.referee.readings["progress"][0])}
        if step.episodes:
            info["episode_record"] = step.episodes[0].as_dict()
        return (
            step.obs[0, :, :, None].copy(),
            float(step.rewards[0]),
            bool(step.terminated[0]),
            bool(step.truncated[0]),
            info,
        )

    def render(self) -> Any:
        """The chase camera's picture, (480, 640, 3) uint8 RGB, or None without a render mode."""
        if self.render_mode is None:
            return None
        if self._view is None:
            from sim.chase import ChaseView

            self._view = ChaseView(self._world)
        return self._view.frame(0)

    def close(self) -> None:
        """Frees the physics engine."""
        self._world.close()


class TimeTrialVectorEnv(VectorEnv[Obs, Any, NDArray[Any]]):
    """Many cars of one world as a Gymnasium vector environment; an ended car restarts at once.

    `info` has, for cars that ended in a step, `final_obs` and `episode_record` with their masks
    `_final_obs` and `_episode_record`, as Gymnasium's same-step autoreset defines them.

    Args:
        num_envs: How many cars.
        render_mode: Not used; a vector environment is not drawn.
        settings: The fields of `sim.settings.WorldSettings`.
    """

    metadata = {  # noqa: RUF012 - as Gymnasium's
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "render_modes": [],
        "render_fps": 15,
    }

    def __init__(
        self, num_envs: int = 1, *, render_mode: str | None = None, **settings: Any
    ) -> None:
        self.num_envs = num_envs
        self.render_mode = render_mode
        self._settings = WorldSettings(**settings)
        self._world = World(self._settings, num_cars=num_envs)
        self.single_observation_space = observation_space(self._world)
        self.single_action_space = self._world.actions.space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Obs, dict[str, Any]]:
        """Begins an episode of every car, at the round robin's first starts."""
        super().reset(seed=seed if isinstance(seed, int) else None)
        self._world.set_state(_first_start(self._settings))
        return self._world.obs[..., None].copy(), {}

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[Obs, NDArray[Any], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """Drives one control step of every car."""
        step = self._world.advance(np.asarray(actions))
        info: dict[str, Any] = {}
        if len(step.ended):
            last = np.empty(self.num_envs, object)
            records = np.empty(self.num_envs, object)
            mask = np.zeros(self.num_envs, np.bool_)
            mask[step.ended] = True
            for car, episode in zip(step.ended.tolist(), step.episodes, strict=True):
                last[car] = step.obs[car, :, :, None].copy()
                records[car] = episode.as_dict()
            info = {
                "final_obs": last,
                "_final_obs": mask,
                "episode_record": records,
                "_episode_record": mask.copy(),
            }
            self._world.restart(step.ended)
        return (
            self._world.obs[..., None].copy(),
            step.rewards,
            step.terminated,
            step.truncated,
            info,
        )

    def close_extras(self, **kwargs: Any) -> None:
        """Frees the physics engine."""
        self._world.close()


def observation_space(world: World) -> spaces.Box:
    """The space of one gray picture (H, W, 1)."""
    _, height, width = world.obs.shape
    return spaces.Box(0, 255, (height, width, 1), np.uint8)


def _first_start(settings: WorldSettings) -> dict[str, Any]:
    """The state of a world that has not driven yet."""
    return {
        "next_start": settings.start_offset,
        "next_reverse": settings.direction == "reversed",
    }


gym.register(
    id=ENV_ID,
    entry_point="sim.gym_env:TimeTrialEnv",
    vector_entry_point="sim.gym_env:TimeTrialVectorEnv",
)
