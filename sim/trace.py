"""Traces: a row for every step of every car, and their text as DeepRacer's tools read it.

An episode begins with a `prepare` row, where the car stands, and has a row for every control step
after it. Rows are noted for all cars at once and come out in whole episodes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim.rules import Status
from sim.trace_text import ROW_BYTES, write_rows

COLUMNS = (
    "episode,steps,X,Y,yaw,steer,throttle,action,reward,done,all_wheels_on_track,progress,"
    "closest_waypoint,track_len,tstamp,episode_status,pause_duration,obstacle_crash_counter,"
    "wall_clock"
)
LINE_PREFIX = "SIM_TRACE_LOG:"
STATUSES = (*(status.label for status in Status), "prepare", "pause", "crashed", "park")
PREPARE, PAUSE = STATUSES.index("prepare"), STATUSES.index("pause")
NO_ACTION = -1

_LINE = "%d,%d,%.4f,%.4f,%.4f,%.2f,%.2f,%s,%.4f,%s,%s,%.4f,%d,%.2f,%.4f,%s,%.2f,0,%.4f\n"
_LENGTHS = np.array([len(name) for name in STATUSES])
_NAMES = np.zeros((len(STATUSES), _LENGTHS.max()), np.uint8)
for _index, _name in enumerate(STATUSES):
    _NAMES[_index, : len(_name)] = np.frombuffer(_name.encode(), np.uint8)
_SPAN = 64  # rows that a car has room for at first

ROWS = np.dtype(
    [
        ("steps", "i8"),  # from 1, which is the `prepare` row
        ("x", "f8"),  # of the nose, metres
        ("y", "f8"),
        ("yaw", "f8"),  # degrees
        ("steer", "f8"),  # commanded, degrees
        ("throttle", "f8"),  # commanded, m/s
        ("action", "i8"),  # the index, or -1 where there is none
        ("reward", "f8"),
        ("done", "?"),
        ("all_wheels_on_track", "?"),
        ("progress", "f8"),  # percent
        ("closest_waypoint", "i8"),
        ("track_len", "f8"),  # metres
        ("tstamp", "f8"),  # simulated seconds since the world was made
        ("status", "i8"),  # an index into STATUSES
        ("pause_duration", "f8"),  # seconds
        ("wall_clock", "f8"),  # Unix time, seconds
    ]
)

Rows = NDArray[np.void]


class Trace:
    """The rows of the cars of a world.

    Args:
        num_cars: How many cars.
    """

    def __init__(self, num_cars: int) -> None:
        self._rows: Rows = np.zeros((num_cars, _SPAN), ROWS)
        self._count = np.zeros(num_cars, np.int64)
        self._no_actions = np.full(num_cars, NO_ACTION)
        self._all = np.ones(num_cars, np.bool_)
        self._finished: list[tuple[int, Rows]] = []

    def begin(
        self,
        car: int,
        *,
        x: float,
        y: float,
        yaw: float,
        closest_waypoint: int,
        track_len: float,
        tstamp: float,
        wall_clock: float,
    ) -> None:
        """Begins an episode with its `prepare` row; what there was of one under way is dropped.

        Args:
            car: Index of the car.
            x: Where its nose is, world frame, metres.
            y: The same.
            yaw: Degrees.
            closest_waypoint: Index of the waypoint nearest to it.
            track_len: The track's length, metres.
            tstamp: Simulated seconds.
            wall_clock: Unix time, seconds.
        """
        row = self._rows[car, 0]
        row["steps"], row["x"], row["y"], row["yaw"] = 1, x, y, yaw
        row["steer"] = row["throttle"] = row["reward"] = row["progress"] = 0.0
        row["action"], row["done"], row["all_wheels_on_track"] = NO_ACTION, False, True
        row["closest_waypoint"], row["track_len"] = closest_waypoint, track_len
        row["tstamp"], row["status"], row["pause_duration"] = tstamp, PREPARE, 0.0
        row["wall_clock"] = wall_clock
        self._count[car] = 1

    def note(
        self,
        readings: NDArray[np.void],
        commands: NDArray[np.float64],
        actions: NDArray[Any],
        rewards: NDArray[np.float32],
        *,
        active: NDArray[np.bool_] | None = None,
        waypoints: tuple[NDArray[np.float64], NDArray[np.float64]],
        reverse: NDArray[np.int64],
        track_len: float,
        tstamp: float,
        wall_clock: float,
    ) -> None:
        """Notes a control step of all cars; those whose status says so have finished.

        Args:
            readings: (n,) as `sim.rules.READINGS`.
            commands: (n, 2) steering angles, degrees, and speeds, m/s.
            actions: (n,) indices, or (n, d) numbers of a continuous action space.
            rewards: (n,).
            active: (n,) which cars drive; all by default.
            waypoints: (N, 2) along the rows of the route, and against them, world frame, metres.
            reverse: (n,) 1 for a car that drives against them.
            track_len: The track's length, metres.
            tstamp: Simulated seconds.
            wall_clock: Unix time, seconds.
        """
        ended = _note(
            self._rows,
            self._count,
            readings,
            commands,
            actions if actions.ndim == 1 else self._no_actions,
            rewards,
            self._all if active is None else active,
            waypoints[0],
            waypoints[1],
            reverse,
            track_len,
            tstamp,
            wall_clock,
        )
        if not ended:
            return
        if self._count.max() == self._rows.shape[1]:
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)], axis=1)
        over = readings["status"] if active is None else readings["status"] * active
        for car in np.flatnonzero(over).tolist():
            self._finished.append((car, self._rows[car, : self._count[car]].copy()))
            self._count[car] = 0

    def take(self) -> list[tuple[int, Rows]]:
        """The episodes that ended since the last call, in that order: car and (T,) rows."""
        taken, self._finished = self._finished, []
        return taken


def as_csv(episodes: Sequence[Rows], first: int = 0, *, continuous: bool = False) -> bytes:
    """Writes episodes as the lines of a CSV file, without its header `COLUMNS`.

    Args:
        episodes: Each (T,) of `ROWS`.
        first: The number of the first one; those after it count on.
        continuous: Whether an action is written as ``[steering speed]``.
    """
    out = np.empty(1 + ROW_BYTES * sum(map(len, episodes)), np.uint8)
    at = 1  # the writer's positions are above zero
    for episode, rows in enumerate(episodes, first):
        row = 0
        while True:
            row, at = write_rows(out, at, rows, row, episode, _NAMES, _LENGTHS, continuous)
            if row == len(rows):
                break
            line = _line(episode, rows[row], continuous)
            out[at : at + len(line)] = np.frombuffer(line, np.uint8)
            row, at = row + 1, at + len(line)
    return out[1:at].tobytes()


def as_log(csv: bytes) -> bytes:
    """Writes the lines of `as_csv` as ``SIM_TRACE_LOG:`` lines."""
    prefix = LINE_PREFIX.encode()
    return b"".join(prefix + line for line in csv.splitlines(keepends=True))


def _line(episode: int, row: np.void, continuous: bool) -> bytes:
    values = list(row.tolist())
    if continuous:
        values[6] = f"[{values[4]:.4f} {values[5]:.4f}]"
    values[14] = STATUSES[values[14]]
    return (_LINE % (episode, *values)).encode()


@njit(cache=True)
def _note(
    rows: Rows,
    count: NDArray[np.int64],
    readings: NDArray[np.void],
    commands: NDArray[np.float64],
    actions: NDArray[np.int64],
    rewards: NDArray[np.float32],
    driving: NDArray[np.bool_],
    along: NDArray[np.float64],
    against: NDArray[np.float64],
    reverse: NDArray[np.int64],
    track_len: float,
    tstamp: float,
    wall_clock: float,
) -> bool:  # pragma: no cover - compiled
    """Adds a row for each car; whether one has ended, or the room is used up."""
    attention = False
    for i in range(rows.shape[0]):
        if not driving[i]:
            continue
        row, now = rows[i, count[i]], readings[i]
        count[i] += 1
        attention |= now.status != 0 or count[i] == rows.shape[1]
        points = against if reverse[i] == 1 else along
        behind, ahead = now.waypoint_behind, now.waypoint_ahead
        to_behind = (points[behind, 0] - now.x) ** 2 + (points[behind, 1] - now.y) ** 2
        to_ahead = (points[ahead, 0] - now.x) ** 2 + (points[ahead, 1] - now.y) ** 2
        row.steps = count[i]
        row.x, row.y, row.yaw = now.x, now.y, now.heading
        row.steer, row.throttle = commands[i, 0], commands[i, 1]
        row.action, row.reward = actions[i], rewards[i]
        row.done = now.status != 0
        row.all_wheels_on_track = now.all_wheels_on_track
        row.progress = now.progress
        row.closest_waypoint = behind if to_behind <= to_ahead else ahead
        row.track_len, row.tstamp = track_len, tstamp
        row.status, row.pause_duration = now.status, 0.0
        row.wall_clock = wall_clock
    return attention
