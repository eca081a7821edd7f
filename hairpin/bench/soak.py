"""Minutes at full speed: does training slow down, does memory grow?"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from hairpin.bench.learn_bench import JOB
from hairpin.bench.machine import describe
from hairpin.bench.memory import Sample
from hairpin.bench.training_run import TimedEvent, run_training
from sim.errors import UserError

MINUTE_S = 60.0


@dataclass(frozen=True)
class SoakResult:
    """How a long training went."""

    steps_per_s: list[float]
    """Training steps a second in each minute, evaluations not counted."""
    change: float
    """Of the slowest minute to the first: -0.05 is 5 % slower."""
    memory_mb: list[float]
    """Mean memory of the process tree in each minute of training, MiB."""
    memory_slope_mb_per_min: float
    """A line through the samples after the first minute of training."""
    memory_growth: float
    """From the second minute to the last: 0.01 is 1 % more."""
    peak_rss_mb: float
    """MiB of the process tree, start-up and end included."""
    machine: dict[str, object]


def run(track: str, minutes: float) -> SoakResult:
    """Trains for a fixed time.

    Args:
        track: Name or path of the track.
        minutes: Of training.

    Raises:
        UserError: Too short to compare minutes, or the command failed.
    """
    if minutes < 3:
        raise UserError("a soak of less than 3 minutes has no minutes to compare", where="--soak")
    training = run_training({**JOB, "track": track, "stop": {"minutes": minutes}})
    began = training.named("started")[0].time_s
    iterations = training.named("iteration_done")
    rates = rates_by_minute(iterations, began)[: int(minutes)]
    memory = [
        Sample(sample.time_s - began, sample.memory_mb)
        for sample in training.memory
        if began <= sample.time_s <= iterations[-1].time_s
    ]
    means = memory_by_minute(memory)[: int(minutes)]
    return SoakResult(
        steps_per_s=rates,
        change=min(rates) / rates[0] - 1.0,
        memory_mb=means,
        memory_slope_mb_per_min=slope([s for s in memory if s.time_s >= MINUTE_S]),
        memory_growth=means[-1] / means[1] - 1.0,
        peak_rss_mb=training.peak_rss_mb,
        machine=describe("hairpin", "ray", "torch", "pybullet", "numpy"),
    )


def rates_by_minute(iterations: Sequence[TimedEvent], began_s: float) -> list[float]:
    """Steps a second in each minute since `began_s`, over the time spent in iterations."""
    steps: dict[int, float] = {}
    seconds: dict[int, float] = {}
    before = 0
    for event in iterations:
        done = event.record["steps"] - before
        before = event.record["steps"]
        minute = int((event.time_s - began_s) / MINUTE_S)
        steps[minute] = steps.get(minute, 0.0) + done
        seconds[minute] = seconds.get(minute, 0.0) + done / event.record["steps_per_s"]
    return [steps[minute] / seconds[minute] for minute in sorted(steps)]


def memory_by_minute(samples: Sequence[Sample]) -> list[float]:
    """Mean MiB in each minute."""
    minutes: dict[int, list[float]] = {}
    for sample in samples:
        minutes.setdefault(int(sample.time_s / MINUTE_S), []).append(sample.memory_mb)
    return [statistics.fmean(minutes[minute]) for minute in sorted(minutes)]


def slope(samples: Sequence[Sample]) -> float:
    """MiB a minute, by least squares."""
    if len(samples) < 2:
        return 0.0
    line = statistics.linear_regression(
        [sample.time_s / MINUTE_S for sample in samples], [sample.memory_mb for sample in samples]
    )
    return line.slope
