"""Training steps a second with traces and metrics written, against without."""

from __future__ import annotations

import contextlib
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hairpin.bench.machine import describe
from hairpin.bench.timing import Work, median_ratio, rate, warm_up
from hairpin.bench.trainings import on_threads, ray_for, training
from hairpin.deepracer.recorder import Recorder
from hairpin.job import validate_job
from learner.config import build_config
from learner.events import Driven
from storage import Run, open_store

WITH, WITHOUT = "with traces", "without"


@dataclass(frozen=True)
class TracesResult:
    """Rates of both, and how they compare."""

    ratio: float
    """With traces of every step and metrics of every episode, to without any."""
    rates: dict[str, float]
    """Median training steps a second of both."""
    written_mb: float
    """What was written meanwhile, MB."""
    rounds: int
    """How often each was measured; rates and ratio are medians over the rounds."""
    machine: dict[str, object]


def run(
    *,
    rounds: int = 26,
    seconds: float = 2.0,
    report: Callable[[str], None] = lambda doing: None,
) -> TracesResult:
    """Trains the default job both ways in turn, several times over.

    Args:
        rounds: How often each is measured.
        seconds: How long each time; an iteration that was begun is finished.
        report: Told what is being done.
    """
    job = validate_job({"trace": {"max_mb": 1e6}}, lambda way: "the benchmark")
    settings = job.train_settings()
    untraced = settings.model_copy(
        update={"trace": settings.trace.model_copy(update={"enabled": False})}
    )
    with contextlib.ExitStack() as stack:
        report("starting Ray and building both")
        stack.enter_context(ray_for(settings, workers=2 * settings.workers))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hairpin-bench-"))
        kept = Run.create(open_store(folder), "run", {})
        recorder = stack.enter_context(Recorder(job, kept, say=report))
        works: dict[str, Work] = {}
        for name, one in ((WITH, settings), (WITHOUT, untraced)):
            algorithm = build_config(one).build_algo()
            stack.callback(algorithm.stop)
            work = _recorded(algorithm, recorder) if name == WITH else training(algorithm)
            works[name] = on_threads(1, work)
        report("warming up")
        warm_up(works.values())
        report(f"measuring {rounds} rounds")
        rates: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(rounds):
            for name, work in works.items():
                rates[name].append(rate(work, seconds))
                recorder.wait()  # or the other would be held up by what is still to be written
        written = sum(kept.size_of(name) for name in kept.tree())
    return TracesResult(
        ratio=median_ratio(rates, WITH, WITHOUT),
        rates={name: statistics.median(values) for name, values in rates.items()},
        written_mb=written / 1e6,
        rounds=rounds,
        machine={**describe("hairpin", "ray", "torch", "numpy"), "workers": settings.workers},
    )


def _recorded(algorithm: Any, recorder: Recorder) -> Work:
    train = training(algorithm)

    def work() -> int:
        steps = train()
        last = algorithm.last
        at = (algorithm.iterations, algorithm.steps, 0.0)
        recorder.note(Driven(*at, "training", last.driven, last.losses))
        return steps

    return work
