"""When a greedy evaluation is due."""

from __future__ import annotations

import time
from collections.abc import Callable

HASTE = 3.0  # until an evaluation completes every lap, they come this much more often
MAX_SHARE = 0.2  # of the time; slow networks on long tracks are evaluated less often


class EvaluationSchedule:
    """The wall-clock schedule of evaluations.

    Args:
        every_s: Seconds from the end of one evaluation to the next, once every lap is complete.
        clock: Gives the time in seconds.
    """

    def __init__(self, every_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._every_s = every_s
        self._clock = clock
        self._last_s = clock()
        self._took_s = 0.0

    def due(self, *, all_laps: bool) -> bool:
        """Whether it is time.

        Args:
            all_laps: Whether some evaluation has completed every lap.
        """
        wait_s = self._every_s if all_laps else self._every_s / HASTE
        wait_s = max(wait_s, self._took_s / MAX_SHARE)
        return self._clock() - self._last_s >= wait_s

    def done(self, took_s: float) -> None:
        """Takes note of an evaluation that has just ended."""
        self._last_s = self._clock()
        self._took_s = took_s
