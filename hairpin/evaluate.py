"""Greedy evaluation of a stored policy: in this process, without Ray and torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hairpin.job import Job
from hairpin.stored_job import job_of
from learner.state import read_weights
from rollout_workers.network import NETWORKS
from rollout_workers.policy import Policy
from sim.episode import best_of
from sim.recording import Recording
from sim.trial import Trial, run_trials, start_points
from sim.world import World
from storage import CheckpointInfo, Run

MAX_CARS = 20  # driven at once


@dataclass(frozen=True)
class Evaluation:
    """What came of driving from several starts.

    Attributes:
        run: The run's name.
        checkpoint: The checkpoint that drove; another than asked for if that one was damaged.
        step: Environment steps it was trained for.
        track: What it drove on.
        camera: What it saw with: fast or deepracer.
        trials: One a start, in the order of the starts.
    """

    run: str
    checkpoint: str
    step: int
    track: str
    camera: str
    trials: list[Trial] = field(repr=False)

    @property
    def completion(self) -> float:
        """Mean progress of the trials, 0 to 1."""
        return sum(trial.episode.progress for trial in self.trials) / 100.0 / len(self.trials)

    @property
    def lap_times_s(self) -> list[float]:
        """Times of the laps that were completed, in the order of the starts."""
        times = (trial.episode.lap_time_s for trial in self.trials)
        return [time for time in times if time is not None]

    @property
    def best_lap_s(self) -> float | None:
        """The fastest of them."""
        return min(self.lap_times_s, default=None)

    @property
    def off_tracks(self) -> int:
        """How many trials ended beside the track."""
        return sum(trial.episode.end_reason == "off_track" for trial in self.trials)

    @property
    def best_recording(self) -> Recording | None:
        """The drive worth showing: the fastest lap, or else the one that came furthest."""
        recorded = [trial for trial in self.trials if trial.recording is not None]
        if not recorded:
            return None
        return recorded[best_of([trial.episode for trial in recorded])].recording

    def as_dict(self) -> dict[str, Any]:
        """Everything but the recordings, as JSON-able values."""
        return {
            "run": self.run,
            "checkpoint": self.checkpoint,
            "step": self.step,
            "track": self.track,
            "starts": len(self.trials),
            "completion": self.completion,
            "laps": len(self.lap_times_s),
            "lap_times_s": self.lap_times_s,
            "best_lap_s": self.best_lap_s,
            "off_tracks": self.off_tracks,
            "trials": [trial.episode.as_dict() for trial in self.trials],
        }


def evaluate_run(
    run: Run, ref: str = "best", *, track: str | None = None, starts: int = 20, record: bool = False
) -> Evaluation:
    """Drives a checkpoint of `run` greedily, once from each of evenly spread starts.

    Args:
        run: The run.
        ref: ``best``, ``latest``, or the name or the steps of a checkpoint.
        track: Another track than the run's.
        starts: How many starts.
        record: Whether to keep what a video needs.

    Raises:
        UserError: The track or the job is not usable.
        StorageError: There is no such checkpoint, or it and those before it are damaged.
    """
    driver = take_driver(run, ref, cars=min(starts, MAX_CARS), track=track)
    try:
        trials = run_trials(driver.world, driver.policy.act, start_points(starts), record=record)
    finally:
        driver.world.close()
    settings, info = driver.world.settings, driver.checkpoint
    return Evaluation(run.name, info.name, info.step, settings.track, settings.camera, trials)


@dataclass(frozen=True)
class Driver:
    """A stored policy and a world to drive it in.

    Attributes:
        job: What the policy was trained by.
        checkpoint: Where it comes from.
        world: To be closed by who took it.
        policy: The policy, greedy.
    """

    job: Job
    checkpoint: CheckpointInfo
    world: World
    policy: Policy


def take_driver(
    run: Run,
    ref: str = "best",
    *,
    cars: int,
    track: str | None = None,
    direction: str | None = None,
    episode_s: float | None = None,
) -> Driver:
    """Reads a checkpoint and makes a world for it.

    Args:
        run: The run.
        ref: ``best``, ``latest``, or the name or the steps of a checkpoint.
        cars: How many cars drive at once.
        track: Another track than the run's.
        direction: Another direction: forward, reversed or alternating.
        episode_s: Another limit of an episode, simulated seconds.

    Raises:
        UserError: The track or the job is not usable.
        StorageError: There is no such checkpoint, or it and those before it are damaged.
    """
    job = job_of(run)
    info, files = run.read_checkpoint(ref)
    changed = {"track": track, "direction": direction, "episode_s": episode_s}
    settings = job.world_settings().model_copy(
        update={key: value for key, value in changed.items() if value is not None}
    )
    world = World(settings, num_cars=cars, seed=job.seed)
    policy = Policy(NETWORKS[job.preset], world.actions.space)
    policy.set_weights(read_weights(files))
    return Driver(job, info, world, policy)
