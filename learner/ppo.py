"""PPO as an RLlib algorithm: sample in parallel, learn, send the weights back.

Importing this module must not import torch: sampling processes do it when Ray unpickles the config.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray.rllib.algorithms.ppo import PPO
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.policy.sample_batch import MultiAgentBatch, SampleBatch
from ray.rllib.utils.metrics import (
    ENV_RUNNER_RESULTS,
    ENV_RUNNER_SAMPLING_TIMER,
    LEARNER_RESULTS,
    LEARNER_UPDATE_TIMER,
    NUM_ENV_STEPS_SAMPLED,
    NUM_ENV_STEPS_SAMPLED_LIFETIME,
    SYNCH_WORKER_WEIGHTS_TIMER,
    TIMERS,
)

from learner.config import SAMPLE_TIMEOUT_S, HairpinPPOConfig
from learner.events import DrivenEpisodes, Rollout
from learner.patience import Patience
from rollout_workers.env_runner import RolloutWorker
from rollout_workers.episodes import share_of
from rollout_workers.fragment import Fragment, WorkerFailure, joined, kept_rows
from sim.errors import UserError
from sim.reward import RewardUse

# What the learner reports, beside what RLlib counts.
LOSSES = (
    "policy_loss",
    "value_loss",
    "entropy",
    "kl",
    "clip_fraction",
    "grad_norm",
    "learning_rate",
    "minibatches",
)
LEAST_PATIENCE_S = 15.0
REWARD_ENDS = 6  # a reward process that hangs is ended and started again so many times in a row
VALUE_SCALE_RATE = 0.2  # returns grow tenfold within some dozen iterations; a batch's are noisy


@dataclass
class Iteration:
    """What one training step did.

    Attributes:
        steps: Environment steps that were driven.
        dropped: How many of them it did not learn from, because of ``max_iteration_steps``.
        seconds: Wall-clock seconds: sampling, learning, sync; and of sampling the mean over workers
            by phase: physics, camera, reward, inference, other.
        losses: What the learner reports.
        episodes: Episodes that ended (`sim.episode.Episode`).
        reward_errors: Failures of the reward function (`sim.reward.RewardError`).
        prints: By worker, lines that the reward function printed, and how many were dropped.
        reward_use: What the calls of the reward function took, over all workers.
        lost_workers: Indices of workers that died or stopped answering, until they are told of.
        driven: By worker, the episodes that ended, with their trace.
        rollouts: By worker, how much it drove.
    """

    steps: int = 0
    dropped: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    losses: dict[str, float] = field(default_factory=dict)
    episodes: list[Any] = field(default_factory=list)
    reward_errors: list[Any] = field(default_factory=list)
    prints: dict[int, tuple[list[str], int]] = field(default_factory=dict)
    reward_use: RewardUse = field(default_factory=RewardUse)
    lost_workers: list[int] = field(default_factory=list)
    driven: dict[int, DrivenEpisodes] = field(default_factory=dict)
    rollouts: dict[int, Rollout] = field(default_factory=dict)


class NoSamples(Exception):
    """No worker gave anything: all of them are down, and may come back."""


class HairpinPPO(PPO):
    """The algorithm.

    Attributes:
        last: The last iteration.
        steps: Environment steps driven to learn from, since the run began.
        iterations: Iterations since the run began.
        episodes_driven: By worker, how many of its episodes have ended since then.
        restored_workers: Indices of workers that came back into service, until they are told of.
    """

    last: Iteration
    steps: int
    iterations: int
    episodes_driven: dict[int, int]
    restored_workers: list[int]

    def setup(self, config: Any) -> None:
        """Builds workers and learners."""
        self.last = Iteration()
        self.steps = 0
        self.iterations = 0
        self.episodes_driven = {}
        least_s = LEAST_PATIENCE_S + REWARD_ENDS * config.env_config["world"]["reward_timeout_s"]
        self._sampling_patience = Patience(config.sample_timeout_s, least_s)
        self._evaluation_patience = Patience(SAMPLE_TIMEOUT_S, least_s)
        self.restored_workers = []
        super().setup(config)

    @classmethod
    def get_default_config(cls) -> HairpinPPOConfig:
        """A config of this algorithm."""
        return HairpinPPOConfig()

    def training_step(self) -> None:
        """One iteration.

        Raises:
            NoSamples: Every worker is down.
            UserError: A worker could not build its world, by a fault of the user.
            RuntimeError: Something raised in a worker.
        """
        iteration = Iteration()
        began = time.perf_counter()
        with self.metrics.log_time((TIMERS, ENV_RUNNER_SAMPLING_TIMER)):
            fragments = self._sample(iteration)
        sampled = time.perf_counter()
        with self.metrics.log_time((TIMERS, LEARNER_UPDATE_TIMER)):
            arrays = self._rows(fragments)
            iteration.dropped = iteration.steps - len(arrays["actions"])
            iteration.losses = self._learn(arrays)
        learned = time.perf_counter()
        with self.metrics.log_time((TIMERS, SYNCH_WORKER_WEIGHTS_TIMER)):
            self.send_weights()
        synced = time.perf_counter()
        iteration.seconds |= {
            "sampling": sampled - began,
            "learning": learned - sampled,
            "sync": synced - learned,
        }
        self.iterations += 1
        self.last = iteration

    def send_weights(self, workers: list[int] | None = None) -> None:
        """Sends the learner's weights to all workers, or to some."""
        self.env_runner_group.sync_weights(
            from_worker_or_learner_group=self.learner_group,
            to_worker_indices=workers,
            inference_only=True,
        )

    def restore_env_runners(self, env_runner_group: Any) -> list[int]:
        """Takes workers that Ray has started again back into service, without waiting for any."""
        restored: list[int] = env_runner_group.probe_unhealthy_env_runners()
        if restored:
            self._send_kernels(restored)
            self.send_weights(restored)
            self.restored_workers += restored
        return restored

    def worker_states(self) -> dict[int, Any]:
        """Random states and worlds' states of the workers that are up, by index."""
        group = self.env_runner_group
        if group.num_remote_env_runners() == 0:
            return {0: group.local_env_runner.get_state()}
        workers = group.healthy_env_runner_ids()
        states = group.foreach_env_runner(
            [_indexed_call] * len(workers),
            kwargs=[{"method": "get_state", "kwargs": {}}] * len(workers),
            remote_worker_ids=workers,
            local_env_runner=False,
            timeout_seconds=self._sampling_patience.seconds,
        )
        return dict(states)

    def set_worker_states(self, states: dict[int, Any]) -> None:
        """The way back from `worker_states`; workers that are not in it keep theirs."""
        group = self.env_runner_group
        if group.num_remote_env_runners() == 0:
            if 0 in states:
                group.local_env_runner.set_state(states[0])
            return
        known = [worker for worker in group.healthy_env_runner_ids() if worker in states]
        if known:
            group.foreach_env_runner(
                "set_state",
                kwargs=[{"state": states[worker]} for worker in known],
                remote_worker_ids=known,
                local_env_runner=False,
            )

    def learner_facts(self) -> tuple[int, str]:
        """Threads of a learner in this process (0: it is elsewhere), and its precision."""
        if self.learner_group.is_remote:
            return 0, "auto"
        learner = self.learner_group._learner
        return learner.threads, learner.precision

    def resume_counters(self, *, steps: int, iterations: int) -> None:
        """Goes on counting from where an earlier run ended; learning-rate decay follows."""
        self.steps = steps
        self.iterations = iterations
        self.metrics.log_value(
            (ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME), steps, reduce="lifetime_sum"
        )

    def evaluate_greedily(self, starts: list[float], *, record: bool = False) -> list[Any]:
        """Drives one greedy trial from each start, the starts shared out over the workers.

        Args:
            starts: Fractions of the lap.
            record: Whether the trials carry recordings.

        Returns:
            `sim.trial.Trial` objects; fewer than starts if a worker died meanwhile.

        Raises:
            UserError: A worker could not build its world, by a fault of the user.
            RuntimeError: Something raised in a worker.
        """
        group = self.env_runner_group
        workers = group.healthy_env_runner_ids()
        if not workers:
            if group.local_env_runner is None:
                return []
            return list(_checked(group.local_env_runner.evaluate(starts, record=record)))
        shares = [starts[index :: len(workers)] for index in range(len(workers))]
        used = [worker for worker, share in zip(workers, shares, strict=True) if share]
        results = self._answers(
            "evaluate",
            used,
            [{"starts": share, "record": record} for share in shares if share],
            self._evaluation_patience,
        )
        self.last.lost_workers += sorted(set(used) - set(group.healthy_env_runner_ids()))
        return [trial for result in results for trial in _checked(result)]

    def _send_kernels(self, workers: list[int]) -> None:
        """Sends workers what one of the others has compiled, if there is another."""
        group = self.env_runner_group
        others = [worker for worker in group.healthy_env_runner_ids() if worker not in workers]
        if not others:
            return
        for files in self._answers("kernels", others[:1], [{}], self._sampling_patience):
            group.foreach_env_runner(
                "take_kernels",
                kwargs={"files": files},
                remote_worker_ids=workers,
                local_env_runner=False,
                timeout_seconds=0.0,  # it is the first of what they then do in this order
            )

    def _sample(self, iteration: Iteration) -> list[Fragment]:
        group = self.env_runner_group
        before = set(group.healthy_env_runner_ids())
        fragments = self._collect()
        iteration.lost_workers = sorted(before - set(group.healthy_env_runner_ids()))
        if not fragments:
            self.last = iteration
            raise NoSamples(f"no worker answered; {len(iteration.lost_workers)} died just now")
        fragments.sort(key=lambda fragment: fragment.worker)
        iteration.steps = sum(fragment.steps for fragment in fragments)
        for phase in fragments[0].seconds:
            iteration.seconds[phase] = sum(f.seconds[phase] for f in fragments) / len(fragments)
        iteration.episodes = [episode for f in fragments for episode in f.episodes]
        iteration.reward_errors = [error for f in fragments for error in f.reward_errors]
        iteration.driven = _by_worker(fragments)
        iteration.rollouts = _rollouts(fragments)
        for fragment in fragments:
            iteration.reward_use.add(fragment.reward_use)
            if fragment.prints or fragment.prints_dropped:
                iteration.prints[fragment.worker] = (fragment.prints, fragment.prints_dropped)
        self.steps += iteration.steps
        self.metrics.log_value(
            (ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED), iteration.steps, reduce="sum"
        )
        self.metrics.log_value(
            (ENV_RUNNER_RESULTS, NUM_ENV_STEPS_SAMPLED_LIFETIME),
            iteration.steps,
            reduce="lifetime_sum",
        )
        return fragments

    def _collect(self) -> list[Fragment]:
        """A fragment of each worker; or whole episodes, until there are as many as wanted."""
        wanted = self.config.env_config["collection"]["episodes"]
        if wanted is None:
            return self._ask(None)
        fragments: list[Fragment] = []
        # A second round makes up for the episodes of a worker that died.
        while (missing := wanted - sum(len(f.lengths) for f in fragments)) > 0:
            found = self._ask(missing)
            if not found:
                break
            fragments += found
        return fragments

    def _ask(self, episodes: int | None) -> list[Fragment]:
        """Lets all workers sample: a fragment each, or so many whole episodes in all."""
        group = self.env_runner_group
        if group.num_remote_env_runners() == 0:
            local = group.local_env_runner
            first = self._first_episode(0)
            result = local.sample(num_episodes=episodes, env_steps=self.steps, first_episode=first)
            return self._counted([_checked(result)])
        workers = group.healthy_env_runner_ids()
        shares: dict[int, int | None] = dict.fromkeys(workers)
        if episodes is not None:
            for place, worker in enumerate(workers):
                shares[worker] = share_of(episodes, len(workers), place)
        asked = [worker for worker in workers if shares[worker] != 0]
        if not asked:
            return []
        results = self._answers(
            "sample",
            asked,
            [
                {
                    "num_episodes": shares[worker],
                    "env_steps": self.steps,
                    "first_episode": self._first_episode(worker),
                }
                for worker in asked
            ],
            self._sampling_patience,
        )
        return self._counted([_checked(result) for result in results])

    def _answers(
        self, method: str, workers: list[int], kwargs: list[dict[str, Any]], patience: Patience
    ) -> list[Any]:
        """Calls a method of some workers; those that let us wait too long are left out from now on.

        RLlib asks those that are left out before each iteration whether they answer again, and
        `restore_env_runners` takes them back.
        """
        group = self.env_runner_group
        began = time.perf_counter()
        answers: list[tuple[int, Any]] = group.foreach_env_runner(
            [_indexed_call] * len(workers),
            kwargs=[{"method": method, "kwargs": each} for each in kwargs],
            remote_worker_ids=workers,
            local_env_runner=False,
            timeout_seconds=patience.seconds,
        )
        silent = set(workers) - {worker for worker, _ in answers}
        if not silent:
            patience.note(time.perf_counter() - began)
        for worker in silent & set(group.healthy_env_runner_ids()):
            group._worker_manager.set_actor_state(worker, healthy=False)
        return [answer for _, answer in answers]

    def _counted(self, fragments: list[Fragment]) -> list[Fragment]:
        """Numbers the episodes of fragments that just came."""
        for fragment in fragments:
            fragment.first_episode = self.episodes_driven.get(fragment.worker, 0)
            self.episodes_driven[fragment.worker] = fragment.first_episode + len(fragment.episodes)
        return fragments

    def _rows(self, fragments: list[Fragment]) -> dict[str, NDArray[Any]]:
        """What to learn from: all steps, or with whole episodes at most so many."""
        arrays = joined(fragments)
        limit = self.config.env_config["collection"]["max_steps"]
        if fragments[0].lengths and len(arrays["actions"]) > limit:
            kept = kept_rows(fragments, limit)
            arrays = {name: values[kept] for name, values in arrays.items()}
        # Several learners step together, so each must have as many rows as the others.
        odd = len(arrays["actions"]) % max(1, self.config.num_learners)
        if odd:
            arrays = {name: values[:-odd] for name, values in arrays.items()}
        return arrays

    def _first_episode(self, worker: int) -> int | None:
        """Number of a worker's next episode if this iteration is to be traced."""
        every = int(self.config.env_config.get("trace_every") or 0)
        traced = every > 0 and self.iterations % every == 0
        return self.episodes_driven.get(worker, 0) if traced else None

    def _follow_returns(self, spread: float) -> np.float32:
        """Sets the value heads' unit on all learners alike; returns it."""
        rate = VALUE_SCALE_RATE if self.iterations else 1.0
        results = self.learner_group.foreach_learner(
            lambda learner: learner.follow_returns(spread, rate=rate)
        )
        return np.float32(next(iter(results)).get())

    def _learn(self, arrays: dict[str, NDArray[Any]]) -> dict[str, float]:
        explained = explained_variance(arrays["advantages"], arrays["value_targets"])
        arrays["advantages"] = normalised(arrays["advantages"])
        arrays["value_targets"] = arrays["value_targets"] / self._follow_returns(
            float(arrays["value_targets"].std())
        )
        batch = MultiAgentBatch(
            {DEFAULT_MODULE_ID: SampleBatch(arrays)}, env_steps=len(arrays["actions"])
        )
        results = self.learner_group.update(
            batch=batch,
            timesteps={NUM_ENV_STEPS_SAMPLED_LIFETIME: self.steps},
            num_epochs=self.config.num_epochs,
            minibatch_size=self.config.minibatch_size,
            shuffle_batch_per_epoch=True,
        )
        self.metrics.aggregate(results, key=LEARNER_RESULTS)
        reported = self.metrics.peek((LEARNER_RESULTS, DEFAULT_MODULE_ID))
        losses = {name: float(reported[name]) for name in LOSSES if name in reported}
        losses["explained_variance"] = explained
        return losses


def _by_worker(fragments: list[Fragment]) -> dict[int, DrivenEpisodes]:
    """The episodes of fragments; a worker may have sampled twice."""
    driven: dict[int, DrivenEpisodes] = {}
    for f in fragments:
        own = driven.setdefault(f.worker, DrivenEpisodes(f.first_episode, [], [], []))
        own.episodes.extend(f.episodes)
        own.spans_s.extend(f.spans_s)
        own.trace.append(f.trace)
        if f.recording is not None:
            driven[f.worker] = replace(own, recording=f.recording)
    return driven


def _rollouts(fragments: list[Fragment]) -> dict[int, Rollout]:
    """How much each worker drove for fragments that have just come."""
    found: dict[int, Rollout] = {}
    for f in fragments:
        before = found[f.worker].steps if f.worker in found else 0
        found[f.worker] = Rollout(before + f.steps, time.time(), f.memory_bytes, f.cpu_s)
    return found


def normalised(advantages: NDArray[np.float32]) -> NDArray[np.float32]:
    """Advantages with mean 0 and standard deviation 1 over the whole batch."""
    result: NDArray[np.float32] = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    return result


def explained_variance(advantages: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """How much of the targets' variance the values foresaw: 1 is all, 0 as good as a constant."""
    variance = float(targets.var())
    return 1.0 - float(advantages.var()) / variance if variance > 0.0 else 0.0


def _indexed_call(worker: RolloutWorker, *, method: str, kwargs: dict[str, Any]) -> tuple[int, Any]:
    return worker.worker_index, getattr(worker, method)(**kwargs)


def _checked(result: Any) -> Any:
    """A worker's result, or its failure raised here."""
    if isinstance(result, WorkerFailure):
        if isinstance(result.error, UserError):
            raise result.error
        raise RuntimeError(f"worker {result.worker} failed:\n{result.traceback}")
    return result
