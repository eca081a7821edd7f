"""The current values of the catalogue's metrics, and a plain snapshot of them.

A snapshot says everything that Prometheus is to be told, help texts included: whoever serves it
needs no catalogue, so it may be older or newer than the training that it serves.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TypedDict

from dashboards.catalog import BY_NAME, PREFIX, Metric

Buckets = list[tuple[str, float]]
Sample = tuple[tuple[str, ...], float | tuple[Buckets, float]]


class Family(TypedDict):
    """A metric with its values, as plain data.

    Attributes:
        name: As Prometheus shows it; a histogram's without ``_bucket``.
        kind: counter, gauge or histogram.
        help: What it means.
        labels: Names of its labels, without ``run``.
        samples: By the labels' values: a number; or of a histogram the cumulative counts by upper
            bound, "+Inf" last, and the sum of what was observed.
    """

    name: str
    kind: str
    help: str
    labels: tuple[str, ...]
    samples: list[Sample]


Snapshot = list[Family]


@dataclass
class _Histogram:
    counts: list[int]  # by bucket, +Inf last, not cumulative
    total: float = 0.0


@dataclass
class _Values:
    metric: Metric
    numbers: dict[tuple[str, ...], float] = field(default_factory=dict)
    histograms: dict[tuple[str, ...], _Histogram] = field(default_factory=dict)


class Series:
    """Values by metric and labels. Names are the catalogue's without their prefix.

    Every method raises `KeyError` for a name that the catalogue does not have, and `ValueError` if
    the labels are not as many as it says.
    """

    def __init__(self) -> None:
        self._values: dict[str, _Values] = {}

    def set(self, name: str, value: float, *labels: str) -> None:
        """Sets a gauge, or a counter that somebody else counts."""
        self._find(name, labels).numbers[labels] = float(value)

    def add(self, name: str, amount: float, *labels: str) -> None:
        """Adds to a counter; with nothing, it begins to exist."""
        numbers = self._find(name, labels).numbers
        numbers[labels] = numbers.get(labels, 0.0) + float(amount)

    def observe(self, name: str, *values: float, labels: tuple[str, ...] = ()) -> None:
        """Counts values in a histogram; with none, it begins to exist."""
        found = self._find(name, labels)
        bounds = found.metric.buckets
        histogram = found.histograms.setdefault(labels, _Histogram([0] * (len(bounds) + 1)))
        for value in values:
            histogram.counts[bisect_left(bounds, value)] += 1  # a bound belongs to its bucket
            histogram.total += value

    def get(self, name: str, *labels: str) -> float | None:
        """The value of a counter or gauge; None if it has none yet."""
        return self._find(name, labels).numbers.get(labels)

    def remove(self, name: str, *labels: str) -> None:
        """Forgets a value; one that is not there is no error."""
        self._find(name, labels).numbers.pop(labels, None)

    def snapshot(self) -> Snapshot:
        """Everything that has a value, as plain data, in the catalogue's order."""
        families = [_family(self._values[name]) for name in BY_NAME if name in self._values]
        return [family for family in families if family["samples"]]

    def _find(self, name: str, labels: tuple[str, ...]) -> _Values:
        metric = BY_NAME[PREFIX + name]
        if len(labels) != len(metric.labels):
            raise ValueError(f"{metric.name} has the labels {metric.labels}, not {labels}")
        return self._values.setdefault(metric.name, _Values(metric))


def _family(values: _Values) -> Family:
    metric = values.metric
    samples: list[Sample] = list(values.numbers.items())
    for labels, histogram in values.histograms.items():
        buckets: Buckets = []
        count = 0
        bounds = [*(repr(float(bound)) for bound in metric.buckets), "+Inf"]
        for bound, more in zip(bounds, histogram.counts, strict=True):
            count += more
            buckets.append((bound, float(count)))
        samples.append((labels, (buckets, histogram.total)))
    return Family(
        name=metric.name,
        kind=metric.kind,
        help=metric.help,
        labels=metric.labels,
        samples=samples,
    )
