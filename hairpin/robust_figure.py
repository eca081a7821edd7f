"""``robust.png``: how far a policy came from each start, both ways, with and without noise."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from hairpin.figure import FAINT, INK, PAPER
from hairpin.numbers import lap_time, percent
from hairpin.robust import Condition, Robustness
from sim.track import Track

_ROAD, _KERB = "#d9d5ca", "#b9b4a6"
_SHARES = LinearSegmentedColormap.from_list("share", ["#c1121f", "#edae49", "#2a9d5c"])


def draw_robustness(found: Robustness) -> bytes:
    """Draws a map for each condition: starts by how far they led, and where drives ended.

    Returns:
        A PNG.
    """
    tracks = [Track.load(found.track, reverse=reverse) for reverse in (False, True)]
    xmin, ymin, xmax, ymax = tracks[0].bounds
    aspect = min(max((ymax - ymin) / (xmax - xmin), 0.35), 1.1)
    figure = Figure(figsize=(11.5, 2.0 + 2 * 5.2 * aspect), dpi=110, facecolor=PAPER)
    FigureCanvasAgg(figure)
    high = figure.get_figheight()
    axes: Any = figure.subplots(2, 2)
    figure.subplots_adjust(
        left=0.02, right=0.9, top=1 - 1.15 / high, bottom=0.15 / high, wspace=0.03, hspace=0.16
    )
    for axis, condition in zip(axes.ravel(), found.conditions, strict=True):
        _draw_condition(axis, condition, tracks[condition.reverse])
    figure.text(0.03, 1 - 0.42 / high, found.run, color=INK, fontsize=17, weight="bold")
    note = (
        f"{tracks[0].name}, checkpoint {found.checkpoint}: {percent(found.completion)} of the way "
        "over all starts. Dots are starts, crosses the places where a drive ended."
    )
    figure.text(0.03, 1 - 0.70 / high, note, color=FAINT, fontsize=10)
    bar = figure.colorbar(
        ScalarMappable(Normalize(0, 100), _SHARES), cax=figure.add_axes((0.925, 0.2, 0.013, 0.5))
    )
    bar.outline.set_visible(False)
    bar.set_ticks([0, 25, 50, 75, 100], labels=["0 %", "25 %", "50 %", "75 %", "lap"])
    bar.ax.tick_params(colors=FAINT, length=0, labelsize=9)
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return image.getvalue()


def _draw_condition(axis: Axes, condition: Condition, track: Track) -> None:
    axis.set_aspect("equal")
    axis.axis("off")
    road = np.concatenate([track.left, track.right[::-1]])
    axis.fill(*road.T, color=_ROAD, lw=0)
    for border in (track.inner, track.outer):
        axis.plot(*border.T, color=_KERB, lw=1.0)
    half_m = 0.5 * track.width_m
    for episode in condition.episodes:
        colour = _SHARES(max(episode.progress, 0.0) / 100.0)
        x, y = track.point(episode.start_m)
        axis.plot(x, y, "o", ms=9.5, color=colour, mec="white", mew=1.2, zorder=3)
        if episode.completed:
            continue
        end_m = episode.start_m + episode.progress / 100.0 * track.length_m
        u, v = track.point(end_m)
        axis.plot(u, v, "x", ms=8, color=colour, mew=2.4, zorder=4)
        heading = float(track.heading(episode.start_m))
        aside = (half_m + 0.28) * np.array([-np.sin(heading), np.cos(heading)])
        axis.text(
            x + aside[0],
            y + aside[1],
            percent(max(episode.progress, 0.0) / 100.0),
            color=INK,
            fontsize=7.5,
            ha="center",
            va="center",
        )
    begin, heading = track.point(0.0), float(track.heading(0.0))
    ahead = np.array([np.cos(heading), np.sin(heading)])
    aside = (half_m + 0.3) * np.array([np.sin(heading), -np.cos(heading)])
    axis.annotate(
        "",
        xy=tuple(begin + aside + 0.45 * ahead),
        xytext=tuple(begin + aside - 0.45 * ahead),
        arrowprops={"arrowstyle": "-|>", "color": INK, "lw": 1.6},
    )
    times = condition.lap_times_s
    way = "reversed" if condition.reverse else "forward"
    noise = f"commands {percent(condition.noise)} off" if condition.noise else "no noise"
    axis.set_title(f"{way}, {noise}", color=INK, fontsize=11.5, weight="bold", loc="left", pad=16)
    average_s = sum(times) / len(times) if times else None
    text = (
        f"{percent(condition.completion)}, {len(times)} of {len(condition.episodes)} laps, "
        f"{lap_time(average_s)} on average"
    )
    axis.text(0.0, 1.015, text, transform=axis.transAxes, color=FAINT, fontsize=9.5)
