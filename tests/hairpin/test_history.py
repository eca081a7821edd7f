"""A run's history: curves, and the picture of them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from hairpin.figure import draw_training, smoothed
from hairpin.history import Curves, without_lost_work
from hairpin.numbers import clock, lap_time, percent, short_count
from hairpin.records import as_record
from learner.events import Event


def test_curves_say_what_the_history_says(training: list[Event]) -> None:
    curves = Curves.of([as_record(event) for event in training])
    assert list(curves.completion.steps) == [4096 * n for n in range(1, 7)]
    assert curves.returns.values[-1] == 12.5
    assert len(curves.laps.values) == 1 + 2 + 3 + 4
    assert curves.first_lap == (3 * 4096, 24.5)
    assert curves.best_evaluation == 2
    assert (curves.best_completion, curves.best_greedy_lap_s) == (1.0, 11.5)
    assert (curves.last_step, curves.last_second) == (6 * 4096, 29.4)


def test_an_empty_history_has_empty_curves() -> None:
    curves = Curves.of([])
    assert (curves.last_step, curves.last_second) == (0, 0.0)
    assert curves.best_completion is curves.best_greedy_lap_s is curves.first_lap is None


def test_work_that_a_kill_undid_is_left_out() -> None:
    steps = [1, 2, 3, 4, 5, 3, 4]  # killed after 5, resumed from the checkpoint at 2
    history = [{"event": "iteration_done", "steps": n, "round": k} for k, n in enumerate(steps)]
    history.insert(5, {"event": "started"})
    kept = without_lost_work(history)
    assert [(r["steps"], r["round"]) for r in kept] == [(1, 0), (2, 1), (3, 2), (3, 5), (4, 6)]


def test_the_running_mean_leaves_gaps_out() -> None:
    values = np.array([np.nan, 1.0, np.nan, 3.0, 5.0])
    np.testing.assert_array_equal(smoothed(values, 2), [np.nan, 1.0, 1.0, 3.0, 4.0])
    np.testing.assert_array_equal(smoothed(values, 99), [np.nan, 1.0, 1.0, 2.0, 3.0])


@pytest.mark.parametrize("count", [0, 1, 2, 13])
def test_the_picture_is_a_png_that_shows_something(training: list[Event], count: int) -> None:
    curves = Curves.of([as_record(event) for event in training[:count]])
    png = draw_training(curves, title="sample", note="oval, fast")
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (990, 1265, 3)
    blue = (image.astype(int)[..., 0] - image[..., 2] > 60).sum()
    red = (image.astype(int)[..., 2] - image[..., 0] > 100).sum()
    if count == 13:
        assert blue > 2000, "the curve of exploring"
        assert red > 2000, "the curve of greedy evaluations"


def test_numbers_are_written_for_people() -> None:
    assert [clock(s) for s in (0.0, 59.6, 125.0, 3723.0)] == ["0:00", "1:00", "2:05", "1:02:03"]
    shares = {None: "-", 0.0: "0 %", 0.29: "29 %", 0.9999: "99 %", 1.0: "100 %"}
    assert {share: percent(share) for share in shares} == shares
    assert [lap_time(s) for s in (None, 12.346)] == ["-", "12.35 s"]
    assert [short_count(n) for n in (900, 150_000, 2_500_000)] == ["900", "150k", "2.5M"]
