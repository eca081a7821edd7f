"""The worker: one world of several cars, sampled with a numpy policy."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium
import numpy as np
import ray
from numpy.typing import NDArray

from rollout_workers.process import (
    is_ray_worker,
    skip_torch_in_worker,
    use_one_blas_thread,
)

skip_torch_in_worker()  # before the first import of ray.rllib

from ray.rllib.core import COMPONENT_RL_MODULE, DEFAULT_MODULE_ID  # noqa: E402
from ray.rllib.env import INPUT_ENV_SPACES  # noqa: E402
from ray.rllib.env.env_runner import EnvRunner  # noqa: E402
from ray.rllib.utils.metrics import WEIGHTS_SEQ_NO  # noqa: E402

from rollout_workers.batch import Batch  # noqa: E402
from rollout_workers.episodes import collect_episodes  # noqa: E402
from rollout_workers.fragment import Fragment, WorkerFailure  # noqa: E402
from rollout_workers.kernels import compiled, take  # noqa: E402
from rollout_workers.network import NetworkSpec  # noqa: E402
from rollout_workers.policy import Policy  # noqa: E402
from rollout_workers.steps import collect_steps  # noqa: E402
from sim.errors import UserError  # noqa: E402
from sim.machine import used_resources  # noqa: E402
from sim.settings import WorldSettings  # noqa: E402
from sim.trace import as_csv  # noqa: E402
from sim.world_files import WorldFiles  # noqa: E402

POLICY_RANDOM = "policy_random"
WORLD = "world"
RECORDED_CAR = 0
PHASES = ("physics", "camera", "reward")


class RolloutWorker(EnvRunner):
    """Samples fixed-length fragments; one per Ray actor.

    What it runs comes from the RLlib config: ``env_config`` has ``world`` (the fields of
    WorldSettings), ``files`` (a WorldFiles: what they name need not be on this machine),
    ``network`` (those of NetworkSpec), ``seed``, and optionally ``world_factory``, called with
    (settings, num_cars=, seed=); ``rollout_fragment_length`` and
    ``num_envs_per_env_runner`` are steps and cars of a fragment. ``collection`` says whether whole
    episodes are collected instead, and how actions are explored.

    Args:
        config: The RLlib config.
        **kwargs: What RLlib adds, such as ``worker_index``.
    """

    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        if is_ray_worker():
            use_one_blas_thread()
        self.settings = WorldSettings.model_validate(self.config.env_config["world"])
        self.policy = Policy(
            NetworkSpec.from_dict(self.config.env_config["network"]), self.config.action_space
        )
        self.weights_version = 0
        self._collection: dict[str, Any] = self.config.env_config.get("collection", {})
        self._env_steps = 0  # of all workers since the run began, as far as this one can know
        self._evaluation_world: Any = None
        seeds = _seeds(int(self.config.env_config["seed"]), self.worker_index or 0)
        self._random = np.random.default_rng(seeds[0])
        self._world_seed = int(seeds[1].generate_state(1)[0])
        self._failure: WorkerFailure | None = None
        self.env: Any = None
        if not _is_started_again():  # else it waits for what its neighbours have compiled
            self._build()

    def make_env(self) -> None:
        """Builds the world that training steps through."""
        self.env = self._make_world(int(self.config.num_envs_per_env_runner), self._world_seed)
        if self.config.env_config.get("trace_every") and hasattr(self.env, "start_trace"):
            self.env.start_trace()
        recorded = int(self.config.env_config.get("recorded_workers", 0))
        if max(1, self.worker_index or 0) <= recorded and hasattr(self.env, "start_recording"):
            self.env.start_recording(RECORDED_CAR)

    def assert_healthy(self) -> None:
        """Nothing to assert: what goes wrong at construction is told by `sample`."""

    def get_spaces(self) -> dict[str, tuple[Any, Any]]:
        """Observation and action space of the world, and of the module, which sees no sky."""
        actions = self.config.action_space
        cropped = gymnasium.spaces.Box(0, 255, self.policy.network.input_shape, np.uint8)
        return {
            INPUT_ENV_SPACES: (self.config.observation_space, actions),
            DEFAULT_MODULE_ID: (cropped, actions),
        }

    def get_metrics(self) -> Any:
        """RLlib's metrics of this worker; the fragments carry everything of ours."""
        return self.metrics.reduce()

    def sample(
        self,
        *,
        num_episodes: int | None = None,
        env_steps: int = 0,
        first_episode: int | None = None,
        **kwargs: Any,
    ) -> Fragment | WorkerFailure:
        """Drives with the current weights: every car for one fragment's length, or whole episodes.

        Args:
            num_episodes: So many whole episodes instead of a fragment.
            env_steps: Steps that all workers have driven so far, by which exploration falls.
            first_episode: The number that the first episode to end has in the trace; None if no
                trace is asked for.
            **kwargs: What RLlib adds.

        Returns:
            The fragment; or, if something in this process raised, what it was.
        """
        self._env_steps = env_steps
        if self.env is None and self._failure is None:
            self._build()
        if self._failure is None:
            try:
                if num_episodes is not None:
                    limit = int(self._collection["max_steps"])
                    fragment = self._sample(collect_episodes, count=num_episodes, max_steps=limit)
                else:
                    steps = int(self.config.rollout_fragment_length)
                    fragment = self._sample(collect_steps, steps=steps)
                self._add_trace(fragment, first_episode)
                if hasattr(self.env, "take_recording"):
                    fragment.recording = self.env.take_recording()
                return fragment
            except Exception as error:
                self._failure = self._failure_of(error)
        return self._failure

    def evaluate(
        self, starts: Sequence[float], *, record: bool = False
    ) -> list[Any] | WorkerFailure:
        """Drives one greedy trial from each start, in a world of its own.

        Args:
            starts: Fractions of the lap.
            record: Whether the trials carry recordings.

        Returns:
            A `sim.trial.Trial` for each start; or what was raised instead.
        """
        from sim.trial import run_trials

        try:
            if self._evaluation_world is None:
                self._evaluation_world = self._make_world(len(starts), self._world_seed)
            return list(run_trials(self._evaluation_world, self.policy.act, starts, record=record))
        except Exception as error:
            return self._failure_of(error)

    def get_state(
        self,
        components: Any = None,
        *,
        not_components: Any = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Random state of the policy and state of the world, JSON-able; no weights."""
        state: dict[str, Any] = {POLICY_RANDOM: self._random.bit_generator.state}
        if self.env is not None:
            state[WORLD] = self.env.state()
        return state

    def set_state(self, state: Any) -> None:
        """Takes up weights, as RLlib's `sync_weights` sends them, or what `get_state` gave."""
        if isinstance(state, ray.ObjectRef):
            state = ray.get(state)
        if COMPONENT_RL_MODULE in state:
            weights = state[COMPONENT_RL_MODULE]
            if isinstance(weights, ray.ObjectRef):
                weights = ray.get(weights)
            self.policy.set_weights(weights.get(DEFAULT_MODULE_ID, weights))
            self.weights_version = int(state.get(WEIGHTS_SEQ_NO, 0))
        if POLICY_RANDOM in state:
            self._random.bit_generator.state = state[POLICY_RANDOM]
        if WORLD in state and self.env is not None:
            # Whole episodes begin when they are asked for.
            restart = self._collection.get("episodes") is None
            self.env.set_state(state[WORLD], restart=restart)

    def kernels(self) -> dict[str, bytes]:
        """What this worker has compiled, for `take_kernels` of one that has not."""
        return compiled()

    def take_kernels(self, files: dict[str, bytes]) -> None:
        """Spares this worker compiling; to be called before its world is built."""
        take(files)

    def stop(self) -> None:
        """Frees the worlds."""
        for world in (self.env, self._evaluation_world):
            if world is not None and hasattr(world, "close"):
                world.close()

    def has_torch(self) -> bool:
        """Whether torch was imported into this process."""
        return "torch" in sys.modules

    def _build(self) -> None:
        try:
            self.make_env()
        except Exception as error:
            # Told by the next `sample`: an actor that fails to start would be started again.
            self._failure = self._failure_of(error)

    def _make_world(self, num_cars: int, seed: int) -> Any:
        factory: Callable[..., Any] | None = self.config.env_config.get("world_factory")
        if factory is not None:
            return factory(self.settings, num_cars=num_cars, seed=seed)
        from sim.world import World

        files: WorldFiles | None = self.config.env_config.get("files")
        return World(self.settings, num_cars=num_cars, seed=seed, files=files)

    def _sample(self, collect: Callable[..., Batch], **amount: int) -> Fragment:
        """Drives as `collect` does, and adds what the world tells of its time and rewards."""
        world, policy = self.env, self.policy
        began = time.perf_counter()
        phases_before = dict(world.seconds)

        def act(obs: NDArray[np.uint8]) -> tuple[Any, Any, Any]:
            outputs, values = policy.forward(obs)
            return (*self._draw(outputs), values)

        batch = collect(
            world,
            act,
            lambda obs: policy.forward(obs)[1],
            policy.crop,
            gamma=float(self.config.gamma),
            lambda_=float(self.config.lambda_),
            **amount,
        )
        prints, prints_dropped = world.take_reward_prints()
        memory_bytes, cpu_s = used_resources()
        seconds = {phase: world.seconds[phase] - phases_before[phase] for phase in PHASES}
        seconds["inference"] = batch.inference_s
        seconds["other"] = time.perf_counter() - began - sum(seconds.values())
        return Fragment(
            obs=batch.obs,
            actions=batch.actions,
            log_probabilities=batch.log_probabilities,
            advantages=batch.advantages,
            value_targets=batch.value_targets,
            worker=self.worker_index or 0,
            weights_version=self.weights_version,
            episodes=batch.episodes,
            lengths=batch.lengths,
            reward_errors=world.take_reward_errors(),
            prints=prints,
            prints_dropped=prints_dropped,
            reward_use=world.take_reward_use(),
            seconds=seconds,
            memory_bytes=memory_bytes,
            cpu_s=cpu_s,
        )

    def _draw(self, outputs: NDArray[np.float32]) -> tuple[Any, Any]:
        """Draws actions and counts them; the other workers will have drawn as many meanwhile."""
        epsilon = self._collection.get("epsilon")
        if epsilon is None:
            return self.policy.sample(outputs, self._random)
        now = epsilon_at(self._env_steps, epsilon, int(self._collection["epsilon_steps"]))
        self._env_steps += len(outputs) * max(1, int(self.config.num_env_runners))
        return self.policy.sample(outputs, self._random, now)

    def _add_trace(self, fragment: Fragment, first_episode: int | None) -> None:
        """Lets a fragment carry the steps of the episodes that ended in it."""
        trace = getattr(self.env, "trace", None)
        if trace is None:
            return
        began = time.perf_counter()
        taken = trace.take()
        if fragment.lengths:  # whole episodes come in the order of their beginnings
            taken.sort(key=lambda each: (each[1]["tstamp"][0], each[0]))
        episodes = [rows for _, rows in taken]
        fragment.spans_s = [
            (float(rows["tstamp"][0]), float(rows["tstamp"][-1])) for rows in episodes
        ]
        if first_episode is not None:
            continuous = self.settings.actions.type == "continuous"
            fragment.trace = as_csv(episodes, first_episode, continuous=continuous)
        fragment.seconds["other"] += time.perf_counter() - began

    def _failure_of(self, error: Exception) -> WorkerFailure:
        return WorkerFailure(
            worker=self.worker_index or 0,
            error=error if isinstance(error, UserError) else None,
            traceback="".join(traceback.format_exception(error)),
        )


def epsilon_at(env_steps: int, final: float, steps: int) -> float:
    """The chance of an action that is drawn at random: falls linearly from 1 to `final`."""
    return 1.0 + min(1.0, env_steps / steps) * (final - 1.0)


def _seeds(seed: int, worker: int) -> list[np.random.SeedSequence]:
    """Two seeds, for policy and world: other for each worker, and fresh for one started again."""
    entropy = [seed, worker]
    if _is_started_again():
        entropy.append(time.time_ns())
    return np.random.SeedSequence(entropy).spawn(2)


def _is_started_again() -> bool:
    """Whether this is an actor whose first process was lost."""
    if not is_ray_worker():
        return False
    return bool(ray.get_runtime_context().was_current_actor_reconstructed)
