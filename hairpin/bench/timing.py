"""Rates, taken so that two of them can be compared on a machine that is not quiet."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping

# Does some work and returns how much it was.
Work = Callable[[], int]

WARM_UP_S = 0.3


def rate(work: Work, seconds: float) -> float:
    """Repeats some work and tells how much of it was done a second.

    Args:
        work: What to repeat.
        seconds: For how long; the last call is finished.
    """
    count = 0
    began = time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds or not count:
        count += work()
    return count / elapsed


def warm_up(works: Iterable[Work], seconds: float = WARM_UP_S) -> None:
    """Does each work for a while, so that compilation and cold caches are not measured."""
    for work in works:
        rate(work, seconds)


def interleaved(works: Mapping[str, Work], rounds: int, seconds: float) -> dict[str, list[float]]:
    """Measures several works in turn, `rounds` times over.

    Args:
        works: What to measure, by name.
        rounds: How often each is measured.
        seconds: How long each time.

    Returns:
        The rates of each round, by name.
    """
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            rates[name].append(rate(work, seconds))
    return rates


def median_ratio(rates: Mapping[str, list[float]], above: str, below: str) -> float:
    """The median over the rounds of one rate to another of the same round."""
    return statistics.median(a / b for a, b in zip(rates[above], rates[below], strict=True))
