"""The files of an evaluation as deepracer-for-cloud leaves them beside a model.

::

    evaluation-<YYYYMMDDHHMMSS>/evaluation-simtrace/0-iteration.csv   a row for each step
    metrics/evaluation/evaluation-<YYYYMMDDHHMMSS>.json               a record for each lap
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hairpin.race_run import RunRace
from sim.race_result import Lap, RaceStep
from sim.rules import Status
from sim.settings import ContinuousActionSettings
from sim.trace import COLUMNS, NO_ACTION, ROWS, STATUSES, as_csv
from storage import Run

_STATUS = {Status.IN_PROGRESS.label: "In progress", Status.TIME_UP.label: "Time Up"}


def write_evaluation(run: Run, raced: RunRace, now: datetime | None = None) -> str:
    """Stores trace and metrics of a race with its run.

    Args:
        run: Where; an evaluation of the same second there makes this one's name a second later.
        raced: The race.
        now: When it was driven; by default now.

    Returns:
        The evaluation's name there, ``evaluation-`` and its UTC time.
    """
    now = now or datetime.now(timezone.utc)
    while True:
        name = f"evaluation-{now:%Y%m%d%H%M%S}"
        if run.store.put_if_absent(
            f"{run.name}/metrics/evaluation/{name}.json", metrics_json(raced).encode()
        ):
            break
        now += timedelta(seconds=1)
    run.put_file(f"{name}/evaluation-simtrace/0-iteration.csv", trace_csv(raced, now.timestamp()))
    return name


def metrics_json(raced: RunRace) -> str:
    """The metrics: an object with a list of one record a lap, of the fields of the original."""
    records = [_record(lap, trial) for trial, lap in enumerate(raced.race.laps, 1)]
    return json.dumps({"metrics": records}) + "\n"


def trace_csv(raced: RunRace, unix_s: float) -> bytes:
    """The trace with its header: an episode a lap, each step of it a row.

    A lap that began at standstill has a `prepare` row first, and so has the way on after a reset.
    While the car stands for a penalty, `pause_duration` counts what is left of it.

    Args:
        raced: The race.
        unix_s: When it began; the wall clock of a row is later by its simulated time.
    """
    from sim.track import Track

    length_m = Track.load(raced.world.track).length_m
    episodes = [
        _rows(list(steps), length_m, unix_s)
        for _, steps in groupby(raced.race.steps, key=lambda step: step.lap)
    ]
    continuous = isinstance(raced.world.actions, ContinuousActionSettings)
    return COLUMNS.encode() + b"\n" + as_csv(episodes, continuous=continuous)


def _record(lap: Lap, trial: int) -> dict[str, Any]:
    elapsed_ms = round(1000.0 * lap.elapsed_s)
    start_ms = round(1000.0 * lap.started_s)
    label = lap.end_reason
    return {
        "completion_percentage": int(min(max(lap.progress, 0.0), 100.0)),
        "metric_time": round(1000.0 * (lap.started_s + lap.elapsed_s)),
        "start_time": start_ms,
        "elapsed_time_in_milliseconds": elapsed_ms,
        "episode_status": _STATUS.get(label, label.replace("_", " ").capitalize()),
        "crash_count": 0,
        "immobilized_count": lap.immobilized,
        "off_track_count": lap.off_tracks,
        "reversed_count": lap.reversals,
        "reset_count": lap.resets,
        "trial": trial,
    }


def _rows(steps: list[RaceStep], length_m: float, unix_s: float) -> NDArray[np.void]:
    rows = np.zeros(len(steps), ROWS)
    for row, step in zip(rows, steps, strict=True):
        row["steps"], row["x"], row["y"] = step.steps, step.x, step.y
        row["yaw"], row["steer"], row["throttle"] = (
            step.heading_deg,
            step.steering_deg,
            step.speed_mps,
        )
        discrete = step.action is not None and step.action.ndim == 0
        row["action"] = int(step.action) if discrete and step.action is not None else NO_ACTION
        row["reward"], row["progress"] = step.reward, step.progress
        row["all_wheels_on_track"] = step.all_wheels_on_track
        row["closest_waypoint"], row["track_len"] = step.waypoint, length_m
        row["tstamp"], row["wall_clock"] = step.time_s, unix_s + step.time_s
        row["status"], row["pause_duration"] = STATUSES.index(step.status), step.pause_s
    rows["done"][-1] = True
    return rows
