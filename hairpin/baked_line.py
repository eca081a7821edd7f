"""A racing-line reward with the line of one track written into its source."""

from __future__ import annotations

import ast
import json

from sim.racing_line import racing_line
from sim.reward import reward_path
from sim.track import Track

BUILT_IN = "racing_line"

_HEAD = '''"""Drive the racing line of {title}, which is written in here, at its own speed.

The line has the least summed squared curvature between the borders: {length:.2f} m instead of the
{centre:.2f} m along the centre. At these speeds, within a grip of 0.5 g, a lap takes {lap:.2f} s.
"""

import numpy as np

NEAR_M = {near}  # at this distance from the line, its part of the reward has fallen to 0.37

TRACK = {track}
WAYPOINTS = {count}
# Some waypoints of that track, x and y in metres, by which it is recognised.
LANDMARKS = {{{landmarks}}}

# Along the line: x, y (metres), speed (m/s).
LINE = np.array(
    [
{rows}
    ]
)

'''

_LOOKUP = '''

def line_of(waypoints, width):
    """The line's points (N, 2) and speeds (N,), on this track in either direction."""
    for index, (x, y) in LANDMARKS.items():
        ahead, back = waypoints[index % len(waypoints)], waypoints[-1 - index % len(waypoints)]
        far = min(abs(px - x) + abs(py - y) for px, py in (ahead, back))
        if far > 0.01 or len(waypoints) != WAYPOINTS:
            raise ValueError(
                f"this racing line is of the track {TRACK}; for another one, type: "
                "hairpin rewards copy racing_line --track NAME"
            )
    return LINE[:, :2], LINE[:, 2]
'''


def baked_reward(track: Track) -> str:
    """The source of a reward file that knows the racing line of one track.

    Its `reward_function` is that of the built-in `racing_line`, which computes a line when it is
    called first; here the line is found between the real borders, and ready.

    Args:
        track: As driven along its rows.
    """
    source = reward_path(BUILT_IN).read_text(encoding="utf-8")
    tree = ast.parse(source)
    line = racing_line(track)
    count = len(track.waypoints)
    landmarks = ", ".join(
        f"{k}: ({track.waypoints[k, 0]:.4f}, {track.waypoints[k, 1]:.4f})"
        for k in sorted({0, count // 4, count // 2, (3 * count) // 4})
    )
    # An open track's profile begins at standstill; a speed of 0 is nothing to ask for.
    rows = [
        f"        ({x:.3f}, {y:.3f}, {max(v, 0.5):.2f}),"
        for (x, y), v in zip(line.points, line.speed_mps, strict=True)
    ]
    head = _HEAD.format(
        title=track.name,
        track=json.dumps(track.name),
        length=line.length_m,
        centre=track.length_m,
        lap=line.lap_time_s,
        near=_constant(tree, "NEAR_M"),
        count=count,
        landmarks=landmarks,
        rows="\n".join(rows),
    )
    (function,) = (
        node
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name == "reward_function"
    )
    body = ast.get_source_segment(source, function)
    return f"{head}\n{body}\n{_LOOKUP}"


def _constant(tree: ast.Module, name: str) -> str:
    (value,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    )
    return ast.unparse(value)
