"""The rewards that ship with Hairpin: valid in every state, and larger where they should be."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sim.reward import MAX_REWARD, read_reward, reward_names, reward_path
from sim.reward_runner import load_reward
from sim.reward_states import Pose, StateMaker, Thing
from sim.reward_trials import trial_states
from sim.settings import WorldSettings
from sim.track import Track
from sim.world import World

ALLOWED = {"math", "random", "numpy", "scipy", "shapely"}
Reward = Callable[[dict[str, Any]], float]


def load(name: str) -> Reward:
    path, source = read_reward(name)
    return load_reward(str(path), source)


@pytest.fixture(scope="module")
def maker() -> StateMaker:
    return StateMaker(Track.load("hairpin"))


def pay(name: str, maker: StateMaker, *poses: Pose) -> list[float]:
    function = load(name)
    return [function(params) for params in maker.params(poses)]


@pytest.mark.parametrize("name", reward_names())
def test_every_state_of_every_kind_of_track_has_a_reward(name: str) -> None:
    function = load(name)
    for spec in ("hairpin", "crossover", "dash"):
        states = trial_states(Track.load(spec))
        values = [function(state) for state in states]
        assert all(type(value) is float for value in values)
        assert all(0.0 < value <= MAX_REWARD for value in values)
        assert len(set(values)) > 1
        off = [v for v, s in zip(values, states, strict=True) if s["is_offtrack"]]
        on = [v for v, s in zip(values, states, strict=True) if s["all_wheels_on_track"]]
        assert np.mean(off) < np.mean(on)


@pytest.mark.parametrize("name", reward_names())
def test_a_file_is_short_imports_little_and_says_what_it_teaches(name: str) -> None:
    source = reward_path(name).read_text(encoding="utf-8")
    assert len(source.splitlines()) < 75
    tree = ast.parse(source)
    assert 20 < len((ast.get_docstring(tree) or "").splitlines()[0]) < 100
    imported = {
        (node.module or "") if isinstance(node, ast.ImportFrom) else alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert {module.split(".")[0] for module in imported} <= ALLOWED


@pytest.mark.parametrize("name", reward_names())
def test_a_drive_is_paid(name: str) -> None:
    world = World(WorldSettings(track="oval", reward=name, direction="alternating"), num_cars=4)
    random = np.random.default_rng(1)
    rewards = [world.step(random.integers(0, 10, 4)).rewards.copy() for _ in range(60)]
    assert world.take_reward_errors() == []
    assert np.all(np.isfinite(rewards)) and np.min(rewards) > 0.0 and np.ptp(rewards) > 0.0
    world.close()


def test_near_the_centre_pays_more(maker: StateMaker) -> None:
    for name in ("centre_line", "no_zig_zag"):
        paid = pay(
            name, maker, *(Pose(1.0, share * maker.track.width_m) for share in (0, 0.2, 0.4))
        )
        assert paid == sorted(paid, reverse=True) and len(set(paid)) == 3


def test_the_whole_road_pays_the_same_inside_the_borders(maker: StateMaker) -> None:
    half_m = 0.5 * maker.track.width_m
    middle, aside, out = pay("stay_inside", maker, *(Pose(1.0, x * half_m) for x in (0, 0.5, 1.2)))
    assert middle == aside > out


def test_hard_steering_costs(maker: StateMaker) -> None:
    left, calm, right = pay(
        "no_zig_zag", maker, *(Pose(1.0, steering_deg=d) for d in (30, 10, -30))
    )
    assert left == right < calm


def test_slow_pays_half(maker: StateMaker) -> None:
    slow, fast = pay("speed_threshold", maker, Pose(1.0, speed_mps=1.0), Pose(1.0, speed_mps=2.0))
    assert slow == 0.5 * fast


def test_looking_along_the_road_pays_more_all_round_the_compass(maker: StateMaker) -> None:
    for s_m in np.linspace(0.2, maker.track.length_m - 0.2, 40).tolist():
        along, aside = pay("track_direction", maker, Pose(s_m), Pose(s_m, heading_deg=25.0))
        assert aside == 0.5 and along >= aside
    # Every direction of the compass occurs on a lap, also the one where degrees wrap.
    paid = pay("track_direction", maker, *(Pose(k * 0.2) for k in range(1, 80)))
    assert np.mean(np.equal(paid, 1.0)) > 0.8


def test_a_bonus_for_being_ahead_of_the_timetable(maker: StateMaker) -> None:
    function = load("progress_bonus")
    (params,) = maker.params([Pose(1.0)])
    paid = [
        function({**params, "steps": steps, "progress": progress})
        for steps, progress in ((100.0, 50.0), (100.0, 20.0), (101.0, 50.0))
    ]
    assert paid == [11.0, 1.0, 1.0]


def test_quicker_progress_pays_more(maker: StateMaker) -> None:
    slow, fast = pay("progress_per_step", maker, *(Pose(5.0, speed_mps=v) for v in (1.0, 3.0)))
    assert slow == pytest.approx(1.0, abs=0.05) and fast == pytest.approx(3.0, abs=0.15)


def test_an_object_ahead_in_the_same_lane_costs_wherever_the_episode_began(
    maker: StateMaker,
) -> None:
    function = load("avoid_objects")

    def paid(gap_m: float, side: float) -> float:
        (params,) = maker.params([Pose(6.0, 0.1)])
        maker.add_objects(params, [Thing(6.0 + gap_m, side * 0.1), Thing(14.0, 0.1)])
        params["progress"] = 3.0  # the episode began just behind, not at the start line
        return function(params)

    assert paid(0.2, 1) < paid(0.45, 1) < paid(0.7, 1) < paid(2.0, 1)
    assert paid(0.2, -1) == paid(2.0, 1)
    # The next object may lie beyond the seam of the lap.
    (params,) = maker.params([Pose(maker.track.length_m - 0.1, 0.1)])
    maker.add_objects(params, [Thing(0.1, 0.1), Thing(9.0, 0.1)])
    assert function(params) == paid(0.2, 1)


def test_the_racing_line_pays_on_the_line_at_its_speed(maker: StateMaker) -> None:
    from sim.racing_line import racing_line

    line = racing_line(maker.track)
    poses = [
        Pose(float(s), float(o) + aside, speed_mps=speed)
        for s, o in list(zip(line.s_m, line.offset_m, strict=True))[::9]
        for aside, speed in ((0.0, 4.0), (0.0, 1.0), (-np.sign(o) * 0.2, 4.0))
    ]
    paid = pay("racing_line", maker, *poses)
    fast, slow, aside = (np.array(paid[k::3]) for k in range(3))
    assert np.all(fast > slow) and fast.mean() > 1.5
    assert np.mean(fast > aside) > 0.9
    assert math.isfinite(sum(paid))


def test_the_racing_line_reward_knows_the_two_directions_apart() -> None:
    maker = StateMaker(Track.load("bramble"))
    function = load("racing_line")
    for reverse in (False, True, False):
        states = maker.params([Pose(0.5 * k, reverse=reverse) for k in range(1, 50)])
        assert np.mean([function(state) for state in states]) > 0.3


def test_each_sample_is_a_file_a_user_could_have_written() -> None:
    folder = Path(reward_path("centre_line")).parent
    assert {path.stem for path in folder.glob("*.py")} == {*reward_names(), "__init__"}
    assert len(reward_names()) == 9
