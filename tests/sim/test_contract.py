"""The 27 keys of `params` against the contract's own words (`tests.sim.contract`)."""

from __future__ import annotations

import builtins
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import shapely
from scipy.spatial.transform import Rotation
from shapely.geometry import LineString

from hairpin.bench.inline_reward import InlineReward
from sim import tracks
from sim.car import CAR
from sim.geometry import Geometry
from sim.rules import Referee
from sim.settings import WorldSettings
from sim.track import Track
from sim.world import World
from tests.sim.contract import CONSTANT, TYPES, Road, places, progress_of

REAL = (
    sorted(Path(os.environ["HAIRPIN_TEST_ROUTES"]).glob("*.npy"))
    if os.environ.get("HAIRPIN_TEST_ROUTES")
    else []
)
OURS = [Path(tracks.__file__).parent / f"{name}.npy" for name in tracks.DESIGNS]
ALL = [*OURS, *REAL]
POSES = 10_000
SAME = 1e-6

NUMBERS = (
    "x",
    "y",
    "heading",
    "distance_from_center",
    "projection_distance",
    "track_width",
    "steering_angle",
    "speed",
    "track_length",
)
EXACT = ("all_wheels_on_track", "is_offtrack", "is_left_of_center", "closest_waypoints")


class Cars:
    """Cars all over a track and well off both its sides, tilted a little, looking anywhere."""

    def __init__(self, rows: np.ndarray, count: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        line = LineString(rows[:, :2])
        closed = bool((rows[0] == rows[-1]).all())
        self.s_m = rng.uniform(0.0, line.length, count)
        here, ahead = (
            shapely.get_coordinates(shapely.line_interpolate_point(line, self.s_m + d))
            for d in (0.0, 1e-3)
        )
        step = ahead - here
        normal = np.stack([-step[:, 1], step[:, 0]], axis=1)
        normal /= np.maximum(np.hypot(*step.T), 1e-12)[:, None]
        aside = rng.uniform(-1.0, 1.0, count) * (
            0.5 + 0.5 * np.hypot(*(rows[0, 2:4] - rows[0, 4:6]))
        )
        self.origin = np.zeros((count, 3))
        self.origin[:, :2] = here + aside[:, None] * normal
        self.origin[:, 2] = rng.uniform(-0.01, 0.02, count)
        angles = rng.uniform([-math.pi, -0.08, -0.08], [math.pi, 0.08, 0.08], (count, 3))
        self.quaternion = Rotation.from_euler("ZYX", angles).as_quat()
        # Where the referee saw the car a step ago, at most as far as a step goes.
        before = self.s_m + rng.uniform(-0.25, 0.25, count)
        self.before_m = before % line.length if closed else np.clip(before, 0.0, line.length)
        self.commands = rng.uniform([-30.0, 0.1], [30.0, 4.0], (count, 2))


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[list[dict[str, Any]]]:
    """What a reward function in reward.py gets."""
    kept: list[dict[str, Any]] = []
    (tmp_path / "reward.py").write_text(
        "import builtins\n"
        "def reward_function(params):\n"
        "    builtins._hairpin_contract.append(params)\n"
        "    return 1.0\n"
    )
    builtins._hairpin_contract = kept  # type: ignore[attr-defined]
    yield kept
    del builtins._hairpin_contract  # type: ignore[attr-defined]


def judge(rows: np.ndarray, reverse: bool, cars: Cars, reward: Path) -> None:
    """Lets our referee look at the cars and our builder call the reward function."""
    ways = Track("route", rows), Track("route", rows, reverse=True)
    count = len(cars.origin)
    referee = Referee(Geometry.of(ways[0]), Geometry.of(ways[1]), CAR, count, 10**6)
    for k, s_m in enumerate(cars.before_m):
        referee.start(k, float(s_m), reverse, 0.0, 0.0)
    readings = referee.judge(cars.origin, cars.quaternion, np.zeros((count, 3)))
    InlineReward(str(reward), ways, count).send(readings, referee.memory, cars.commands, 7.5)


def assert_same(params: list[dict[str, Any]], want: dict[str, Any], which: np.ndarray) -> None:
    """Compares what depends on where a car is, for the cars (n,) bool that are meant."""
    for key in EXACT:
        got = np.array([p[key] for p in params]).reshape(want[key].shape)
        np.testing.assert_array_equal(got[which], want[key][which], err_msg=key)
    for key in NUMBERS:
        apart = np.abs(np.array([p[key] for p in params]) - want[key])
        assert apart[which].max(initial=0.0) <= SAME, key


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reversed"])
@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_key_of_cars_anywhere(
    path: Path, reverse: bool, seen: list[dict[str, Any]], tmp_path: Path
) -> None:
    route = np.load(path)
    rows = route[::-1] if reverse else route
    cars = Cars(rows, POSES, seed=len(rows))
    judge(route, reverse, cars, tmp_path / "reward.py")
    road = Road(rows)
    nose, wheels, heading = places(cars.origin, cars.quaternion)
    given = {
        "x": nose[:, 0],
        "y": nose[:, 1],
        "heading": heading,
        "steering_angle": cars.commands[:, 0],
        "speed": cars.commands[:, 1],
        "track_length": road.length_m,
    }
    for params in seen[:: POSES // 20]:
        assert {key: type(value) for key, value in params.items()} == TYPES
        assert params.items() >= CONSTANT.items()
        assert params["waypoints"] == [(x, y) for x, y in rows[:, :2].tolist()]
        assert (params["steps"], params["sim_time"]) == (1.0, 7.5)
        assert params["is_reversed"] is reverse
    if not road.centre.is_simple:
        own = road.own_branches(cars.before_m, borders=True)
        assert_same(seen, own.look(nose, wheels) | given, np.ones(POSES, bool))
        return
    want = road.look(nose, wheels) | given

    # The contract takes the nearest point of the whole line, and we that of the branch the car is
    # on. They differ where another branch is nearer, and that is never on the car's own road.
    got_m = np.array([params["projection_distance"] for params in seen])
    elsewhere = np.abs(got_m - want["projection_distance"]) > SAME
    assert_same(seen, want, ~elsewhere)
    assert elsewhere.mean() < 0.05
    away_m = np.abs(want["projection_distance"] - cars.before_m)[elsewhere]
    assert np.minimum(away_m, road.length_m - away_m).min(initial=9.0) > 1.0
    got_m = np.array([params["distance_from_center"] for params in seen])
    half_m = 0.5 * want["track_width"]
    assert (got_m > half_m)[elsewhere].all()
    few = [params for params, other in zip(seen, elsewhere, strict=True) if other]
    own = road.own_branches(cars.before_m[elsewhere], borders=False)
    want = own.look(nose[elsewhere], wheels[elsewhere])
    want |= {k: v[elsewhere] if np.ndim(v) else v for k, v in given.items()}
    assert_same(few, want, np.ones(len(few), bool))


def steering_home(road: Road, params: dict[str, Any]) -> float:
    """Degrees towards the centre line half a metre ahead."""
    there_m = params["projection_distance"] + 0.5
    there_m = there_m % road.length_m if road.closed else min(there_m, road.length_m)
    there = road.centre.interpolate(there_m)
    angle = math.degrees(math.atan2(there.y - params["y"], there.x - params["x"]))
    return (angle - params["heading"] + 180.0) % 360.0 - 180.0


@pytest.mark.parametrize("reverse", [False, True], ids=["forward", "reversed"])
@pytest.mark.parametrize("path", ALL, ids=lambda path: path.stem)
def test_every_key_on_the_way(
    path: Path, reverse: bool, seen: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A car drives over the finish line, one at random off the road, one backwards."""
    rows = np.load(path)[::-1] if reverse else np.load(path)
    road = Road(rows)
    settings = WorldSettings(
        track=str(path),
        direction="reversed" if reverse else "forward",
        reward=str(tmp_path / "reward.py"),
    )
    world = World(settings, num_cars=3, reward=InlineReward)
    pairs = world.actions.pairs
    rng = np.random.default_rng(1)
    starts = [0.96, 0.3, 0.02] if road.closed else [0.0] * 3
    start_m = [start * road.length_m for start in starts]
    progress, steps, ends = [0.0] * 3, [0] * 3, set()
    before_m = np.array(start_m)
    actions = np.array([0, 0, 0])

    def begin(car: int) -> None:
        world.place(car, starts[car])
        if car == 2:
            x, y = road.centre.interpolate(start_m[2]).coords[0]
            ahead = road.centre.interpolate(start_m[2] + 0.05)
            world.physics.place(2, x, y, math.atan2(y - ahead.y, x - ahead.x))
        progress[car], steps[car], before_m[car] = 0.0, 0, start_m[car]

    for car in range(3):
        begin(car)
    for step in range(1, 121):
        done = world.advance(actions)
        params = seen[-3:]
        nose, wheels, heading = places(world.physics.origin, world.physics.quaternion)
        own = road if road.centre.is_simple else road.own_branches(before_m, borders=True)
        want = own.look(nose, wheels)
        want |= {"x": nose[:, 0], "y": nose[:, 1], "heading": heading}
        want |= {"steering_angle": pairs[actions, 0], "speed": pairs[actions, 1]}
        want |= {"track_length": road.length_m}
        assert_same(params, want, np.ones(3, bool))
        before_m = want["projection_distance"] % road.length_m
        for car in range(3):
            steps[car] += 1
            progress[car] = progress_of(
                want["projection_distance"][car], start_m[car], road.length_m, progress[car]
            )
            assert params[car]["progress"] == pytest.approx(progress[car], abs=SAME)
            assert params[car]["steps"] == steps[car]
            assert params[car]["sim_time"] == pytest.approx(step / 15)
            assert params[car]["is_reversed"] is reverse
        ends |= {(int(car), e.end_reason) for car, e in zip(done.ended, done.episodes, strict=True)}
        for car in done.ended.tolist():
            begin(car)
        slow = np.flatnonzero(pairs[:, 1] == pairs[:, 1].min())
        home = slow[np.abs(pairs[slow, 0] - 1.2 * steering_home(road, params[0])).argmin()]
        actions = np.array([home, rng.integers(len(pairs)), slow[len(slow) // 2]])
    world.close()
    assert {car for car, reason in ends if reason == "off_track"} >= {1}
    assert seen[-3]["progress"] > 100.0 * 5.0 / road.length_m or (0, "lap_complete") in ends
    assert min(params["progress"] for params in seen) < 0.0 or not road.closed


def test_the_process_of_the_reward_sees_the_same_numbers(
    seen: list[dict[str, Any]], tmp_path: Path
) -> None:
    keys = [key for key, kind in TYPES.items() if kind in (bool, float)]
    told = tmp_path / "told.py"
    told.write_text(
        f"KEYS = {keys!r}\n"
        "def reward_function(params):\n"
        "    return params[KEYS[int(params['steps']) % len(KEYS)]]\n"
    )
    settings = WorldSettings(track="oval", reward=str(told))
    world = World(settings, num_cars=2)
    inline = World(
        settings.model_copy(update={"reward": str(tmp_path / "reward.py")}),
        num_cars=2,
        reward=InlineReward,
    )
    for step in range(1, len(keys) + 1):
        actions = np.array([4, step % 10])
        rewards = world.step(actions).rewards
        inline.step(actions)
        for reward, params in zip(rewards, seen[-2:], strict=True):
            assert reward == np.float32(params[keys[int(params["steps"]) % len(keys)]])
    world.close()
    inline.close()
