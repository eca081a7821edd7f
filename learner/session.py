"""A training run from start to end: iterate, evaluate, keep, report, stop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from learner.cluster import Cluster
from learner.events import (
    CheckpointSaved,
    Driven,
    DrivenEpisodes,
    Ended,
    Evaluated,
    Event,
    FirstLap,
    IterationDone,
    Measured,
    Result,
    Started,
    WorkerLost,
    WorkerRestored,
)
from learner.progress import Progress
from learner.reward_watch import RewardWatch, too_many_failures
from learner.schedule import EvaluationSchedule
from learner.settings import TrainSettings
from learner.startup import build_algorithm
from rollout_workers.network import NETWORKS
from sim.episode import best_of
from sim.settings import WorldSettings

if TYPE_CHECKING:
    from learner.ppo import HairpinPPO
    from storage import Run

ALL_WORKERS_DOWN_S = 120.0  # how long to wait for the first to come back
DOWN_POLL_S = 0.5
HASTY = ("stopped", "drained")  # reasons that come from outside


def train(
    settings: TrainSettings,
    run: Run,
    *,
    resume: bool = False,
    clone: Mapping[str, NDArray[np.float32]] | None = None,
    on_event: Callable[[Event], None] = lambda event: None,
    should_stop: Callable[[], str | None] = lambda: None,
    ray_address: str | None = None,
    began: float | None = None,
    world_factory: Callable[..., Any] | None = None,
) -> Result:
    """Trains until a stop rule holds, and keeps the latest and the best policy.

    Args:
        settings: What to train.
        run: Where to keep it; this process must be its writer.
        resume: Go on from the run's latest checkpoint.
        clone: Weights to start from, see `learner.state.adopt`; fresh ones by default.
        on_event: Told what happens, in this thread.
        should_stop: Asked between iterations for a reason to end the run with a last checkpoint:
            "stopped" by the user, or "drained" when the machine has to go.
        ray_address: A Ray cluster; None for $RAY_ADDRESS, or Ray on this machine.
        began: `time.time()` from which seconds are counted; now by default.
        world_factory: What the workers step through, instead of `sim.world.World`.

    Raises:
        UserError: The track, the reward function or the settings are not usable.
        StorageError: The store refuses, or no checkpoint is whole.
        FloatingPointError: The loss is not finite.
        RuntimeError: A worker raised, or all of them stay down.
    """
    began = time.time() if began is None else began
    spec = NETWORKS[settings.network]
    cluster = Cluster(
        ray_address,
        cpus=settings.workers + settings.num_learners,
        batch_bytes=settings.iteration_steps * spec.input_shape[0] * spec.input_shape[1],
    )
    cluster.start()
    try:
        algorithm, parts = build_algorithm(settings, cluster, world_factory)
        try:
            if clone is not None:
                from learner.state import adopt

                adopt(algorithm, clone)
            session = Session(settings, run, algorithm, on_event, should_stop, began)
            with session.telling_its_end():
                return session.run_to_end(resume=resume, parts=parts)
        finally:
            algorithm.stop()
    finally:
        cluster.stop()


class Session:
    """The loop of one training run.

    Args:
        settings: What to train.
        run: Where to keep it.
        algorithm: Built, with its workers.
        on_event: Told what happens.
        should_stop: Asked between iterations for a reason to stop.
        began: `time.time()` from which seconds are counted.
    """

    def __init__(
        self,
        settings: TrainSettings,
        run: Run,
        algorithm: HairpinPPO,
        on_event: Callable[[Event], None],
        should_stop: Callable[[], str | None],
        began: float,
    ) -> None:
        self.settings = settings
        self.stop = settings.stop.or_default()
        self.run = run
        self.algorithm = algorithm
        self.progress = Progress()
        self._on_event = on_event
        self._should_stop = should_stop
        self._began = began
        self._schedule = EvaluationSchedule(settings.evaluate.every_s)
        self._saved_at = 0.0
        self._damaged = 0
        self._reward_watch = RewardWatch(settings.workers)

    @property
    def seconds(self) -> float:
        """Since the run was begun, with the time before a resume."""
        return self.progress.seconds_before + time.time() - self._began

    def run_to_end(self, *, resume: bool, parts: dict[str, float]) -> Result:
        """Trains until a stop rule holds."""
        checkpoint = self._resume() if resume else None
        self._emit(self._started(parts, checkpoint))
        self._saved_at = time.monotonic()
        training_began = time.monotonic()
        reason: str | None = None
        error: str | None = None
        while reason is None:
            iteration_done = self._iterate()
            if iteration_done is None:
                reason = self._should_stop()
                break
            error = too_many_failures(self.algorithm.last)
            if iteration_done.steps >= (self.stop.steps or float("inf")):
                reason = "steps"
            if self._evaluation_is_due(iteration_done) and reason is None and error is None:
                reason = self._goal_reached(self._evaluate())
            if self.stop.minutes is not None and reason is None:
                trained_s = self.progress.trained_before_s + time.monotonic() - training_began
                reason = "minutes" if trained_s >= 60.0 * self.stop.minutes else None
            reason = reason or self._should_stop()
            if error is not None:
                reason = "reward"
            self.progress.trained_s = time.monotonic() - training_began
            saved_before_s = time.monotonic() - self._saved_at
            if reason is None and saved_before_s >= self.settings.checkpoint_every_s:
                self._save(best=False)
        return self._finish(reason or "stopped", error)

    @contextlib.contextmanager
    def telling_its_end(self) -> Iterator[None]:
        """Tells that the training has ended if something is raised meanwhile."""
        try:
            yield
        except BaseException as error:
            # Whoever is told may fail in the same way, and what was first is what counts.
            with contextlib.suppress(Exception):
                self._emit(Ended(self.algorithm.steps, self.seconds, _reason(error)))
            raise

    def _iterate(self) -> IterationDone | None:
        """An iteration; None if there is a wish to stop while no worker answers."""
        from learner.ppo import NoSamples

        down_since: float | None = None
        while True:
            try:
                began = time.perf_counter()
                self.algorithm.train()
                break
            except NoSamples as error:
                self._tell_lost()
                if self._should_stop():
                    return None
                now = time.monotonic()
                down_since = down_since or now
                if now - down_since > ALL_WORKERS_DOWN_S:
                    raise RuntimeError("no worker answers any more, and none came back") from error
                time.sleep(DOWN_POLL_S)
        took = time.perf_counter() - began
        self._tell_lost()
        last = self.algorithm.last
        done = self.progress.add(last, self.algorithm, took, self.seconds)
        if self.progress.laps:
            self._note_first_lap()
        self._emit(done)
        self._emit(
            Driven(done.iteration, done.steps, done.seconds, "training", last.driven, done.losses)
        )
        self._emit(self._measured(done, took))
        for event in self._reward_watch.look(last, done.steps, self.seconds):
            self._emit(event)
        return done

    def _measured(self, done: IterationDone, took_s: float) -> Measured:
        last = self.algorithm.last
        return Measured(
            iteration=done.iteration,
            steps=done.steps,
            seconds=done.seconds,
            iteration_steps=last.steps,
            phase_s={phase: share * took_s for phase, share in done.shares.items()},
            rollouts=last.rollouts,
            healthy=self.algorithm.env_runner_group.num_healthy_env_runners(),
            reward_use=last.reward_use,
            reward_errors=sum(error.count for error in last.reward_errors),
        )

    def _note_first_lap(self) -> None:
        """A lap is a lap, whether exploring or in a greedy evaluation."""
        if self.progress.first_lap_s is None:
            self.progress.first_lap_s = self.seconds
            self.progress.first_lap_steps = self.algorithm.steps
            self._emit(FirstLap(self.algorithm.steps, self.seconds))

    def _tell_lost(self) -> None:
        lost = self.algorithm.last.lost_workers
        left = self.algorithm.env_runner_group.num_healthy_env_runners()
        for worker in lost:
            self._emit(WorkerLost(self.algorithm.steps, self.seconds, worker, left))
        self.algorithm.last.lost_workers = []
        for worker in self.algorithm.restored_workers:
            self._emit(WorkerRestored(self.algorithm.steps, self.seconds, worker, left))
        self.algorithm.restored_workers = []

    def _evaluation_is_due(self, done: IterationDone) -> bool:
        if self.progress.first_lap_steps == done.steps:
            return True
        return self._schedule.due(all_laps=self.progress.all_laps)

    def _evaluate(self) -> Evaluated | None:
        count = self.settings.evaluate.starts
        began = time.monotonic()
        trials = self.algorithm.evaluate_greedily(
            [index / count for index in range(count)],
            record=self.settings.recorded_workers is not None,
        )
        took_s = time.monotonic() - began
        self._schedule.done(took_s)
        self._tell_lost()
        if not trials:
            return None
        episodes = [trial.episode for trial in trials]
        times = [e.lap_time_s for e in episodes if e.lap_time_s is not None]
        evaluated = Evaluated(
            iteration=self.algorithm.iterations,
            steps=self.algorithm.steps,
            seconds=self.seconds,
            took_s=took_s,
            completion=sum(e.progress for e in episodes) / (100.0 * len(episodes)),
            laps=len(times),
            trials=len(episodes),
            lap_times_s=times,
            best=False,
            return_mean=sum(e.return_ for e in episodes) / len(episodes),
        )
        if times:
            self._note_first_lap()
        if self.progress.is_best(evaluated, self.settings.evaluate.best_by):
            evaluated = replace(evaluated, best=True)
        self._emit(evaluated)
        worker = min(self.algorithm.episodes_driven, default=0)
        before = self.algorithm.episodes_driven.get(worker, 0)
        shown = trials[best_of(episodes)].recording
        driven = {worker: DrivenEpisodes(before, episodes, [], [], shown)}
        at = (self.algorithm.iterations, self.algorithm.steps, self.seconds)
        self._emit(Driven(*at, "evaluation", driven))
        if evaluated.best:
            self._save(best=True)
        return evaluated

    def _goal_reached(self, evaluated: Evaluated | None) -> str | None:
        goal = self.stop.goal
        if evaluated is None or goal is None:
            return None
        what, number = goal
        if what == "completion":
            return "goal" if evaluated.completion >= number else None
        return "goal" if min(evaluated.lap_times_s, default=float("inf")) <= number else None

    def _finish(self, reason: str, error: str | None) -> Result:
        progress = self.progress
        if reason in HASTY:  # whoever is asked to end may be killed before he has evaluated
            self._save_what_is_new()
        fresh = progress.evaluated is not None and progress.evaluated[0] == self.algorithm.steps
        if error is None and reason != "drained" and not fresh:
            self._evaluate()
        self._save_what_is_new()
        self._emit(Ended(self.algorithm.steps, self.seconds, reason))
        return Result(
            run=self.run.name,
            folder=self.run.url,
            steps=self.algorithm.steps,
            seconds=self.seconds,
            steps_per_s=progress.steps_per_s,
            first_lap_s=progress.first_lap_s,
            first_lap_steps=progress.first_lap_steps,
            completion=progress.best_completion,
            best_lap_s=progress.best_lap_s,
            laps=progress.laps,
            stop_reason=reason,
            error=error,
        )

    def _save_what_is_new(self) -> None:
        if self.progress.saved_steps != self.algorithm.steps:
            self._save(best=False)

    def _save(self, *, best: bool) -> None:
        from learner.state import capture

        began = time.monotonic()
        steps = self.algorithm.steps
        files = capture(self.algorithm, **self.progress.to_dict(self.seconds))
        info = self.run.write_checkpoint(steps, files, self._about())
        if best:
            self.run.set_alias("best", info.name)
        self._saved_at = time.monotonic()
        self.progress.saved_steps = steps
        took_s, size = self._saved_at - began, sum(len(data) for data in files.values())
        self._emit(CheckpointSaved(info.name, steps, self.seconds, best, took_s, size))

    def _about(self) -> dict[str, Any]:
        """What a person or a program wants to know of a checkpoint without opening it."""
        world: WorldSettings = self.settings.world
        completion, lap_s = self.progress.last_evaluation
        return {
            "seconds": self.seconds,
            "track": world.track,
            "network": self.settings.network,
            "actions": world.actions.model_dump(mode="json"),
            "completion": completion,
            "best_lap_s": lap_s,
        }

    def _resume(self) -> str:
        from learner.state import restore

        wanted = self.run.checkpoints.resolve("latest")
        info, files = self.run.read_checkpoint("latest")
        # Names sort by age.
        self._damaged = sum(info.name < n <= wanted for n in self.run.checkpoints.names())
        self.progress = Progress.from_dict(restore(self.algorithm, files))
        return info.name

    def _started(self, parts: dict[str, float], checkpoint: str | None) -> Started:
        threads, precision = self.algorithm.learner_facts()
        progress = self.progress
        return Started(
            seconds=time.time() - self._began,
            parts=parts,
            workers=self.settings.workers,
            threads=threads,
            precision=precision,
            resumed_from=checkpoint,
            best_completion=progress.best_completion,
            best_lap_s=progress.best_lap_s,
            damaged_checkpoints=self._damaged,
        )

    def _emit(self, event: Event) -> None:
        self._on_event(event)


def _reason(error: BaseException) -> str:
    """Why a training ended that raised `error`, as `Ended` says it."""
    if isinstance(error, KeyboardInterrupt):
        return "stopped"
    return "nan" if isinstance(error, FloatingPointError) else "error"
