"""The picture of a reward function: what it pays over a track, as heat maps."""

from __future__ import annotations

import math
from os import PathLike
from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from sim.reward_map import HEADINGS_DEG, REACH, SPEEDS_MPS, STEERING_DEG, RewardMap, Road
from sim.track import Array, Track
from sim.track_picture import FAINT, INK, PAPER, save

COLOURS = "viridis"
FAILED = "#c9c4b8"
START = "#e4572e"
_WIDTH_IN, _SIDE_IN = 11.0, 0.55
_HEAD_IN, _GAP_IN, _PANEL_IN, _FOOT_IN = 1.12, 0.5, 2.7, 0.95


def draw_reward(
    found: RewardMap, track: Track, path: str | PathLike[str], *, title: str, note: str
) -> None:
    """Draws all maps of a reward function on one sheet.

    Args:
        found: What it pays.
        track: As it is driven.
        path: The PNG to write.
        title: The headline.
        note: A sentence under it.

    Raises:
        UserError: The file cannot be written.
    """
    norm = _scale(found)
    view = _view(found.ahead.corners)
    aspect = (view[2] - view[0]) / (view[3] - view[1])
    inside_in = _WIDTH_IN - 2 * _SIDE_IN
    big_in = min(inside_in / aspect, 6.2)
    small_in = min((inside_in - 3 * 0.3) / 4 / aspect, 2.2)
    heights = (_HEAD_IN, big_in, _GAP_IN, small_in, _GAP_IN + 0.1, _PANEL_IN, _FOOT_IN)
    height_in = sum(heights)
    figure = Figure(figsize=(_WIDTH_IN, height_in), facecolor=PAPER)

    def axes(left_in: float, top_in: float, wide_in: float, high_in: float) -> Any:
        bottom = 1.0 - (top_in + high_in) / height_in
        size = (wide_in / _WIDTH_IN, high_in / height_in)
        return figure.add_axes((left_in / _WIDTH_IN, bottom, *size))

    top = _HEAD_IN
    big_wide_in = inside_in - 0.85
    _draw_road(axes(_SIDE_IN, top, big_wide_in, big_in), found.ahead, track, view, norm, big=True)
    bar = axes(_WIDTH_IN - _SIDE_IN - 0.42, top + 0.12 * big_in, 0.16, 0.76 * big_in)
    _draw_bar(figure, bar, norm)
    top += big_in + _GAP_IN
    wide_in = (inside_in - 3 * 0.3) / 4
    for k, road in enumerate(found.turned):
        place = axes(_SIDE_IN + k * (wide_in + 0.3), top, wide_in, small_in)
        _draw_road(place, road, track, view, norm, big=False)
        side = "left" if road.heading_deg > 0 else "right"
        place.set_title(
            f"nose {abs(road.heading_deg):.0f}° to the {side}", color=INK, fontsize=9.5, pad=3
        )
    top += small_in + _GAP_IN + 0.1
    half_in = (inside_in - 0.9) / 2
    _draw_headings(axes(_SIDE_IN + 0.35, top, half_in - 0.25, _PANEL_IN), found, norm)
    _draw_commands(axes(_SIDE_IN + half_in + 0.9, top, half_in - 0.1, _PANEL_IN), found, norm)
    _write(figure, height_in, title, note, found)
    save(figure, path, dpi=130)


def _scale(found: RewardMap) -> Normalize:
    """Colours from the least to the greatest reward; a rare spike does not hide the rest."""
    roads = [found.ahead, *found.turned]
    parts = [road.rewards for road in roads] + [found.by_heading, found.by_command]
    values = np.concatenate([part.ravel() for part in parts])
    values = values[np.isfinite(values)]
    if not len(values):
        return Normalize(0.0, 1.0)
    low, high = np.percentile(values, (0.5, 99.5))
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = float(values.min()), float(values.max())
    if high <= low:
        low, high = low - 0.5, high + 0.5
    return Normalize(float(low), float(high))


def _view(corners: Array) -> tuple[float, float, float, float]:
    low, high = corners.reshape(-1, 2).min(axis=0), corners.reshape(-1, 2).max(axis=0)
    middle, size = 0.5 * (low + high), 1.04 * (high - low)
    wide = max(size[0], 1.5 * size[1])  # there is room for the words, however tall the track
    high_m = max(size[1], wide / 4.0)
    half = 0.5 * np.array([wide, high_m])
    (x0, y0), (x1, y1) = middle - half, middle + half
    return float(x0), float(y0), float(x1), float(y1)


def _draw_road(
    axes: Any, road: Road, track: Track, view: Any, norm: Normalize, *, big: bool
) -> None:
    axes.set_xlim(view[0], view[2])
    axes.set_ylim(view[1], view[3])
    axes.set_aspect("equal")
    axes.axis("off")
    x, y = np.moveaxis(road.corners, -1, 0)
    _mesh(axes, x, y, road.rewards, norm)
    for border in (track.left, track.right):
        axes.plot(*border.T, color="white", lw=1.4 if big else 0.7, zorder=3)
    axes.plot(
        *track.waypoints.T, color=INK, lw=0.7 if big else 0.4, ls=(0, (2, 3)), alpha=0.8, zorder=3
    )
    _draw_start(axes, track, heading_deg=road.heading_deg, big=big)


def _draw_start(axes: Any, track: Track, *, heading_deg: float, big: bool) -> None:
    """Draws the start line, an arrow of the driving direction, and how the cars look."""
    heading = float(track.heading(0.0))
    aside = np.array([-math.sin(heading), math.cos(heading)])
    centre = track.point(0.0)
    left, right = track.half_widths(np.zeros(1))
    ends = (centre + left * aside, centre - right * aside)
    axes.plot(*np.transpose(ends), color=START, lw=3.0 if big else 1.6, zorder=5)
    nose = heading + math.radians(heading_deg)
    reach_m = 1.1 * track.width_m
    axes.annotate(
        "",
        centre + reach_m * np.array([math.cos(nose), math.sin(nose)]),
        xytext=centre,
        arrowprops={
            "arrowstyle": "-|>",
            "color": START,
            "lw": 2.0 if big else 1.2,
            "mutation_scale": 16 if big else 9,
            "shrinkA": 0,
            "shrinkB": 0,
        },
        zorder=6,
    )


def _draw_bar(figure: Figure, axes: Any, norm: Normalize) -> None:
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(ScalarMappable(norm, COLOURS), cax=axes)
    bar.outline.set_visible(False)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.set_title("reward", color=INK, fontsize=10, pad=6)


def _draw_headings(axes: Any, found: RewardMap, norm: Normalize) -> None:
    # Left of the road is left in the picture.
    _mesh(axes, _edges(-found.across), _edges(HEADINGS_DEG), found.by_heading, norm)
    for share in (-1.0, 0.0, 1.0):
        style = {"color": "white", "ls": "-"} if share else {"color": INK, "ls": (0, (2, 3))}
        axes.axvline(share, lw=1.0, **style)
    axes.axhline(0.0, color=INK, lw=0.7, ls=(0, (2, 3)), alpha=0.8)
    axes.set_xlim(-REACH, REACH)
    axes.set_xticks([-1.0, -0.5, 0.0, 0.5, 1.0], ["left border", "", "centre", "", "right border"])
    axes.set_yticks([-180, -90, 0, 90, 180], ["180°", "90° right", "ahead", "90° left", "180°"])
    _dress(axes, "place across the road and heading of the nose, mean over the lap")


def _draw_commands(axes: Any, found: RewardMap, norm: Normalize) -> None:
    _mesh(axes, _edges(-STEERING_DEG), _edges(SPEEDS_MPS), found.by_command, norm)
    axes.set_xticks([-30, -15, 0, 15, 30], ["30° left", "15°", "0°", "15°", "30° right"])
    axes.set_yticks([1, 2, 3, 4], ["1 m/s", "2", "3", "4 m/s"])
    _dress(axes, "steering angle and speed, on the centre line, mean over the lap")


def _mesh(axes: Any, x: Array, y: Array, values: Array, norm: Normalize) -> None:
    axes.pcolormesh(x, y, np.ma.masked_invalid(values), norm=norm, cmap=_colours(), zorder=2)


def _colours() -> Any:
    from matplotlib import colormaps

    return colormaps[COLOURS].with_extremes(bad=FAILED)


def _edges(middles: Array) -> Array:
    """The ends of cells around evenly spaced middles."""
    half = 0.5 * (middles[1] - middles[0])
    return np.append(middles - half, middles[-1] + half)


def _dress(axes: Any, title: str) -> None:
    axes.set_title(title, color=INK, fontsize=9.5, pad=5)
    axes.tick_params(colors=INK, labelsize=8.5, length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _write(figure: Figure, height_in: float, title: str, note: str, found: RewardMap) -> None:
    left = _SIDE_IN / _WIDTH_IN
    foot = (
        "red: start line, and where the nose points    white: borders    dotted: centre line    "
        "progress and steps: of a drive from the start line at this speed"
    )
    if found.failures:
        share = found.failures / found.calls
        foot = f"grey: no reward, {share:.0%} of the calls failed    {foot}"
    lines: tuple[tuple[str, float, dict[str, Any]], ...] = (
        (title, 0.42, {"color": INK, "fontsize": 17, "fontweight": "bold"}),
        (note, 0.72, {"color": FAINT, "fontsize": 10.5}),
        (foot, height_in - 0.22, {"color": FAINT, "fontsize": 8.5}),
    )
    for text, down_in, style in lines:
        figure.text(left, 1.0 - down_in / height_in, text, **style)
