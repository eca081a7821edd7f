"""A running world's recordings of one car, and the choice of the drive worth showing."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from sim import drive as drive_module
from sim.episode import Episode, best_of
from sim.recording import Recording
from sim.settings import WorldSettings
from sim.trial import run_trials
from sim.world import World


@pytest.fixture
def world(tmp_path: Path) -> World:
    reward = tmp_path / "reward.py"
    reward.write_text("def reward_function(params):\n    return params['speed']\n")
    world = World(WorldSettings(track="oval", reward=str(reward)), num_cars=3)
    yield world
    world.close()


def straight_on(world: World) -> np.ndarray:
    return np.full(world.num_cars, world.actions.space.n // 2)


def test_the_newest_finished_drive_is_kept_until_it_is_taken(world: World) -> None:
    world.start_recording(1)
    assert world.take_recording() is None
    ended: list[Episode] = []
    while len(ended) < 2:
        step = world.step(straight_on(world))
        ended += [e for car, e in zip(step.ended, step.episodes, strict=True) if car == 1]
    recording = world.take_recording()
    assert recording is not None
    assert len(recording) == ended[1].steps
    assert recording.end_reason == ended[1].end_reason == "off_track"
    assert recording.progress[-1] == pytest.approx(ended[1].progress)
    assert recording.reward.sum() == pytest.approx(ended[1].return_, rel=1e-5)
    np.testing.assert_allclose(np.diff(recording.time_s), 1 / 15)
    assert world.take_recording() is None


def test_it_is_the_drive_that_an_evaluation_records(world: World) -> None:
    world.start_recording(0)
    trial = run_trials(world, lambda obs: straight_on(world), [0.25], record=True)[0]
    noted = world.take_recording()
    assert noted is not None and trial.recording is not None
    for field in fields(Recording):
        np.testing.assert_array_equal(
            getattr(noted, field.name), getattr(trial.recording, field.name)
        )


def test_recording_changes_no_trajectory(world: World) -> None:
    def driven() -> np.ndarray:
        world.set_state({"next_start": 0.0, "next_reverse": False})
        return np.array([[world.step(straight_on(world)).rewards] for _ in range(40)])

    before = driven()
    world.start_recording(0)
    np.testing.assert_array_equal(driven(), before)


def test_a_car_that_does_not_drive_is_not_noted(world: World) -> None:
    world.start_recording(0)
    for _ in range(3):
        world.advance(straight_on(world), np.array([False, True, True]))
    world.place(0, 0.0)
    trial = run_trials(world, lambda obs: straight_on(world), [0.0])[0]
    recording = world.take_recording()
    assert recording is not None and len(recording) == trial.episode.steps


def test_a_drive_without_end_has_bounds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drive_module, "MAX_ROWS", 5)
    world.start_recording(0)
    run_trials(world, lambda obs: straight_on(world), [0.0])
    recording = world.take_recording()
    assert recording is not None and len(recording) == 5


def test_the_best_episode_is_the_fastest_lap_or_the_farthest() -> None:
    lap = Episode(1.0, 10, 100.0, 9.0, "lap_complete", 0, 0.0, False)
    short, long = (replace(lap, progress=p, lap_time_s=None) for p in (30.0, 80.0))
    assert best_of([short, long]) == 1
    assert best_of([long, short, long]) == 0
    assert best_of([long, lap, replace(lap, lap_time_s=8.0), short]) == 2
