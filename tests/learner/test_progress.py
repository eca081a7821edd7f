"""Counters and bests of a run."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from learner.events import Evaluated
from learner.ppo import Iteration
from learner.progress import Progress
from sim.episode import Episode


def evaluated(completion: float, lap_times_s: list[float]) -> Evaluated:
    return Evaluated(1, 10, 2.0, 0.1, completion, len(lap_times_s), 4, lap_times_s, False)


def test_the_best_is_by_completion_and_then_by_mean_lap_time() -> None:
    progress = Progress()
    assert progress.is_best(evaluated(0.2, []))
    assert not progress.is_best(evaluated(0.1, []))
    assert progress.is_best(evaluated(1.0, [12.0, 14.0]))
    assert not progress.is_best(evaluated(1.0, [10.0, 17.0]))
    assert progress.best_lap_s == 12.0
    assert progress.is_best(evaluated(1.0, [12.5, 12.5]))
    assert progress.best_lap_s == 12.5
    assert not progress.is_best(evaluated(0.99, [5.0]))
    assert progress.last_evaluation == (0.99, 5.0)


@pytest.mark.parametrize("laps", [[], [11.0, 12.0]])
def test_it_survives_json(laps: list[float]) -> None:
    progress = Progress(laps=3, first_lap_s=1.5, first_lap_steps=9, trained_s=20.0)
    progress.is_best(evaluated(0.5, laps))
    text = json.dumps(progress.to_dict(33.0), allow_nan=False)
    again = Progress.from_dict(json.loads(text))
    assert again.best == progress.best
    assert again.seconds_before == 33.0
    assert again.trained_before_s == 20.0
    assert again.laps == 3
    assert not again.is_best(evaluated(0.5, laps))


def test_an_iteration_is_counted_and_described() -> None:
    progress = Progress()
    episodes = [Episode(4.0, 9, 50.0, None, "off_track", 0, 0.0, False)]
    episodes += [Episode(8.0, 9, 100.0, 7.5, "lap_complete", 0, 0.0, False)]
    seconds = {"sampling": 1.0, "learning": 0.75, "sync": 0.05, "physics": 0.4, "camera": 0.2}
    last = Iteration(steps=100, seconds=seconds, episodes=episodes)
    done = progress.add(last, SimpleNamespace(iterations=1, steps=100), took_s=2.0, seconds=9.0)
    assert done.steps_per_s == 50.0
    assert done.return_mean == 6.0 and done.completion_mean == 0.75
    assert sum(done.shares.values()) == pytest.approx(1.0)
    assert done.shares["learning"] == pytest.approx(0.375)
    assert progress.laps == 1


def test_an_iteration_without_episodes_has_no_means() -> None:
    last = Iteration(steps=4, seconds={"learning": 0.1, "sync": 0.1})
    done = Progress().add(last, SimpleNamespace(iterations=1, steps=4), took_s=1.0, seconds=1.0)
    assert done.return_mean is None and done.completion_mean is None
