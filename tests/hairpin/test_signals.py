"""Ctrl-C and SIGTERM."""

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
        assert should_stop()
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
