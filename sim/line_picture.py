"""The racing line in the picture of a track, coloured by how fast it can be driven."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import Normalize

from sim.racing_line import RacingLine


def draw_line(axes: Any, line: RacingLine) -> None:
    """Draws a racing line over a road: magenta where it is slow, cyan where it is fast."""
    pieces = np.stack([line.points[:-1], line.points[1:]], axis=1)
    speeds = 0.5 * (line.speed_mps[:-1] + line.speed_mps[1:])
    drawn = LineCollection(list(pieces), lw=3.2, capstyle="round", zorder=4.5, cmap="cool_r")
    drawn.set_norm(Normalize(float(speeds.min()), float(speeds.max())))
    drawn.set_array(speeds)
    axes.add_collection(drawn)


def words(line: RacingLine) -> str:
    """What the colours mean, and how fast a lap would be."""
    low, high = line.speed_mps[1:].min(), line.speed_mps.max()
    return (
        f"racing line: {line.length_m:.1f} m, magenta {low:.1f} m/s to cyan {high:.1f} m/s, "
        f"{line.lap_time_s:.2f} s within the tyres' grip"
    )
