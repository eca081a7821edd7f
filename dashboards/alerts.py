"""What an alert is, and the expressions that several of them share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

RUNBOOKS = "https://github.com/hairpin-rl/hairpin/blob/main/dashboards/RUNBOOKS.md"

NOT_ENDED = "unless on (run) hairpin_run_ended == 1"
"""Ends an expression: a run that has ended is not to alarm anybody."""


@dataclass(frozen=True)
class Alert:
    """A rule of Prometheus and what to do when it fires.

    Attributes:
        name: CamelCase, begins with Hairpin.
        expr: PromQL; fires for every series it gives.
        wait: How long it must hold before it fires.
        severity: critical: work is lost or stands still, look now; warning: look today; info.
        summary: One line, with Prometheus' templates.
        meaning: What has happened, and what goes on nevertheless.
        steps: What to do, in this order.
    """

    name: str
    expr: str
    wait: str
    severity: Literal["critical", "warning", "info"]
    summary: str
    meaning: str
    steps: tuple[str, ...]

    @property
    def runbook(self) -> str:
        """The steps, numbered, one a line."""
        return "\n".join(f"{number}. {step}" for number, step in enumerate(self.steps, 1))

    @property
    def runbook_url(self) -> str:
        """Its place on the page of all runbooks."""
        return f"{RUNBOOKS}#{self.name.lower()}"


def by_run(metric: str) -> str:
    """A gauge, whichever exporter tells it."""
    return f"max by (run) ({metric})"


def gained(metric: str, window: str, *by: str) -> str:
    """How much a counter grew in a window."""
    return f"sum by ({', '.join(('run', *by))}) (increase({metric}[{window}]))"


def since_start_or(time_metric: str) -> str:
    """The time that a gauge tells; the run's start if it tells none since then."""
    start = "hairpin_run_start_time_seconds"
    return by_run(f"{time_metric} > {start} or {start}")
