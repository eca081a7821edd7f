"""Ctrl-C, SIGTERM and SIGUSR1."""

from __future__ import annotations

import os
import signal

import pytest

from hairpin.signals import StopRequest


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_asks_and_the_second_insists(number: signal.Signals) -> None:
    asked: list[int] = []
    before = signal.getsignal(number)
    with StopRequest(lambda: asked.append(1)) as should_stop:
        assert not should_stop()
        os.kill(os.getpid(), number)
        assert should_stop() == "stopped"
        assert asked == [1]
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_signals_taken_away_are_taken_back() -> None:
    with StopRequest(lambda: None) as should_stop:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        should_stop.install()
        os.kill(os.getpid(), signal.SIGTERM)
        assert should_stop()


def test_a_drain_may_be_said_often_and_whoever_stops_wins() -> None:
    asked: list[int] = []
    before = signal.getsignal(signal.SIGUSR1)
    with StopRequest(lambda: asked.append(1)) as should_stop:
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGUSR1)
            assert should_stop() == "drained"
        assert asked == [1]
        os.kill(os.getpid(), signal.SIGTERM)
        assert should_stop() == "stopped"
    assert signal.getsignal(signal.SIGUSR1) is before
