"""Training steps a second with the reward function in its own process, against in the worker's."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hairpin.bench.inline_reward import InlineReward
from hairpin.bench.machine import describe
from hairpin.bench.timing import interleaved, median_ratio, warm_up
from hairpin.bench.trainings import on_threads, ray_for, training
from hairpin.job import Job
from learner.config import build_config
from sim.settings import WorldSettings
from sim.world import World

PROCESS, INLINE = "in its own process", "in the worker's process"


@dataclass(frozen=True)
class RewardResult:
    """Rates of both, and how they compare."""

    ratio: float
    """With the reward function in its own process, to calling it in the worker's."""
    rates: dict[str, float]
    """Median training steps a second of both."""
    rounds: int
    """How often each was measured; rates and ratio are medians over the rounds."""
    machine: dict[str, object]


def run(
    *,
    reward: str | None = None,
    rounds: int = 5,
    seconds: float = 3.0,
    report: Callable[[str], None] = lambda doing: None,
) -> RewardResult:
    """Trains the default job both ways in turn, several times over.

    Args:
        reward: Another reward function than the default job's.
        rounds: How often each is measured.
        seconds: How long each time; an iteration that was begun is finished.
        report: Told what is being done.

    Raises:
        UserError: The reward function is not usable.
    """
    job = Job() if reward is None else Job(reward=reward)
    settings = job.train_settings()
    with contextlib.ExitStack() as stack:
        report("starting Ray and building both")
        stack.enter_context(ray_for(settings, workers=2 * settings.workers))
        works = {}
        for name, factory in ((PROCESS, None), (INLINE, inline_world)):
            algorithm = build_config(settings, world_factory=factory).build_algo()
            stack.callback(algorithm.stop)
            works[name] = on_threads(1, training(algorithm))
        report("warming up")
        warm_up(works.values())
        report(f"measuring {rounds} rounds")
        rates = interleaved(works, rounds, seconds)
    return RewardResult(
        ratio=median_ratio(rates, PROCESS, INLINE),
        rates={name: statistics.median(values) for name, values in rates.items()},
        rounds=rounds,
        machine={**describe("hairpin", "ray", "torch", "numpy"), "workers": settings.workers},
    )


def inline_world(settings: WorldSettings, *, num_cars: int, seed: int) -> Any:
    """A world that calls the reward function in this process."""
    return World(settings, num_cars=num_cars, seed=seed, reward=InlineReward)
