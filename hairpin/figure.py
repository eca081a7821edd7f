"""``training.png``: how return, completion and lap time went, against steps and against time."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from hairpin.history import Curves, Series
from hairpin.numbers import short_count

PAPER, PANEL, INK, FAINT, GRID = "#f7f5ef", "#ffffff", "#23262b", "#6d7178", "#e4e1d8"
EXPLORING, GREEDY, BEST = "#5b8fb9", "#d1495b", "#edae49"
RIGHT_MARGIN = 1.02  # of the axis beyond the last point
SMOOTH_OVER = 0.05  # the bold line is a running mean over this share of the iterations


def draw_training(curves: Curves, *, title: str, note: str = "") -> bytes:
    """Draws three rows (return, completion, lap time) in two columns (steps, time).

    Args:
        curves: What the history of a run says.
        title: The headline.
        note: A line under it.

    Returns:
        A PNG.
    """
    figure = Figure(figsize=(11.5, 9.0), dpi=110, facecolor=PAPER)
    FigureCanvasAgg(figure)
    axes = figure.subplots(3, 2, sharex="col", sharey="row", squeeze=False)
    figure.subplots_adjust(
        left=0.075, right=0.975, top=0.868, bottom=0.075, wspace=0.06, hspace=0.14
    )
    figure.text(0.075, 0.965, title, fontsize=17, weight="bold", color=INK, va="center")
    figure.text(0.075, 0.928, note, fontsize=10.5, color=FAINT, va="center")
    for column, against in enumerate(("steps", "seconds")):
        _returns(axes[0][column], curves, against)
        _completion(axes[1][column], curves, against)
        _lap_times(axes[2][column], curves, against)
        for row in range(3):
            _dress(axes[row][column])
            _mark_first_lap(axes[row][column], curves, against, label=row == 0 and column == 0)
    for row, name in enumerate(("return of an episode", "completion, %", "lap time, s")):
        axes[row][0].set_ylabel(name, color=INK, fontsize=10.5)
    figure.align_ylabels()
    _step_axis(axes[2][0], curves)
    _time_axis(axes[2][1], curves)
    handles, labels = _legend(axes)
    figure.legend(
        handles,
        labels,
        loc="center right",
        bbox_to_anchor=(0.98, 0.888),
        ncols=len(labels),
        frameon=False,
        fontsize=9.5,
        labelcolor=INK,
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor=PAPER)
    return buffer.getvalue()


def smoothed(values: NDArray[np.float64], over: int) -> NDArray[np.float64]:
    """Running mean (n,) over up to `over` values up to each; NaN where there is none."""
    known = np.isfinite(values)
    total = np.cumsum(np.where(known, values, 0.0))
    count = np.cumsum(known)
    total[over:] -= total[:-over].copy()
    count[over:] -= count[:-over].copy()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(count > 0, total / count, np.nan))


def _returns(axes: Axes, curves: Curves, against: str) -> None:
    _line_with_mean(axes, curves.returns, against)


def _completion(axes: Axes, curves: Curves, against: str) -> None:
    _line_with_mean(axes, curves.completion, against, scale=100.0)
    greedy = curves.greedy_completion
    axes.plot(
        greedy.against(against),
        100.0 * greedy.values,
        color=GREEDY,
        linewidth=2.0,
        marker="o",
        markersize=4.5,
        label="greedy evaluation",
        zorder=4,
        clip_on=False,
    )
    best = curves.best_evaluation
    if best is not None:
        axes.plot(
            greedy.against(against)[best],
            100.0 * greedy.values[best],
            marker="*",
            markersize=17,
            color=BEST,
            markeredgecolor=INK,
            markeredgewidth=0.7,
            linestyle="none",
            label="best policy",
            zorder=5,
            clip_on=False,
        )
    axes.set_ylim(0.0, 103.0)
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _lap_times(axes: Axes, curves: Curves, against: str) -> None:
    laps, greedy = curves.laps, curves.greedy_laps
    axes.plot(
        laps.against(against),
        laps.values,
        color=EXPLORING,
        marker=".",
        markersize=5.0,
        alpha=0.4,
        linestyle="none",
        markeredgewidth=0,
        zorder=2,
    )
    axes.plot(
        greedy.against(against),
        greedy.values,
        color=GREEDY,
        linewidth=2.0,
        marker="o",
        markersize=4.5,
        zorder=4,
    )
    everything = np.concatenate([laps.values, greedy.values])
    everything = everything[np.isfinite(everything)]
    if not len(everything):
        axes.text(
            0.5, 0.5, "no lap yet", transform=axes.transAxes, ha="center", color=FAINT, fontsize=11
        )
        axes.set_yticks([])
        return
    low, high = everything.min(), np.percentile(everything, 99.0)
    margin = max(0.08 * (high - low), 0.2)
    axes.set_ylim(low - margin, high + margin)


def _line_with_mean(axes: Axes, series: Series, against: str, scale: float = 1.0) -> None:
    x, values = series.against(against), scale * series.values
    axes.plot(x, values, color=EXPLORING, linewidth=0.9, alpha=0.35, zorder=2)
    over = max(1, round(SMOOTH_OVER * len(values)))
    mean = smoothed(values, over)
    axes.plot(x, mean, color=EXPLORING, linewidth=2.0, label="exploring", zorder=3)


def _mark_first_lap(axes: Axes, curves: Curves, against: str, *, label: bool) -> None:
    if curves.first_lap is None:
        return
    steps, seconds = curves.first_lap
    axes.axvline(
        steps if against == "steps" else seconds,
        color=INK,
        linewidth=1.0,
        linestyle=(0, (4, 3)),
        alpha=0.55,
        label="first lap" if label else None,
        zorder=1,
    )


def _dress(axes: Axes) -> None:
    axes.set_facecolor(PANEL)
    axes.grid(True, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(colors=FAINT, labelsize=9, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)


def _step_axis(axes: Axes, curves: Curves) -> None:
    axes.set_xlim(0.0, RIGHT_MARGIN * max(1, curves.last_step))
    axes.set_xlabel("environment steps", color=INK, fontsize=10.5)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_count(value)))


def _time_axis(axes: Axes, curves: Curves) -> None:
    axes.set_xlim(0.0, RIGHT_MARGIN * max(1.0, curves.last_second))
    in_minutes = curves.last_second > 300.0
    axes.set_xlabel(f"time, {'min' if in_minutes else 's'}", color=INK, fontsize=10.5)
    if in_minutes:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / 60.0:g}"))
        axes.xaxis.set_major_locator(_minute_ticks(curves.last_second))


def _minute_ticks(last_s: float) -> Any:
    from matplotlib.ticker import MultipleLocator

    for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 240):
        if last_s / (60.0 * minutes) <= 8:
            return MultipleLocator(60.0 * minutes)
    return MaxNLocator(8)


def _legend(axes: Any) -> tuple[list[Any], list[str]]:
    found: dict[str, Any] = {}
    for row in range(3):
        for handle, label in zip(*axes[row][0].get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    names: list[str] = ["exploring", "greedy evaluation", "best policy", "first lap"]
    order = [name for name in names if name in found]
    return [found[name] for name in order], order
