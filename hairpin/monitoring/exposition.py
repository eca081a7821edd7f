"""Snapshots of several runs as one page in Prometheus' format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from hairpin.monitoring.series import Family, Snapshot

_KINDS: dict[str, Callable[..., Metric]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}


def page(runs: Mapping[str, Snapshot], accept: str = "") -> tuple[bytes, str]:
    """Writes the snapshots of runs, each with its label ``run``.

    Args:
        runs: By the label's value.
        accept: What the reader takes, as in HTTP's header.

    Returns:
        The page, and its content type.
    """
    encode, content_type = choose_encoder(accept)
    return encode(_Collected(runs)), content_type


class _Collected(Collector):
    def __init__(self, runs: Mapping[str, Snapshot]) -> None:
        self._runs = runs

    def collect(self) -> Iterable[Metric]:
        found: dict[str, Metric] = {}
        shapes: dict[str, tuple[str, tuple[str, ...]]] = {}
        for run, snapshot in self._runs.items():
            for family in snapshot:
                name, shape = family["name"], (family["kind"], family["labels"])
                if name not in found:
                    shapes[name] = shape
                    labels = ["run", *family["labels"]]
                    found[name] = _KINDS[family["kind"]](name, family["help"], labels=labels)
                # A training by another version of Hairpin may mean something else by the name.
                if shapes[name] == shape:
                    _add(found[name], run, family)
        return found.values()


def _add(metric: Metric, run: str, family: Family) -> None:
    for labels, value in family["samples"]:
        values = [run, *labels]
        if isinstance(value, tuple):
            buckets, total = value
            assert isinstance(metric, HistogramMetricFamily)
            metric.add_metric(values, buckets=buckets, sum_value=total)
        else:
            assert isinstance(metric, CounterMetricFamily | GaugeMetricFamily)
            metric.add_metric(values, value)
