"""A training's events as values of the catalogue's metrics."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

from dashboards.catalog import PHASES
from hairpin.monitoring.series import Series, Snapshot
from hairpin.monitoring.sources import Reading, Source
from learner.events import (
    CheckpointSaved,
    Ended,
    Evaluated,
    Event,
    IterationDone,
    Measured,
    Started,
    WorkerLost,
    WorkerRestored,
)
from sim.episode import Episode

logger = logging.getLogger(__name__)

END_REASONS = ("lap_complete", "off_track", "immobilized", "reversed", "time_up")
LOSSES = {
    "policy_loss": "learner_policy_loss",
    "value_loss": "learner_value_loss",
    "entropy": "learner_entropy_nats",
    "kl": "learner_kl_nats",
    "clip_fraction": "learner_clip_ratio",
    "explained_variance": "learner_explained_variance_ratio",
    "learning_rate": "learner_learning_rate",
    "grad_norm": "learner_gradient_norm",
}
COUNTERS = (
    "env_steps_total",
    "iterations_total",
    "evaluations_total",
    "reward_calls_total",
    "reward_errors_total",
    "worker_losses_total",
    "worker_restarts_total",
    "checkpoints_total",
    "checkpoints_damaged_total",
)


class RunMetrics:
    """Is told the events of a training and knows what Prometheus should; for several threads.

    Counters begin at 0 with this process, also when it goes on with a run, as Prometheus expects:
    a counter that fell back to where the last checkpoint was would look like as many new steps.

    Args:
        track: Its name, as the label of ``run_info``.
        actions: discrete or continuous, likewise.
        checkpoint_every_s: How often the job wants a checkpoint, seconds.
        sources: Called before each snapshot for what no event tells.
    """

    def __init__(
        self,
        *,
        track: str,
        actions: str,
        checkpoint_every_s: float,
        sources: Iterable[Source] = (),
    ) -> None:
        self._series = series = Series()
        self._sources = list(sources)
        self._lock = threading.Lock()
        self._accounted_to = time.monotonic()
        self._phase_s = 0.0  # since then, by phases that were told
        series.set("run_info", 1, track, actions)
        series.set("run_start_time_seconds", time.time())
        series.set("checkpoint_interval_seconds", checkpoint_every_s)
        for name in COUNTERS:
            series.add(name, 0)
        for phase in PHASES:
            series.add("phase_seconds_total", 0, phase)
        for reason in END_REASONS:
            series.add("episodes_total", 0, reason)
        for phase in ("training", "evaluation"):
            series.observe("lap_time_seconds", labels=(phase,))
        series.observe("reward_call_seconds")

    def note(self, event: Event) -> None:
        """Takes up what an event says."""
        take = _TAKERS.get(type(event))
        if take is not None:
            with self._lock:
                take(self, event)

    def snapshot(self) -> Snapshot:
        """Everything known now."""
        readings = [reading for source in self._sources for reading in _read(source)]
        with self._lock:  # not while the sources are asked: they may have to wait
            for name, value, labels in readings:
                self._series.set(name, value, *labels)
            return self._series.snapshot()

    def _started(self, event: Started) -> None:
        series = self._series
        series.set("workers_wanted", event.workers)
        series.set("workers_healthy", event.workers)
        series.add("checkpoints_damaged_total", event.damaged_checkpoints)
        self._accounted_to = time.monotonic()
        if event.best_completion is not None:
            series.set("best_evaluation_completion_ratio", event.best_completion)
        if event.best_lap_s is not None:
            series.set("best_lap_time_seconds", event.best_lap_s)

    def _iteration(self, event: IterationDone) -> None:
        series = self._series
        series.add("iterations_total", 1)
        series.set("run_env_steps", event.steps)
        series.set("run_last_iteration_time_seconds", time.time())
        series.set("env_steps_per_second", event.steps_per_s)
        for episode in event.episodes:
            series.add("episodes_total", 1, episode.end_reason)
        self._laps(event.episodes)
        if event.episodes:
            count = len(event.episodes)
            lengths = sum(episode.steps for episode in event.episodes)
            series.set("episode_length_steps", lengths / count)
        if event.return_mean is not None:
            series.set("episode_return", event.return_mean)
        if event.completion_mean is not None:
            series.set("episode_progress_ratio", event.completion_mean)
        for name, metric in LOSSES.items():
            if name in event.losses:
                series.set(metric, event.losses[name])

    def _laps(self, episodes: list[Episode]) -> None:
        times = [episode.lap_time_s for episode in episodes if episode.lap_time_s is not None]
        self._series.observe("lap_time_seconds", *times, labels=("training",))

    def _measured(self, event: Measured) -> None:
        series = self._series
        series.add("env_steps_total", event.iteration_steps)
        series.set("workers_healthy", event.healthy)
        for worker, rollout in event.rollouts.items():
            label = str(worker)
            series.add("worker_env_steps_total", rollout.steps, label)
            series.set("worker_last_fragment_time_seconds", rollout.at, label)
            series.set("worker_memory_bytes", rollout.memory_bytes, label)
            series.set("worker_cpu_seconds_total", rollout.cpu_s, label)
        use = event.reward_use
        series.add("reward_calls_total", use.calls)
        series.add("reward_errors_total", event.reward_errors)
        series.set("reward_call_longest_seconds", use.longest_s)
        if use.calls:
            series.observe("reward_call_seconds", use.seconds / use.calls)
        for phase, seconds in event.phase_s.items():
            self._spent(phase, seconds)
        self._rest_is_other()

    def _spent(self, phase: str, seconds: float) -> None:
        self._series.add("phase_seconds_total", seconds, phase)
        self._phase_s += seconds

    def _rest_is_other(self) -> None:
        """What no phase claims, such as writing traces or waiting for workers to come back."""
        now = time.monotonic()
        rest = now - self._accounted_to - self._phase_s
        self._series.add("phase_seconds_total", max(0.0, rest), "other")
        self._accounted_to, self._phase_s = now, 0.0

    def _evaluated(self, event: Evaluated) -> None:
        series = self._series
        series.add("evaluations_total", 1)
        series.set("evaluation_completion_ratio", event.completion)
        series.set("evaluation_laps_ratio", event.laps / event.trials)
        series.set("evaluation_return", event.return_mean)
        series.observe("lap_time_seconds", *event.lap_times_s, labels=("evaluation",))
        if event.best:
            series.set("best_evaluation_completion_ratio", event.completion)
        if event.lap_times_s:
            before = series.get("best_lap_time_seconds")
            fastest = min(event.lap_times_s)
            series.set("best_lap_time_seconds", min(fastest, before or fastest))
        self._spent("evaluation", event.took_s)

    def _saved(self, event: CheckpointSaved) -> None:
        series, now = self._series, time.time()
        series.add("checkpoints_total", 1)
        series.set("checkpoint_last_time_seconds", now)
        series.set("checkpoint_size_bytes", event.size_bytes)
        series.set("checkpoint_duration_seconds", event.took_s)
        if event.best:
            series.set("checkpoint_best_time_seconds", now)
        self._spent("checkpoint", event.took_s)

    def _lost(self, event: WorkerLost) -> None:
        self._series.add("worker_losses_total", 1)
        self._series.set("workers_healthy", event.left)
        self._series.remove("worker_memory_bytes", str(event.worker))

    def _restored(self, event: WorkerRestored) -> None:
        self._series.add("worker_restarts_total", 1)
        self._series.set("workers_healthy", event.healthy)

    def _ended(self, event: Ended) -> None:
        self._rest_is_other()
        self._series.set("run_ended", 1, event.reason)


def _read(source: Source) -> list[Reading]:
    """What a source says; nothing if it cannot, which must not hide the others."""
    try:
        return list(source())
    except Exception:
        logger.debug("a source of metrics failed", exc_info=True)
        return []


_TAKERS: dict[type[Any], Callable[[RunMetrics, Any], None]] = {
    Started: RunMetrics._started,
    IterationDone: RunMetrics._iteration,
    Measured: RunMetrics._measured,
    Evaluated: RunMetrics._evaluated,
    CheckpointSaved: RunMetrics._saved,
    WorkerLost: RunMetrics._lost,
    WorkerRestored: RunMetrics._restored,
    Ended: RunMetrics._ended,
}
