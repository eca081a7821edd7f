"""Rules, params and the world: what a step means."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hairpin.bench.inline_reward import InlineReward
from sim.rules import Status
from sim.settings import WorldSettings
from sim.trial import run_trials, start_points
from sim.world import World
from tests.sim.contract import TYPES

STRAIGHT_SLOW, STRAIGHT_FAST = 4, 5  # indices of (0 degrees, 1 m/s) and (0, 2) in the default list


class Driver:
    """Steers towards the centre line 0.4 m ahead, from the truth; laps any track slowly."""

    def __init__(self, world: World) -> None:
        self.world = world

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        world = self.world
        actions = np.zeros(world.num_cars, np.int64)
        for car in range(world.num_cars):
            memory = world.referee.memory[car]
            track = world.track_of(car)
            s_m = memory["s"] if memory["steps"] else world.start_m[car]
            x, y = track.point(s_m + 0.4) - world.physics.origin[car, :2]
            qx, qy, qz, qw = world.physics.quaternion[car]
            yaw = math.atan2(2 * (qx * qy + qw * qz), 1 - 2 * (qy * qy + qz * qz))
            error = math.degrees((math.atan2(y, x) - yaw + math.pi) % (2 * math.pi) - math.pi)
            angles = world.actions.pairs[:, 0]
            choices = np.flatnonzero(world.actions.pairs[:, 1] == 1.0)
            actions[car] = choices[np.abs(angles[choices] - 1.2 * error).argmin()]
        return actions


@pytest.fixture
def world() -> Iterator[World]:
    world = World(WorldSettings(track="oval"), num_cars=4)
    yield world
    world.close()


@pytest.fixture
def params_of(tmp_path: Path) -> Iterator[list[dict]]:
    """A reward function that keeps the params it gets where the test can see them."""
    import builtins

    seen: list[dict] = []
    builtins._hairpin_seen = seen  # type: ignore[attr-defined]
    yield seen
    del builtins._hairpin_seen  # type: ignore[attr-defined]


def seeing(tmp_path: Path) -> str:
    path = tmp_path / "reward.py"
    path.write_text(
        "import builtins\n"
        "def reward_function(params):\n"
        "    builtins._hairpin_seen.append(params)\n"
        "    return 1\n"
    )
    return str(path)


def test_params_have_every_key_with_its_type(params_of: list[dict], tmp_path: Path) -> None:
    world = World(
        WorldSettings(track="oval", reward=seeing(tmp_path)), num_cars=2, reward=InlineReward
    )
    world.step(np.array([0, STRAIGHT_FAST]))
    world.step(np.array([0, STRAIGHT_FAST]))
    for params in params_of:
        assert {key: type(value) for key, value in params.items()} == TYPES
    turned, straight = params_of[-2:]
    assert (turned["steering_angle"], turned["speed"]) == (-30.0, 1.0)
    assert (straight["steering_angle"], straight["speed"]) == (0.0, 2.0)
    assert straight["steps"] == 2
    assert 0.0 < straight["measured_speed"] < 2.0
    assert straight["track_length"] == world.track.length_m
    assert straight["waypoints"] == [tuple(row) for row in world.track.waypoints.tolist()]
    assert straight["sim_time"] == pytest.approx(2 / 15)
    world.close()


def test_what_a_reward_changes_does_not_reach_the_next_step(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(
        "def reward_function(params):\n"
        "    count = len(params['waypoints']) + len(params['objects_location'])\n"
        "    params['waypoints'].clear()\n"
        "    params['objects_location'].append((0, 0))\n"
        "    return float(count)\n"
    )
    world = World(WorldSettings(track="oval", reward=str(path)), num_cars=1)
    rewards = [float(world.step(np.array([STRAIGHT_SLOW])).rewards[0]) for _ in range(3)]
    assert rewards == [float(len(world.track.waypoints))] * 3
    world.close()


def test_progress_starts_with_the_nose_ahead_of_the_start(
    params_of: list[dict], tmp_path: Path
) -> None:
    world = World(
        WorldSettings(track="oval", reward=seeing(tmp_path)), num_cars=1, reward=InlineReward
    )
    world.step(np.array([STRAIGHT_SLOW]))
    first = params_of[0]
    nose = 100.0 * 0.14 / world.track.length_m
    assert nose < first["progress"] < nose + 1.0
    assert first["steps"] == 1
    behind, ahead = first["closest_waypoints"]
    s_of = world.track.s_of_waypoint
    assert s_of[behind] <= first["projection_distance"] < s_of[ahead]
    world.close()


@pytest.mark.parametrize("direction", ["forward", "reversed"])
@pytest.mark.parametrize("track", ["oval", "crossover", "dash"])
def test_a_driver_laps_and_its_time_is_interpolated(track: str, direction: str) -> None:
    world = World(WorldSettings(track=track, direction=direction), num_cars=3)
    starts = [0.0, 0.35, 0.7] if world.track.closed else [0.0] * 3
    trials = run_trials(world, Driver(world), starts, record=True)
    for trial in trials:
        episode, drive = trial.episode, trial.recording
        assert drive is not None
        assert episode.end_reason == "lap_complete"
        assert episode.progress == 100.0
        assert episode.reverse == (direction == "reversed")
        assert np.diff(drive.progress).min() > -0.5, "progress jumped"
        assert np.diff(drive.progress).max() < 100.0 * 0.3 / world.track.length_m
        lap_s = episode.lap_time_s
        assert lap_s is not None
        assert (episode.steps - 1) / 15 <= lap_s <= episode.steps / 15
        # The nose starts 0.14 m ahead; at 1 m/s a lap takes its length in seconds, and a bit.
        assert lap_s == pytest.approx(world.track.length_m, rel=0.15)
    world.close()


def test_off_track_is_all_four_wheels_out(params_of: list[dict], tmp_path: Path) -> None:
    world = World(
        WorldSettings(track="oval", reward=seeing(tmp_path)), num_cars=1, reward=InlineReward
    )
    ends = []
    while not ends:
        ends = world.step(np.array([9])).episodes  # hard left, off the inside
    assert ends[0].end_reason == "off_track"
    assert [p["is_offtrack"] for p in params_of[:-1]] == [False] * (len(params_of) - 1)
    assert params_of[-1]["is_offtrack"]
    assert not params_of[-1]["all_wheels_on_track"]
    assert params_of[-1]["is_left_of_center"]
    partly = [p for p in params_of if not p["all_wheels_on_track"] and not p["is_offtrack"]]
    assert partly, "the wheels leave the road one after the other"
    world.close()


def test_immobilised_after_fifteen_steps(world: World) -> None:
    world.actions.pairs[STRAIGHT_SLOW] = (0.0, 0.0)  # no setting allows standing still
    steps = 0
    ended: list = []
    while not ended and steps < 40:
        ended = world.step(np.full(4, STRAIGHT_SLOW)).episodes
        steps += 1
    assert [episode.end_reason for episode in ended] == ["immobilized"] * 4
    assert steps == 15


def test_driving_backwards_is_reversed_after_fifteen_steps(world: World) -> None:
    x, y = world.track.point(0.0)
    world.physics.place(0, float(x), float(y), float(world.track.heading(0.0)) + math.pi)
    reasons: list[str] = []
    for _ in range(20):
        step = world.step(np.full(4, STRAIGHT_SLOW))
        if step.ended.tolist() == [0]:
            reasons = [episode.end_reason for episode in step.episodes]
            assert step.terminated[0] and not step.truncated[0]
            break
    assert reasons == ["reversed"]


def test_time_up_truncates_and_gives_the_last_observation() -> None:
    world = World(WorldSettings(track="oval", episode_s=1.0), num_cars=2)
    for _ in range(14):
        assert not world.step(np.full(2, STRAIGHT_SLOW)).episodes
    step = world.step(np.full(2, STRAIGHT_SLOW))
    assert [episode.end_reason for episode in step.episodes] == ["time_up"] * 2
    assert step.truncated.all() and not step.terminated.any()
    assert sorted(step.final_obs) == [0, 1]
    assert not np.array_equal(step.final_obs[0], step.obs[0]), "a new episode has begun"
    world.close()


def test_starts_go_round_and_directions_alternate() -> None:
    settings = WorldSettings(track="oval", direction="alternating", start_offset=0.1)
    world = World(settings, num_cars=4)
    length = world.track.length_m
    assert world.start_m / length == pytest.approx([0.1, 0.15, 0.2, 0.25])
    assert world.referee.memory["reverse"].tolist() == [0, 1, 0, 1]
    world.restart(np.array([2]))
    assert world.start_m[2] / length == pytest.approx(0.3)
    shifted = World(settings, num_cars=1, seed=3)
    assert shifted.start_m[0] / length == pytest.approx(0.25)
    world.close()
    shifted.close()


def test_one_seed_is_one_world_bit_for_bit() -> None:
    def drive() -> tuple[bytes, list]:
        world = World(WorldSettings(track="random:3"), num_cars=3)
        rng = np.random.default_rng(1)
        seen, episodes = b"", []
        for _ in range(60):
            step = world.step(rng.integers(0, 10, 3))
            seen += step.obs.tobytes() + step.rewards.tobytes()
            episodes += step.episodes
        world.close()
        return seen, episodes

    assert drive() == drive()


def test_state_takes_the_round_robin_with_it(world: World) -> None:
    for _ in range(30):
        world.step(np.full(4, 0))
    other = World(WorldSettings(track="oval"), num_cars=4)
    state = world.state()
    other.set_state(state)
    world.set_state(state)
    assert np.array_equal(other.obs, world.obs)
    assert other.state() == world.state()
    other.close()


def test_a_reward_that_fails_counts_as_nothing_and_is_told_once(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text(
        "calls = 0\n"
        "def reward_function(params):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    if calls == 7:\n"
        "        raise KeyError('speeed')\n"
        "    return [1.0, None, float('nan'), '3', float('inf'), 1e6][(calls - 1) % 6]\n"
    )
    world = World(WorldSettings(track="oval", reward=str(path)), num_cars=1)
    rewards = [float(world.step(np.array([STRAIGHT_SLOW])).rewards[0]) for _ in range(8)]
    assert rewards == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    errors = {error.kind: error for error in world.take_reward_errors()}
    assert set(errors) == {"not a number", "not finite", "too large", "KeyError"}
    assert "speeed" in errors["KeyError"].traceback
    assert "line 6" in errors["KeyError"].message
    assert '"track_length"' in errors["KeyError"].params_json
    assert sum(error.count for error in errors.values()) == 7
    assert world.take_reward_errors() == []
    world.close()


def test_status_labels_are_those_of_the_traces() -> None:
    assert [status.label for status in Status] == [
        "in_progress",
        "off_track",
        "lap_complete",
        "immobilized",
        "reversed",
        "time_up",
    ]


def test_start_points_begin_at_the_line() -> None:
    assert start_points(4) == [0.0, 0.25, 0.5, 0.75]
