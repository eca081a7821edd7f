"""Races: penalties, where a car goes on, laps that roll, and what is scored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sim.race import run_race
from sim.race_result import Lap, Race
from sim.race_settings import RaceSettings
from sim.rules import Status
from sim.settings import WorldSettings
from sim.world import World

HARD_RIGHT, HARD_LEFT = 0, 8  # indices of (-30 degrees, 1 m/s) and (30 degrees, 1 m/s)


class Driver:
    """Steers towards the centre line 0.4 m ahead, from the truth; may be told to err.

    Args:
        world: Of one car.
        err: An action to take instead, from step `first` on until the car has left the track.
        first: That step.
        always: Err again after that.
    """

    def __init__(
        self, world: World, err: int | None = None, *, first: int = 40, always: bool = False
    ) -> None:
        self.world, self.err, self.first, self.always = world, err, first, always
        self.step = 0

    def __call__(self, obs: np.ndarray) -> np.ndarray:
        world = self.world
        if world.referee.readings[0]["status"] in (Status.OFF_TRACK, Status.IMMOBILIZED):
            self.err = self.err if self.always else None
        self.step += 1
        if self.err is not None and self.step > self.first:
            return np.array([self.err])
        memory, track = world.referee.memory[0], world.track_of(0)
        x, y = track.point(memory["s"] + 0.4) - world.physics.origin[0, :2]
        _, _, qz, qw = world.physics.quaternion[0]
        error = np.degrees((np.arctan2(y, x) - 2 * np.arctan2(qz, qw) + np.pi) % (2 * np.pi))
        angles = world.actions.pairs[:, 0]
        choices = np.flatnonzero(world.actions.pairs[:, 1] == 1.0)
        return choices[[np.abs(angles[choices] - 1.2 * (error - 180.0)).argmin()]]


def race(
    track: str = "oval",
    direction: str = "forward",
    err: int | None = None,
    *,
    always: bool = False,
    **rules: object,
) -> Race:
    world = World(WorldSettings(track=track, direction=direction), num_cars=1)
    try:
        driver = Driver(world, err, first=0 if always else 40, always=always)
        return run_race(world, driver, RaceSettings(**rules))
    finally:
        world.close()


@pytest.mark.parametrize("direction", ["forward", "reversed"])
def test_laps_roll_on_without_a_stop(direction: str) -> None:
    found = race(direction=direction, laps=3)
    assert found.finished and found.resets == 0 and found.penalty_s == 0.0
    assert [lap.reverse for lap in found.laps] == [direction == "reversed"] * 3
    assert [step.status for step in found.steps].count("prepare") == 1
    first, second, third = found.lap_times_s
    # From standstill the first lap takes longer, though its nose starts 0.14 m ahead of the line.
    assert second == pytest.approx(third, abs=0.1)
    assert second < first + 0.2
    ends = [lap.started_s + lap.elapsed_s for lap in found.laps]
    assert ends[:-1] == pytest.approx([lap.started_s for lap in found.laps[1:]])
    assert found.total_s == pytest.approx(ends[-1])
    driven = [step for step in found.steps if step.status != "prepare"]
    assert found.total_s == pytest.approx(len(driven) / 15, abs=1 / 15)


def test_separate_trials_start_from_standstill_and_are_alike() -> None:
    found = race(laps=3, continuous=False)
    assert found.finished
    assert [step.status for step in found.steps].count("prepare") == 3
    first, *others = found.lap_times_s
    assert others == pytest.approx([first, first], abs=1e-9)
    rolling = race(laps=1)
    assert rolling.lap_times_s == pytest.approx([first], abs=1e-9)


def test_separate_trials_take_turns_where_directions_alternate() -> None:
    found = race(direction="alternating", laps=3, continuous=False)
    assert [lap.reverse for lap in found.laps] == [False, True, False]
    assert [lap.reverse for lap in race(direction="alternating", laps=2).laps] == [False, False]


def test_an_open_road_has_separate_laps() -> None:
    found = race("dash", laps=2)
    assert not found.settings.continuous
    assert found.finished
    assert [step.status for step in found.steps].count("prepare") == 2


@pytest.mark.parametrize("continuous", [True, False])
@pytest.mark.parametrize("penalty_s", [0.0, 2.5, 5.0])
def test_a_penalty_is_part_of_the_lap_time(penalty_s: float, continuous: bool) -> None:
    rules = {"laps": 2, "continuous": continuous}
    free = race(err=HARD_LEFT, off_track_penalty_s=0.0, **rules)
    found = race(err=HARD_LEFT, off_track_penalty_s=penalty_s, **rules)
    assert found.finished
    lap, clean = found.laps[0], free.laps[0]
    assert (lap.off_tracks, lap.resets, lap.penalty_s) == (1, 1, penalty_s)
    assert lap.elapsed_s - clean.elapsed_s == pytest.approx(penalty_s, abs=1e-9)
    assert found.laps[1].elapsed_s == pytest.approx(free.laps[1].elapsed_s, abs=1e-9)
    pauses = [step for step in found.steps if step.status == "pause"]
    assert len(pauses) == int(penalty_s * 15)
    left = [step.pause_s for step in pauses]
    assert left == sorted(left, reverse=True)
    assert all(step.speed_mps == step.reward == 0.0 for step in pauses)


@pytest.mark.parametrize("track", ["oval", "crossover"])
@pytest.mark.parametrize("direction", ["forward", "reversed"])
@pytest.mark.parametrize("wrong", [HARD_RIGHT, HARD_LEFT])
def test_a_car_goes_on_in_the_nearer_lane_at_its_last_good_progress(
    track: str, direction: str, wrong: int
) -> None:
    found = race(track, direction, wrong, laps=1)
    statuses = [step.status for step in found.steps]
    off = statuses.index("off_track")
    good = found.steps[off - 1]
    back = found.steps[off + statuses[off:].index("prepare")]
    assert good.status == "in_progress"
    assert back.progress == pytest.approx(good.progress)
    assert back.measured_speed_mps == 0.0
    assert back.time_s - found.steps[off].time_s == pytest.approx(5.0)
    world = World(WorldSettings(track=track, direction=direction), num_cars=1)
    way = world.tracks[direction == "reversed"]
    s_m = way.length_m * good.progress / 100.0  # from the start line, so it is the arc length too
    (left,), (right,) = way.half_widths(np.array([s_m]))
    heading = float(way.heading(s_m))
    normal = np.array([-np.sin(heading), np.cos(heading)])
    lanes = way.point(s_m) + np.outer([left / 2, -right / 2], normal)
    nearer = np.hypot(*(lanes - [good.x, good.y]).T).argmin()
    np.testing.assert_allclose(back.origin[:2], lanes[nearer], atol=1e-9)
    assert np.cos(np.radians(back.heading_deg) - heading) == pytest.approx(1.0)
    driven = found.steps[off + statuses[off:].index("prepare") + 1]
    assert good.progress < driven.progress < good.progress + 100.0 * 0.4 / way.length_m
    assert found.finished
    world.close()


@pytest.mark.parametrize(("continuous", "laps"), [(True, 1), (False, 3)])
def test_a_race_is_over_when_the_resets_are_used_up(continuous: bool, laps: int) -> None:
    found = race(err=HARD_LEFT, always=True, continuous=continuous, max_resets=2)
    assert len(found.laps) == laps
    for lap in found.laps:
        assert (lap.end_reason, lap.off_tracks, lap.resets) == ("off_track", 3, 2)
        assert lap.time_s is None and not lap.completed
        assert lap.penalty_s == 10.0
    assert not found.finished
    assert found.best_lap_s is found.average_lap_s is found.best_window is None
    assert found.completion < 0.5
    none = race(err=HARD_LEFT, always=True, continuous=continuous, max_resets=0)
    assert [lap.resets for lap in none.laps] == [0] * laps
    assert none.penalty_s == 0.0


def test_a_car_that_is_stuck_is_put_back_too() -> None:
    world = World(WorldSettings(track="oval"), num_cars=1)
    world.actions.pairs[0] = (0.0, 0.0)  # no setting allows standing still
    driver = Driver(world, err=0)
    found = run_race(world, driver, RaceSettings(laps=1, off_track_penalty_s=1.0))
    assert found.finished
    assert found.laps[0].immobilized == found.laps[0].resets >= 1
    assert found.off_tracks == 0
    world.close()


def test_a_race_has_a_time_limit() -> None:
    found = race(laps=5, time_limit_s=20.0)
    assert [lap.end_reason for lap in found.laps] == ["lap_complete", "time_up"]
    assert found.total_s == pytest.approx(20.0)
    trials = race(laps=2, time_limit_s=3.0, continuous=False)
    assert [lap.end_reason for lap in trials.laps] == ["time_up", "time_up"]


def test_the_best_window_is_of_consecutive_complete_laps() -> None:
    lap = Lap(0.0, 10.0, True, 100.0, "lap_complete", 0, 0, 0, 0, 0.0, 0.0, False)
    times = [9.0, 12.0, 8.0, None, 9.0, 11.0, 8.5]
    laps = [
        replace(lap, elapsed_s=time or 3.0, completed=time is not None, progress=50.0)
        for time in times
    ]
    found = Race(RaceSettings(laps=7, continuous=False, window_laps=2), laps, [], 15)
    assert found.best_window == (5, 9.75)
    assert found.best_lap_s == 8.0
    assert found.average_lap_s == pytest.approx(57.5 / 6)
    assert found.total_s == pytest.approx(60.5)
    three = replace(found, settings=RaceSettings(laps=7, continuous=False, window_laps=3))
    assert three.best_window == (4, 9.5)
    assert replace(found, settings=RaceSettings(laps=7, window_laps=4)).best_window is None


def test_a_race_is_the_same_race_again() -> None:
    one, other = (race(err=HARD_LEFT, laps=2) for _ in range(2))
    assert one.as_dict() == other.as_dict()
    for a, b in zip(one.steps, other.steps, strict=True):
        assert a.time_s == b.time_s and a.progress == b.progress and a.status == b.status
        np.testing.assert_array_equal(a.origin, b.origin)


def test_a_race_is_driven_alone() -> None:
    world = World(WorldSettings(track="oval"), num_cars=2)
    with pytest.raises(ValueError, match="one car"):
        run_race(world, Driver(world), RaceSettings())
    world.close()
