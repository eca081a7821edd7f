"""Evaluations come often until every lap is complete, and never take most of the time."""

from __future__ import annotations

from learner.schedule import EvaluationSchedule


class Clock:
    """A clock that is set by hand."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def test_they_hurry_until_every_lap_is_complete() -> None:
    clock = Clock()
    schedule = EvaluationSchedule(15.0, clock)
    clock.now_s += 4.9
    assert not schedule.due(all_laps=False)
    clock.now_s += 0.2
    assert schedule.due(all_laps=False)
    assert not schedule.due(all_laps=True)
    schedule.done(0.5)
    assert not schedule.due(all_laps=False)
    clock.now_s += 15.0
    assert schedule.due(all_laps=True)


def test_a_slow_one_is_waited_for_longer() -> None:
    clock = Clock()
    schedule = EvaluationSchedule(15.0, clock)
    schedule.done(10.0)
    clock.now_s += 49.0
    assert not schedule.due(all_laps=False)
    clock.now_s += 1.0
    assert schedule.due(all_laps=False)
