"""How soon the real command learns to lap: seconds and steps, start-up and imports included."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hairpin.bench.machine import describe
from hairpin.bench.training_run import TrainingRun, run_training
from sim.tracks import names

COMPLETION_GOAL = 0.95
ROUTES_VARIABLE = "HAIRPIN_TEST_ROUTES"
REFERENCE_ROUTE = "reinvent_base.npy"

# What is trained, whatever the defaults of a job may become.
JOB = {
    "reward": "centre_line",
    "actions": {
        "type": "discrete",
        "steering_deg": [-30.0, -15.0, 0.0, 15.0, 30.0],
        "speed_mps": [1.0, 2.0],
    },
}


@dataclass(frozen=True)
class Learned:
    """One training; a figure is None if its event did not happen in time."""

    track: str
    """Name of the track or of the route file."""
    seed: int
    """Of the training."""
    startup_s: float | None
    """Until the first env step."""
    first_lap_s: float | None
    """Until a car completed a lap for the first time, exploring."""
    first_lap_steps: int | None
    """Env steps until then."""
    seconds_to_95: float | None
    """Until a greedy evaluation from 20 starts completed 95 % of the lap on average."""
    steps_to_95: int | None
    """Env steps until then."""
    completion: float | None
    """Of the last greedy evaluation, 0 to 1."""
    steps_per_s: float | None
    """Over all iterations."""
    peak_rss_mb: float
    """MiB of the whole process tree; a page that processes share counts once."""


@dataclass(frozen=True)
class LearnResult:
    """All trainings. All seconds count from the start of the command."""

    first_lap_s: float | None
    """The latest first lap of all trainings; None if one had none. So the other figures."""
    first_lap_steps: int | None
    """Env steps until then."""
    seconds_to_95: list[float | None]
    """Of each training."""
    steps_to_95: list[int | None]
    """Of each training."""
    startup_s: float | None
    """The slowest start."""
    peak_rss_mb: float
    """The largest training."""
    runs: list[Learned]
    """Each training."""
    machine: dict[str, object]


def run(
    tracks: Sequence[str],
    seeds: Sequence[int],
    *,
    minutes: float = 4.0,
    report: Callable[[Learned], None] = lambda learned: None,
) -> LearnResult:
    """Trains every track with every seed, one after the other, until 95 % or the time is up.

    Args:
        tracks: Names of tracks or paths of route files.
        seeds: Of the trainings.
        minutes: At most, of training.
        report: Told each training when it is done.

    Raises:
        UserError: A track does not exist, or the command failed.
    """
    runs = []
    for track in tracks:
        for seed in seeds:
            learned = learn(track, seed, minutes)
            runs.append(learned)
            report(learned)
    return LearnResult(
        first_lap_s=_worst([r.first_lap_s for r in runs]),
        first_lap_steps=_worst([r.first_lap_steps for r in runs]),
        seconds_to_95=[r.seconds_to_95 for r in runs],
        steps_to_95=[r.steps_to_95 for r in runs],
        startup_s=_worst([r.startup_s for r in runs]),
        peak_rss_mb=max(r.peak_rss_mb for r in runs),
        runs=runs,
        machine=describe("hairpin", "ray", "torch", "pybullet", "numpy"),
    )


def learn(track: str, seed: int, minutes: float) -> Learned:
    """One training, until 95 % or the time is up."""
    stop = {"minutes": minutes, "until": f"completion={COMPLETION_GOAL}"}
    training = run_training({**JOB, "track": track, "seed": seed, "stop": stop})
    return summarise(training, Path(track).stem if track.endswith(".npy") else track, seed)


def summarise(training: TrainingRun, track: str, seed: int) -> Learned:
    """Finds the moments that count in the events of a training."""
    started, first_laps = training.named("started"), training.named("first_lap")
    evaluated, results = training.named("evaluated"), training.named("result")
    good = [event for event in evaluated if event.record["completion"] >= COMPLETION_GOAL]
    return Learned(
        track=track,
        seed=seed,
        startup_s=started[0].time_s if started else None,
        first_lap_s=first_laps[0].time_s if first_laps else None,
        first_lap_steps=first_laps[0].record["steps"] if first_laps else None,
        seconds_to_95=good[0].time_s if good else None,
        steps_to_95=good[0].record["steps"] if good else None,
        completion=evaluated[-1].record["completion"] if evaluated else None,
        steps_per_s=results[-1].record["steps_per_s"] if results else None,
        peak_rss_mb=training.peak_rss_mb,
    )


def choose_tracks(asked: Sequence[str]) -> list[str]:
    """The tracks to train: those asked for; ``all`` are ours and those of $HAIRPIN_TEST_ROUTES.

    Without any, reinvent_base.npy of that folder if it is there, else the default track of a job.
    """
    folder = os.environ.get(ROUTES_VARIABLE)
    routes = sorted(Path(folder).resolve().glob("*.npy")) if folder else []
    if list(asked) == ["all"]:
        return [*names(), *map(str, routes)]
    if asked:
        return list(asked)
    reference = [str(route) for route in routes if route.name == REFERENCE_ROUTE]
    return reference or ["hairpin"]


def _worst(values: Sequence[Any]) -> Any:
    return None if None in values else max(values)
