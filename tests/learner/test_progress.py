"""Counters and bests of a run."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest

from learner.events import Evaluated
from learner.iteration import Iteration
from learner.progress import Progress
from sim.episode import Episode


def evaluated(completion: float, lap_times_s: list[float], return_mean: float = 0.0) -> Evaluated:
    laps = len(lap_times_s)
    return Evaluated(1, 10, 2.0, 0.1, completion, laps, 4, lap_times_s, False, return_mean)


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


def test_of_equals_the_later_one_is_the_best() -> None:
    progress = Progress()
    assert progress.is_best(evaluated(0.5, []))
    assert progress.is_best(evaluated(0.5, []))
    assert progress.is_best(evaluated(0.5, [13.0]))
    assert not progress.is_best(evaluated(0.5, [14.0]))


def test_the_best_by_reward() -> None:
    progress = Progress()
    assert progress.is_best(evaluated(1.0, [12.0], 3.0), "reward")
    assert progress.is_best(evaluated(0.2, [], 4.0), "reward")
    assert progress.best_completion == 0.2 and progress.best_lap_s is None
    assert not progress.is_best(evaluated(1.0, [9.0], 3.9), "reward")


def test_the_best_by_lap_time_counts_an_unfinished_lap_as_a_very_long_one() -> None:
    progress = Progress()
    assert progress.is_best(evaluated(0.3, []), "lap_time")
    assert progress.best == (-999.999, 0.3)
    assert not progress.is_best(evaluated(0.2, []), "lap_time")
    assert progress.is_best(evaluated(0.9, [20.0] * 3), "lap_time")
    assert progress.best is not None
    assert progress.best[0] == pytest.approx(-(60.0 + 999.999) / 4)
    assert not progress.is_best(evaluated(0.99, [5.0, 5.0]), "lap_time")
    assert not progress.all_laps
    assert progress.is_best(evaluated(1.0, [30.0] * 4), "lap_time")
    assert progress.all_laps and progress.best_completion == 1.0


def test_what_older_checkpoints_kept_is_understood() -> None:
    progress = Progress.from_dict({"best": [1.0, -12.5], "best_lap_s": 12.0})
    assert progress.best_completion == 1.0 and progress.all_laps
    assert not progress.is_best(evaluated(1.0, [12.6]))


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
    assert again.best_completion == 0.5
    assert not again.is_best(evaluated(0.4999, laps))


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
