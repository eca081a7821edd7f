"""What a dashboard consists of, as plain data: rows of panels, each of queries.

Nothing here knows Grafana's JSON; `dashboards.grafana_json` writes that. So what is shown and why
reads in one piece, and needs no package beside Python.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from dashboards.catalog import BY_NAME, PREFIX

GRID_WIDTH = 24  # columns of Grafana's grid
JOB = 'job=~".*hairpin.*"'
"""Matches the scrape job of Hairpin's endpoint, also with a namespace before it."""

# Okabe and Ito's colours, which people with any kind of colour vision tell apart.
BLUE = "#0072B2"
SKY = "#56B4E9"
GREEN = "#009E73"
ORANGE = "#E69F00"
RED = "#D55E00"
PURPLE = "#CC79A7"
YELLOW = "#F0E442"
GREY = "#8C8C8C"

Threshold = tuple[float, str]


@dataclass(frozen=True)
class Query:
    """One query of a panel.

    Attributes:
        expr: PromQL, with Grafana's variables.
        legend: Name of its series, with ``{{label}}``; a column's name in a table.
        color: Fixed colour of its series; by default one of the palette for each.
        dashed: Whether its lines are dashed: limits, wishes and bests.
        unit: Of a table's column, where it differs from the panel's.
        thresholds: Colours of a table's column by its value.
    """

    expr: str
    legend: str = ""
    color: str | None = None
    dashed: bool = False
    unit: str | None = None
    thresholds: tuple[Threshold, ...] = ()


@dataclass(frozen=True)
class Panel:
    """One panel.

    Attributes:
        title: Unique in its dashboard.
        description: What it shows and how to read it.
        unit: Grafana's identifier of the unit.
        queries: What it asks for.
        kind: How it is drawn.
        width: Columns of `GRID_WIDTH`.
        height: Rows of the grid, of 30 pixels each.
        minimum: Where the axis begins.
        maximum: Where the axis ends.
        decimals: Digits behind the point; as many as are needed by default.
        thresholds: (value, colour) from the lowest up; the first holds below the second.
        stack: Whether series stand on each other, as they are or as parts of 100 %.
        log: Whether the axis is logarithmic.
        bars: Whether values are bars: events, where a line would suggest more than was measured.
        steps: Whether a value holds until the next: counts and states.
        names: Whether a stat shows its series' names instead of their values.
        no_value: Text of a stat that has no value yet.
        texts: (value, text, colour) of values that a stat shows as words.
        colors: (name, colour) of series that one query gives several of.
        repeat: Variable for whose values the panel is repeated.
        link: Dashboard to which a table's first column leads, with that run.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    kind: Literal["timeseries", "stat", "table", "heatmap"] = "timeseries"
    width: int = 8
    height: int = 8
    minimum: float | None = None
    maximum: float | None = None
    decimals: int | None = None
    thresholds: tuple[Threshold, ...] = ()
    stack: Literal["normal", "percent"] | None = None
    log: bool = False
    bars: bool = False
    steps: bool = False
    names: bool = False
    no_value: str | None = None
    texts: tuple[tuple[str, str, str], ...] = ()
    colors: tuple[tuple[str, str], ...] = ()
    repeat: str | None = None
    link: str | None = None


@dataclass(frozen=True)
class Stat(Panel):
    """A panel that says what is now in large figures; several stand side by side above the rows."""

    kind: Literal["timeseries", "stat", "table", "heatmap"] = "stat"
    width: int = 3
    height: int = 4


@dataclass(frozen=True)
class Row:
    """Panels under a heading.

    Attributes:
        title: The heading; empty for panels that stand above all rows.
        panels: From left to right, then down.
        collapsed: Whether it is closed at first: figures that only some installations have.
    """

    title: str
    panels: tuple[Panel, ...]
    collapsed: bool = False


@dataclass(frozen=True)
class Dashboard:
    """One dashboard.

    Attributes:
        uid: Stable identifier, which addresses and links use.
        title: Its name.
        description: What it is for.
        rows: Its panels.
        since: Beginning of the time range it opens with, for example ``now-1h``.
        all_runs: Whether it opens with all runs instead of the newest.
        checkpoint_marks: Whether every checkpoint is marked from the start.
    """

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]
    since: str = "now-1h"
    all_runs: bool = False
    checkpoint_marks: bool = False


def series(name: str, **labels: str) -> str:
    """The selector of a metric of the catalogue, named without its prefix, for the chosen runs.

    Raises:
        KeyError: The catalogue has no such metric.
    """
    whole = PREFIX + name
    for ending in ("_bucket", "_sum", "_count"):
        if whole not in BY_NAME and whole.endswith(ending):
            assert BY_NAME[whole.removesuffix(ending)].kind == "histogram", name
            break
    else:
        BY_NAME[whole]
    matchers = ['run=~"$run"', *(f'{label}="{value}"' for label, value in labels.items())]
    return f"{whole}{{{','.join(matchers)}}}"


def gauge(name: str, *by: str, **labels: str) -> str:
    """A gauge by run and the labels `by`; one series even when the exporter has moved."""
    return f"max by ({', '.join(('run', *by))}) ({series(name, **labels)})"


def of_participants(name: str) -> str:
    """A metric of a workshop's queue, which is no run's, by participant."""
    return f"max by (tenant) ({BY_NAME[PREFIX + name].name})"


def rate(name: str, *by: str, **labels: str) -> str:
    """A counter's increase per second, by run and the labels `by`."""
    return _over_time("rate", name, ("run", *by), labels)


def increase(name: str, *by: str, **labels: str) -> str:
    """A counter's increase between two points of the graph, by run and the labels `by`."""
    return _over_time("increase", name, ("run", *by), labels)


def rate_of_all(name: str, *by: str, **labels: str) -> str:
    """A counter's increase per second over all chosen runs, by the labels `by`."""
    return _over_time("rate", name, by, labels)


def age(name: str, *by: str) -> str:
    """Seconds since the time that a gauge tells."""
    return f"time() - {gauge(name, *by)}"


def _over_time(function: str, name: str, by: tuple[str, ...], labels: dict[str, str]) -> str:
    return f"sum by ({', '.join(by)}) ({function}({series(name, **labels)}[$__rate_interval]))"
