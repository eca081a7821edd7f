"""How long a worker is waited for."""

from __future__ import annotations

from learner.patience import Patience


def test_it_waits_longest_while_nothing_is_known() -> None:
    assert Patience(600.0, 20.0).seconds == 600.0


def test_it_waits_ten_times_the_longest_answer_but_not_less_than_it_is_told() -> None:
    patience = Patience(600.0, 20.0)
    patience.note(0.5)
    assert patience.seconds == 20.0
    patience.note(4.0)
    patience.note(1.0)
    assert patience.seconds == 40.0
    patience.note(100.0)
    assert patience.seconds == 600.0


def test_a_slow_answer_is_forgotten_in_time() -> None:
    patience = Patience(600.0, 20.0)
    patience.note(10.0)
    for _ in range(20):
        patience.note(3.0)
    assert patience.seconds == 30.0
