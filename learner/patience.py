"""How long to wait for a worker before going on without it."""

from __future__ import annotations

from collections import deque

_REMEMBERED = 20
_TIMES = 10.0


class Patience:
    """Learns from how long answers took how long it is sensible to wait for one.

    A worker may hang without dying: its machine is stopped, or its disk or network is. Then the
    others should not wait for minutes; but a machine that is busy for a moment loses nobody.

    Args:
        first_s: How long to wait while nothing is known, seconds.
        least_s: How long to wait at least.
    """

    def __init__(self, first_s: float, least_s: float) -> None:
        self._first_s = first_s
        self._least_s = least_s
        self._took_s: deque[float] = deque(maxlen=_REMEMBERED)

    @property
    def seconds(self) -> float:
        """How long to wait now: ten times the longest of the last answers."""
        if not self._took_s:
            return self._first_s
        return min(self._first_s, max(self._least_s, _TIMES * max(self._took_s)))

    def note(self, took_s: float) -> None:
        """Is told how long it took until all answers were there."""
        self._took_s.append(took_s)
