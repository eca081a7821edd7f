"""The page that Prometheus reads."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as parse_openmetrics,
)
from prometheus_client.parser import text_string_to_metric_families as parse

from dashboards.catalog import BY_NAME
from hairpin.monitoring.exposition import page
from hairpin.monitoring.series import Series, Snapshot


@pytest.fixture
def whole() -> Snapshot:
    """A value of every metric there is."""
    series = Series()
    for metric in BY_NAME.values():
        labels = tuple(f"a {name}" for name in metric.labels)
        name = metric.name.removeprefix("hairpin_")
        if metric.kind == "histogram":
            series.observe(name, 0.5, 7.0, labels=labels)
        else:
            series.set(name, 2.5, *labels)
    return series.snapshot()


@pytest.mark.parametrize(
    ("accept", "parser"),
    [("", parse), ("application/openmetrics-text; version=1.0.0", parse_openmetrics)],
)
def test_every_metric_is_there_with_kind_help_and_labels(whole, accept, parser) -> None:
    text, kind = page({"monday": whole, "tuesday": whole}, accept)
    assert ("openmetrics" in kind) == bool(accept)
    families = {family.name: family for family in parser(text.decode())}
    assert len(families) == len(BY_NAME)
    for metric in BY_NAME.values():
        family = families[metric.name.removesuffix("_total")]
        assert (family.type, family.documentation) == (metric.kind, metric.help)
        assert {sample.labels["run"] for sample in family.samples} == {"monday", "tuesday"}
        for sample in family.samples:
            assert set(sample.labels) - {"le"} == {"run", *metric.labels}


def test_names_units_and_help_texts_are_as_prometheus_wants_them(whole, promtool: Path) -> None:
    text, _ = page({'odd "name"\\': whole})
    checked = subprocess.run(
        [promtool, "check", "metrics"], input=text, capture_output=True, check=False
    )
    assert checked.returncode == 0, checked.stderr.decode() + checked.stdout.decode()
    assert not checked.stderr + checked.stdout


def test_another_version_of_a_metric_spoils_nothing(whole) -> None:
    other = [{**family, "labels": ("new",)} for family in whole if family["name"].endswith("_up")]
    for family in other:
        family["samples"] = [(("x",), 1.0)]
    text, _ = page({"monday": whole, "newer": other})
    runs = {s.labels["run"] for f in parse(text.decode()) for s in f.samples}
    assert runs == {"monday"}


def test_nothing_to_say_is_a_page_too() -> None:
    assert page({})[0] == b""
