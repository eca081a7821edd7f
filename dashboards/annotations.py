"""Marks in the graphs of all dashboards: when something happened to a run."""

from __future__ import annotations

from dataclasses import dataclass

from dashboards.panels import BLUE, GREEN, GREY, RED, gauge, series


@dataclass(frozen=True)
class Annotation:
    """A kind of mark.

    Attributes:
        name: What the switch at the top of the dashboard says.
        expr: PromQL; a mark wherever its value is above zero.
        color: Colour of the marks.
        text: What a mark says, with ``{{label}}``.
        value_is_time: Whether the value is the mark's time, in milliseconds, which is exact;
            otherwise it is the time of the sample.
        step: Distance between samples; marks that are nearer to each other become one.
        frequent: Whether there are so many of them that most dashboards open without.
    """

    name: str
    expr: str
    color: str
    text: str
    value_is_time: bool = True
    step: str = "10s"
    frequent: bool = False


ANNOTATIONS = (
    Annotation(
        "Started",
        f"1000 * {gauge('run_start_time_seconds')}",
        GREY,
        "{{run}} started or resumed",
    ),
    Annotation(
        "Ended",
        f"{gauge('run_ended', 'reason')} unless on (run) {series('run_ended')} offset 30s",
        GREY,
        "{{run}} ended: {{reason}}",
        value_is_time=False,
    ),
    Annotation(
        "Best policy",
        f"1000 * {gauge('checkpoint_best_time_seconds')}",
        GREEN,
        "{{run}} drives better than ever",
    ),
    Annotation(
        "Worker lost",
        f"sum by (run) (increase({series('worker_losses_total')}[1m])) > 0",
        RED,
        "{{run}} lost a rollout worker",
        value_is_time=False,
        step="1m",
    ),
    Annotation(
        "Checkpoint",
        f"1000 * {gauge('checkpoint_last_time_seconds')}",
        BLUE,
        "Checkpoint of {{run}}",
        frequent=True,
    ),
)
