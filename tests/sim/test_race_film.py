"""Films of races: what they show of a race, and when."""

from __future__ import annotations

import numpy as np
import pytest

from sim.race import run_race
from sim.race_film import FPS, HOLD_S, VIEWS, render_race
from sim.race_result import Race
from sim.race_settings import RaceSettings
from sim.settings import WorldSettings
from sim.track import Track
from sim.world import World


@pytest.fixture(scope="module")
def race() -> Race:
    """Hard left all the time: the car leaves the track, is put back, and leaves it again."""
    world = World(WorldSettings(track="oval"), num_cars=1)
    rules = RaceSettings(laps=1, max_resets=1, off_track_penalty_s=1.0)
    found = run_race(world, lambda obs: np.array([8]), rules)
    world.close()
    return found


@pytest.mark.parametrize("view", VIEWS)
def test_a_film_shows_the_race_and_blinks_while_the_car_stands(race: Race, view: str) -> None:
    frames = list(render_race(race, Track.load("oval"), view, width=320, height=240))
    assert len(frames) == round(race.total_s * FPS) + round(HOLD_S * FPS)
    assert {frame.shape for frame in frames} == {(240, 320, 3)}
    first = next(k for k, step in enumerate(race.steps) if step.status == "pause")
    # The car's body is the only blue below the sky.
    standing = [frames[k][80:].astype(int) for k in range(first, first + FPS)]
    blue = [(frame[..., 2] - frame[..., 0] > 90).sum() for frame in standing]
    lit = np.array(blue) > 5
    assert 4 <= lit.sum() <= 11
    assert 3 <= (lit[1:] != lit[:-1]).sum() <= 6
    same = [np.array_equal(frame, frames[-1]) for frame in frames[-round(HOLD_S * FPS) :]]
    assert all(same)


def test_views_differ(race: Race) -> None:
    pictures = [next(iter(render_race(race, Track.load("oval"), view))) for view in VIEWS]
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert np.abs(pictures[a].astype(int) - pictures[b]).mean() > 1.0
