"""Pictures of tracks for people: one track with its numbers, or a sheet of many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from os import PathLike
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from sim.errors import UserError
from sim.line_picture import draw_line, words
from sim.racing_line import RacingLine
from sim.track import Array, Track
from sim.track_facts import direction, tightest_radius_m

Box = tuple[float, float, float, float]  # xmin, ymin, xmax, ymax, metres

PAPER, INK, FAINT = "#f7f5ef", "#23262b", "#6d7178"
GRASS, GRASS_DARK, ASPHALT, PAINT = "#7fa650", "#769c48", "#3b3e44", "#f4f4f0"
STRAIGHT, TIGHT = np.array([0.96, 0.83, 0.30]), np.array([0.93, 0.22, 0.16])

MARGIN_SHARE = 0.09
SHEET_ASPECT = 1.5
TIGHT_RADIUS_M = 0.6  # coloured fully red
EASY_RADIUS_M = 4.0  # coloured as a straight
_CURVE_CHORD_M = 0.3
_MAX_INDICES = 40


def draw_track(
    track: Track,
    path: str | PathLike[str],
    *,
    title: str = "",
    note: str = "",
    line: RacingLine | None = None,
) -> None:
    """Draws a track from above, with distances, waypoint numbers and its tightest bend.

    Args:
        track: The track, in the direction to be driven.
        path: The PNG to write.
        title: The headline; the track's name if empty.
        note: A sentence under the headline.
        line: Its racing line, to be drawn too.

    Raises:
        UserError: The file cannot be written.
    """
    view = _view(track)
    aspect = (view[2] - view[0]) / (view[3] - view[1])
    width_in = 9.6 * min(1.0, max(aspect / 1.5, 0.8))
    height_in = width_in / aspect
    head_in, foot_in, side_in = 1.15, 0.45, 0.25
    size = (width_in + 2 * side_in, height_in + head_in + foot_in)
    figure = Figure(figsize=size, facecolor=PAPER)
    axes = figure.add_axes(
        (side_in / size[0], foot_in / size[1], width_in / size[0], height_in / size[1])
    )
    _draw_road(axes, track, view, detail=True)
    _draw_distances(axes, track, unit_m=(view[2] - view[0]) / width_in)
    _draw_indices(axes, track, unit_m=(view[2] - view[0]) / width_in)
    if line is None:
        _draw_tightest(axes, track)
    else:
        draw_line(axes, line)
    _draw_scale_bar(axes, view)
    legend = "centre line: yellow on straights, red in tight bends" if line is None else words(line)
    left = side_in / size[0]
    lines: tuple[tuple[str, float, dict[str, Any]], ...] = (
        (title or track.name, 0.42, {"color": INK, "fontsize": 17, "fontweight": "bold"}),
        (_numbers(track), 0.72, {"color": INK, "fontsize": 10.5}),
        (note, 0.98, {"color": FAINT, "fontsize": 10}),
    )
    for text, down_in, style in lines:
        figure.text(left, 1 - down_in / size[1], text, **style)
    figure.text(
        left,
        0.17 / size[1],
        f"ticks: every metre    white: waypoints ({len(track.waypoints)})    {legend}",
        color=FAINT,
        fontsize=8.5,
    )
    save(figure, path, dpi=130)


def draw_sheet(tracks: Sequence[tuple[Track, str]], path: str | PathLike[str]) -> None:
    """Draws many tracks on one sheet, each to its own scale.

    Args:
        tracks: Each track and its headline.
        path: The PNG to write.

    Raises:
        UserError: The file cannot be written.
    """
    columns = min(len(tracks), min((3, 4, 5), key=lambda count: (-len(tracks) % count, count)))
    rows = math.ceil(len(tracks) / columns)
    wide_in, gap_in, head_in = 3.4, 0.25, 0.55
    high_in = wide_in / SHEET_ASPECT
    size = (gap_in + columns * (wide_in + gap_in), gap_in + rows * (high_in + head_in))
    figure = Figure(figsize=size, facecolor=PAPER)
    for k, (track, title) in enumerate(tracks):
        row, column = divmod(k, columns)
        x = gap_in + column * (wide_in + gap_in)
        y = size[1] - (row + 1) * (head_in + high_in)
        place = (x / size[0], y / size[1], wide_in / size[0], high_in / size[1])
        _draw_road(figure.add_axes(place), track, _view(track, SHEET_ASPECT), detail=False)
        head = (y + high_in + 0.24) / size[1]
        figure.text(x / size[0], head, title, color=INK, fontsize=11, fontweight="bold")
        head = (y + high_in + 0.08) / size[1]
        figure.text(x / size[0], head, _numbers(track, short=True), color=FAINT, fontsize=7.5)
    save(figure, path, dpi=130)


def save(figure: Figure, path: str | PathLike[str], *, dpi: int) -> None:
    """Writes a figure as PNG; raises `UserError` if the file cannot be written."""
    FigureCanvasAgg(figure)
    try:
        figure.savefig(path, dpi=dpi, format="png", facecolor=PAPER)
    except OSError as error:
        raise UserError(
            f"cannot write the picture: {error.strerror or error}", where=str(path)
        ) from error


def _numbers(track: Track, *, short: bool = False) -> str:
    radius_m = tightest_radius_m(track)
    bends = "straight"
    if radius_m is not None:
        bends = f"{'R' if short else 'tightest radius'} {radius_m:.2f} m"
    length = f"{track.length_m:.1f} m" if short else f"{track.length_m:.1f} m long"
    return "   ".join((length, f"{track.width_m:.2f} m wide", bends, direction(track)))


def _view(track: Track, aspect: float | None = None) -> Box:
    """The piece of ground to show: the track with grass around it, widened to an aspect."""
    xmin, ymin, xmax, ymax = track.bounds
    margin_m = MARGIN_SHARE * max(xmax - xmin, 1.5 * (ymax - ymin))
    wide, high = xmax - xmin + 2 * margin_m, ymax - ymin + 2 * margin_m
    if aspect is None:  # however long and thin the track, there is room for words
        aspect = min(max(wide / high, 1.0), 3.0)
    wide, high = max(wide, high * aspect), max(high, wide / aspect)
    x, y = (xmin + xmax) / 2, (ymin + ymax) / 2
    return x - wide / 2, y - high / 2, x + wide / 2, y + high / 2


def _draw_road(axes: Any, track: Track, view: Box, *, detail: bool) -> None:
    """Draws grass, asphalt, borders, centre line, start line and the arrow of the direction."""
    xmin, ymin, xmax, ymax = view
    axes.set_xlim(xmin, xmax)
    axes.set_ylim(ymin, ymax)
    axes.set_aspect("equal")
    axes.axis("off")
    for k in range(math.floor(xmin), math.ceil(xmax)):  # mown in stripes of a metre
        axes.axvspan(max(k, xmin), min(k + 1, xmax), color=(GRASS, GRASS_DARK)[k % 2], lw=0)
    left, right = track.left, track.right
    # Forth along one border and back along the other: filled by winding, this is the road, also
    # where rows of the borders are no partners and where the road crosses itself.
    ring = np.concatenate((left, right[::-1]))
    axes.add_patch(Polygon(ring, closed=True, facecolor=ASPHALT, lw=0, zorder=2))
    line = 1.8 if detail else 1.1
    rows = np.arange(len(left))
    fine = np.linspace(0, len(left) - 1, 4 * len(left))
    at_m = np.interp(fine, rows, track.s_of_waypoint)
    for border in (left, right):
        drawn = np.column_stack([np.interp(fine, rows, column) for column in border.T])
        drawn[_on_other_branch(track, drawn, at_m)] = np.nan
        axes.plot(*drawn.T, color=PAINT, lw=line, solid_joinstyle="round", zorder=3)
    s_m = np.arange(0.0, track.length_m, 0.05)
    dashes = np.stack((track.point(s_m), track.point(s_m + 0.05)), axis=1)
    shown = (np.floor(s_m / 0.15) % 2).astype(bool)
    axes.add_collection(
        LineCollection(
            dashes[shown],
            colors=_colours(track, s_m)[shown],
            lw=line if detail else 0.9,
            capstyle="butt",
            zorder=3,
        )
    )
    _draw_start(axes, track)


def _draw_start(axes: Any, track: Track) -> None:
    """Draws the chequered line, the finish of an open track, and an arrow ahead."""
    for s_m in (0.0,) if track.closed else (0.0, track.length_m):
        _draw_chequers(axes, track, s_m)
    heading = float(track.heading(0.0))
    ahead = np.array((math.cos(heading), math.sin(heading)))
    aside = np.array((-ahead[1], ahead[0]))
    base, half = track.point(0.0) + 0.3 * ahead, 0.28 * track.width_m
    tip = [base + 1.3 * half * ahead, base + half * aside, base + 0.35 * half * ahead]
    axes.add_patch(Polygon([*tip, base - half * aside], closed=True, color=PAINT, zorder=5, lw=0))


def _draw_chequers(axes: Any, track: Track, s_m: float) -> None:
    low, high = _beside(track, s_m, -1.0, 0.0), _beside(track, s_m, 1.0, 0.0)
    heading = float(track.heading(s_m))
    ahead = np.array((math.cos(heading), math.sin(heading)))
    size_m = float(np.linalg.norm(high - low)) / 8
    for row in range(2):
        for k in range(8):
            near, far = low + k / 8 * (high - low), low + (k + 1) / 8 * (high - low)
            shift, depth = (row - 1) * size_m * ahead, size_m * ahead
            corners = [near + shift, far + shift, far + shift + depth, near + shift + depth]
            colour = (PAINT, "#111111")[(row + k) % 2]
            axes.add_patch(Polygon(corners, closed=True, facecolor=colour, lw=0, zorder=4))


def _draw_distances(axes: Any, track: Track, *, unit_m: float) -> None:
    """Draws a tick outside the right border every metre and its distance every five."""
    for metre in range(int(track.length_m - 0.25) + 1):
        big = metre % 5 == 0
        ends = [_beside(track, metre, -1.0, gap * unit_m) for gap in (0.07, 0.2 if big else 0.13)]
        if _on_other_branch(track, np.array(ends), float(metre)).any():
            continue
        axes.plot(*np.transpose(ends), color=PAINT, lw=1.4 if big else 0.8, zorder=3)
        if big:
            label = _beside(track, metre, -1.0, 0.36 * unit_m)
            axes.text(*label, f"{metre} m", color=INK, fontsize=8, ha="center", va="center")


def _draw_indices(axes: Any, track: Track, *, unit_m: float) -> None:
    """Draws the waypoints and, left of them, the numbers of some."""
    axes.plot(*track.waypoints.T, ".", color="white", ms=2.2, mew=0, zorder=4)
    count = len(track.waypoints) - int(track.closed)
    step = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200) if count <= n * _MAX_INDICES)
    last = np.array((np.inf, np.inf))
    for index in range(0, count, step):
        at_m = float(track.s_of_waypoint[index])
        place = _beside(track, at_m, 1.0, 0.19 * unit_m)
        crowded = np.abs(place - last).max() < 0.17 * unit_m  # inside a tight bend
        if not crowded and not _on_other_branch(track, place[None], at_m).any():
            axes.text(*place, str(index), color=PAINT, fontsize=6.5, ha="center", va="center")
            last = place


def _draw_tightest(axes: Any, track: Track) -> None:
    s_m = np.arange(0.0, track.length_m, 0.02)
    radii = _radii(track, s_m)
    at_m = float(s_m[np.argmin(radii)])
    if radii.min() > EASY_RADIUS_M:
        return
    axes.plot(*track.point(at_m), "o", ms=7, mfc="none", mec=TIGHT, mew=1.6, zorder=6)
    axes.annotate(
        f"R {track.min_radius_m:.2f} m",
        track.point(at_m),
        xytext=(9, 9),
        textcoords="offset points",
        color="white",
        fontsize=8,
        zorder=7,
        bbox={"boxstyle": "round,pad=0.25", "fc": INK, "ec": "none", "alpha": 0.85},
    )


def _draw_scale_bar(axes: Any, view: Box) -> None:
    xmin, ymin, xmax, _ = view
    size_m = next(m for m in (100, 50, 20, 10, 5, 2, 1) if m <= (xmax - xmin) / 5 or m == 1)
    pad_m = 0.02 * (xmax - xmin)
    x, y = xmax - size_m - pad_m, ymin + pad_m
    axes.plot((x, x + size_m), (y, y), color=INK, lw=3, solid_capstyle="butt")
    axes.text(x + size_m / 2, y + 0.4 * pad_m, f"{size_m} m", color=INK, fontsize=8, ha="center")


def _beside(track: Track, s_m: float, side: float, gap_m: float) -> Array:
    """A point beyond the left (side 1) or right (-1) border at an arc length."""
    left_m, right_m = track.half_widths(np.array([s_m]))
    half_m = float((left_m if side > 0 else right_m)[0])
    heading = float(track.heading(s_m))
    offset = side * (half_m + gap_m) * np.array((-math.sin(heading), math.cos(heading)))
    place: Array = track.point(s_m) + offset
    return place


def _on_other_branch(track: Track, points: Array, s_m: Array | float) -> Array:
    """Tells which points (K, 2), beside `s_m`, lie on another branch of the lap."""
    own_m = np.broadcast_to(np.asarray(s_m, dtype=np.float64), len(points))
    apart_m = np.abs(own_m[:, None] - track.s_of_waypoint)
    if track.closed:
        apart_m = np.minimum(apart_m, track.length_m - apart_m)
    distance_m = np.linalg.norm(points[:, None] - track.waypoints, axis=2)
    near = distance_m < 0.49 * track.width_m
    hidden: Array = (near & (apart_m > 3 * track.width_m)).any(axis=1)
    return hidden


def _radii(track: Track, s_m: Array) -> Array:
    turn = track.heading(s_m + _CURVE_CHORD_M) - track.heading(s_m - _CURVE_CHORD_M)
    turn = np.abs((turn + np.pi) % (2 * np.pi) - np.pi)
    radii: Array = 2 * _CURVE_CHORD_M / np.maximum(turn, 1e-9)
    return radii


def _colours(track: Track, s_m: Array) -> Array:
    """Colours for the centre line: yellow where it is straight, red where it is tight."""
    curvature = np.clip(1 / _radii(track, s_m), 1 / EASY_RADIUS_M, 1 / TIGHT_RADIUS_M)
    share = (curvature - 1 / EASY_RADIUS_M) / (1 / TIGHT_RADIUS_M - 1 / EASY_RADIUS_M)
    colours: Array = STRAIGHT + share[:, None] * (TIGHT - STRAIGHT)
    return colours
