"""PPO as an RLlib algorithm: sample in parallel, learn, send the weights back.

Importing this module must not import torch: sampling processes do it when Ray unpickles the config.
"""

from __future__ import annotations

import time
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

from learner import workers
from learner.config import SAMPLE_TIMEOUT_S, HairpinPPOConfig
from learner.iteration import Iteration
from learner.patience import Patience
from learner.workers import checked
from rollout_workers.episodes import share_of
from rollout_workers.fragment import Fragment, joined, kept_rows

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

    def send_weights(self, to: list[int] | None = None) -> None:
        """Sends the learner's weights to all workers, or to some."""
        self.env_runner_group.sync_weights(
            from_worker_or_learner_group=self.learner_group,
            to_worker_indices=to,
            inference_only=True,
        )

    def restore_env_runners(self, env_runner_group: Any) -> list[int]:
        """Takes workers that Ray has started again back into service, without waiting for any."""
        restored: list[int] = env_runner_group.probe_unhealthy_env_runners()
        if restored:
            workers.send_kernels(env_runner_group, restored, self._sampling_patience)
            self.send_weights(restored)
            self.restored_workers += restored
        return restored

    def worker_states(self) -> dict[int, Any]:
        """Random states and worlds' states of the workers that are up, by index."""
        return workers.states(self.env_runner_group, self._sampling_patience.seconds)

    def set_worker_states(self, states: dict[int, Any]) -> None:
        """The way back from `worker_states`; workers that are not in it keep theirs."""
        workers.set_states(self.env_runner_group, states)

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
        up = group.healthy_env_runner_ids()
        if not up:
            if group.local_env_runner is None:
                return []
            return list(checked(group.local_env_runner.evaluate(starts, record=record)))
        shares = [starts[index :: len(up)] for index in range(len(up))]
        used = [worker for worker, share in zip(up, shares, strict=True) if share]
        results = workers.answers(
            group,
            "evaluate",
            used,
            [{"starts": share, "record": record} for share in shares if share],
            self._evaluation_patience,
        )
        self.last.lost_workers += sorted(set(used) - set(group.healthy_env_runner_ids()))
        return [trial for result in results for trial in checked(result)]

    def _sample(self, iteration: Iteration) -> list[Fragment]:
        group = self.env_runner_group
        before = set(group.healthy_env_runner_ids())
        fragments = self._collect()
        iteration.lost_workers = sorted(before - set(group.healthy_env_runner_ids()))
        if not fragments:
            self.last = iteration
            raise NoSamples(f"no worker answered; {len(iteration.lost_workers)} died just now")
        fragments.sort(key=lambda fragment: fragment.worker)
        iteration.gather(fragments)
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
            return self._counted([checked(result)])
        up = group.healthy_env_runner_ids()
        shares: dict[int, int | None] = dict.fromkeys(up)
        if episodes is not None:
            for place, worker in enumerate(up):
                shares[worker] = share_of(episodes, len(up), place)
        asked = [worker for worker in up if shares[worker] != 0]
        if not asked:
            return []
        results = workers.answers(
            group,
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
        return self._counted([checked(result) for result in results])

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


def normalised(advantages: NDArray[np.float32]) -> NDArray[np.float32]:
    """Advantages with mean 0 and standard deviation 1 over the whole batch."""
    result: NDArray[np.float32] = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
    return result


def explained_variance(advantages: NDArray[np.float32], targets: NDArray[np.float32]) -> float:
    """How much of the targets' variance the values foresaw: 1 is all, 0 as good as a constant."""
    variance = float(targets.var())
    return 1.0 - float(advantages.var()) / variance if variance > 0.0 else 0.0
