"""Traces: their rows against the world itself, step by step, and their text."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pytest

from hairpin.bench.inline_reward import InlineReward
from sim.settings import ContinuousActionSettings, WorldSettings
from sim.trace import COLUMNS, ROWS, STATUSES, Rows, as_csv, as_log
from sim.world import World

HZ = 15


def drive(world: World, steps: int) -> tuple[list[list[dict[str, Any]]], list[Rows]]:
    """Drives by chance; what was seen of the episodes that ended, and what the trace says."""
    trace = world.start_trace()
    random = np.random.default_rng(3)
    under_way = [[_standing(world, car, 0)] for car in range(world.num_cars)]
    seen = []
    for count in range(1, steps + 1):
        actions: Any = random.integers(0, 10, world.num_cars)
        if isinstance(world.settings.actions, ContinuousActionSettings):
            actions = random.uniform(-1, 1, (world.num_cars, 2)).astype(np.float32)
        step = world.advance(actions)
        for car in range(world.num_cars):
            under_way[car].append(_driven(world, car, count, actions))
        for car in step.ended.tolist():
            under_way[car][-1]["done"] = True
            seen.append(under_way[car])
        if len(step.ended):
            world.restart(step.ended)
        for car in step.ended.tolist():
            under_way[car] = [_standing(world, car, count)]
    return seen, [rows for _, rows in trace.take()]


def _pose(world: World, car: int) -> tuple[float, float, float]:
    x, y, z, w = world.physics.quaternion[car]
    ahead = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + w * z)])
    nose = world.physics.origin[car, :2] + 0.14 * ahead
    across = np.array([2 * (x * y - w * z), 1 - 2 * (x * x + z * z)])
    return nose[0], nose[1], math.degrees(math.atan2(-across[0], ahead[0]))


def _nearest(world: World, car: int, nose: tuple[float, float], among: list[int]) -> int:
    waypoints = world.track.waypoints
    if world.referee.memory[car]["reverse"]:
        waypoints = waypoints[::-1]
    return min(among, key=lambda k: math.dist(waypoints[k], nose))


def _standing(world: World, car: int, count: int) -> dict[str, Any]:
    x, y, yaw = _pose(world, car)
    return {
        "steps": 1,
        "x": x,
        "y": y,
        "yaw": yaw,
        "steer": 0.0,
        "throttle": 0.0,
        "reward": 0.0,
        "done": False,
        "all_wheels_on_track": True,
        "progress": 0.0,
        "nearest": _nearest(world, car, (x, y), list(range(len(world.track.waypoints)))),
        "tstamp": count / HZ,
        "status": "prepare",
    }


def _driven(world: World, car: int, count: int, actions: np.ndarray) -> dict[str, Any]:
    x, y, yaw = _pose(world, car)
    reading = world.referee.readings[car]
    steering, speed = world.actions.decode(actions)[car]
    return {
        "steps": int(world.referee.memory[car]["steps"]) + 1,
        "x": x,
        "y": y,
        "yaw": yaw,
        "steer": steering,
        "throttle": speed,
        "reward": float(world.rewards[car]),
        "done": False,
        "all_wheels_on_track": bool(reading["all_wheels_on_track"]),
        "progress": float(reading["progress"]),
        "nearest": _nearest(
            world, car, (x, y), [int(reading["waypoint_behind"]), int(reading["waypoint_ahead"])]
        ),
        "tstamp": count / HZ,
        "status": STATUSES[reading["status"]],
    }


def same_waypoint(world: World, one: int, other: int) -> bool:
    """A closed route repeats its first waypoint at its end."""
    return one == other or {one, other} == {0, len(world.track.waypoints) - 1}


@pytest.mark.parametrize("direction", ["forward", "reversed", "alternating"])
def test_rows_say_what_the_world_did(direction: Any) -> None:
    settings = WorldSettings(track="oval", direction=direction)
    world = World(settings, num_cars=4, reward=InlineReward)
    seen, noted = drive(world, 200)
    assert len(seen) == len(noted) > 4
    for expected, rows in zip(seen, noted, strict=True):
        assert len(rows) == len(expected) > 2
        for row, truth in zip(rows, expected, strict=True):
            for name in ("x", "y", "yaw", "steer", "throttle", "reward", "progress", "tstamp"):
                assert row[name] == pytest.approx(truth[name], abs=1e-6), name
            for name in ("steps", "done", "all_wheels_on_track"):
                assert row[name] == truth[name], name
            assert STATUSES[row["status"]] == truth["status"]
            assert same_waypoint(world, int(row["closest_waypoint"]), truth["nearest"])
            assert row["track_len"] == pytest.approx(world.track.length_m)
            assert row["pause_duration"] == 0.0
        assert np.all(np.diff(rows["wall_clock"]) >= 0.0)
    world.close()


def test_text_is_read_back() -> None:
    world = World(WorldSettings(track="oval"), num_cars=4, reward=InlineReward)
    _, episodes = drive(world, 150)
    world.close()
    text = (COLUMNS + "\n").encode() + as_csv(episodes, 7)
    read = list(csv.DictReader(io.StringIO(text.decode())))
    assert len(read) == sum(len(rows) for rows in episodes)
    numbered = [(7 + index, row) for index, rows in enumerate(episodes) for row in rows]
    for found, (number, row) in zip(read, numbered, strict=True):
        assert int(found["episode"]) == number
        assert int(found["steps"]) == row["steps"]
        assert int(found["action"]) == row["action"]
        assert found["done"] == str(bool(row["done"]))
        assert found["all_wheels_on_track"] == str(bool(row["all_wheels_on_track"]))
        assert found["episode_status"] == STATUSES[row["status"]]
        assert found["obstacle_crash_counter"] == "0"
        for column, name, decimals in (
            ("X", "x", 4),
            ("Y", "y", 4),
            ("yaw", "yaw", 4),
            ("steer", "steer", 2),
            ("throttle", "throttle", 2),
            ("reward", "reward", 4),
            ("progress", "progress", 4),
            ("track_len", "track_len", 2),
            ("tstamp", "tstamp", 4),
            ("pause_duration", "pause_duration", 2),
            ("wall_clock", "wall_clock", 4),
        ):
            assert found[column] == f"{row[name]:.{decimals}f}", column


def test_lines_of_the_log_are_those_of_the_file() -> None:
    world = World(WorldSettings(track="oval"), num_cars=2, reward=InlineReward)
    _, episodes = drive(world, 100)
    world.close()
    lines = as_csv(episodes).decode().splitlines()
    assert as_log(as_csv(episodes)).decode().splitlines() == ["SIM_TRACE_LOG:" + s for s in lines]


def test_continuous_actions_are_written_as_numbers() -> None:
    settings = WorldSettings(
        track="oval",
        actions=ContinuousActionSettings(
            type="continuous", steering_deg=(-20.0, 20.0), speed_mps=(1.0, 2.0)
        ),
    )
    world = World(settings, num_cars=2, reward=InlineReward)
    _, episodes = drive(world, 100)
    world.close()
    rows = episodes[0]
    second = as_csv([rows], continuous=True).decode().splitlines()[1].split(",")
    assert second[7] == f"[{rows[1]['steer']:.4f} {rows[1]['throttle']:.4f}]"


def test_a_world_drives_alike_with_and_without_a_trace() -> None:
    texts = []
    for _ in range(2):
        world = World(WorldSettings(track="oval"), num_cars=4, reward=InlineReward)
        _, episodes = drive(world, 120)
        world.close()
        lines = as_csv(episodes).decode().splitlines()
        texts.append([line.rsplit(",", 1)[0] for line in lines])  # all but the wall clock
    assert texts[0] == texts[1]
    assert texts[0]


def test_numbers_are_rounded_as_python_rounds_them() -> None:
    random = np.random.default_rng(8)
    count = 20_000
    rows = np.zeros(count, ROWS)
    for name in ("x", "y", "yaw", "steer", "throttle", "reward", "progress", "track_len"):
        # Halves of the last digit, their neighbours, and numbers of all sizes.
        halves = np.round(random.uniform(-300, 300, count), 4) + random.choice([5e-3, 5e-5], count)
        nudged = np.nextafter(halves, random.choice([-np.inf, np.inf], count))
        wide = random.normal(size=count) * 10.0 ** random.integers(-12, 9, count)
        eighths = random.integers(-99, 99, count) / 8.0
        kinds = random.integers(0, 4, count)
        rows[name] = np.choose(kinds, [halves, nudged, wide, eighths])
    rows["x"][:5] = [0.0, -0.0, 1e15, -1e22, 123456789012.5]
    rows["steps"] = random.integers(0, 10**12, count)
    rows["action"] = random.integers(-1, 30, count)
    rows["status"] = random.integers(0, len(STATUSES), count)
    rows["done"] = random.integers(0, 2, count)
    rows["wall_clock"] = 1.79e9 + random.uniform(0, 1e6, count)
    for continuous in (False, True):
        expected = []
        for row in rows:
            action = row["action"]
            if continuous:
                action = f"[{row['steer']:.4f} {row['throttle']:.4f}]"
            expected.append(
                f"3,{row['steps']},{row['x']:.4f},{row['y']:.4f},{row['yaw']:.4f},"
                f"{row['steer']:.2f},{row['throttle']:.2f},{action},{row['reward']:.4f},"
                f"{row['done']},{row['all_wheels_on_track']},{row['progress']:.4f},"
                f"{row['closest_waypoint']},{row['track_len']:.2f},{row['tstamp']:.4f},"
                f"{STATUSES[row['status']]},{row['pause_duration']:.2f},0,{row['wall_clock']:.4f}"
            )
        assert as_csv([rows], 3, continuous=continuous).decode().splitlines() == expected
