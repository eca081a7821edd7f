"""What a training tells of its reward function, and when there are too many failures."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from learner.events import Event, RewardFailed, RewardPrinted, RewardSlow

if TYPE_CHECKING:
    from learner.iteration import Iteration

MAX_FAILURES = 0.01  # of an iteration's steps
SLOW = 0.3  # of the workers' driving time: worth a word


class RewardWatch:
    """Follows the reward function from iteration to iteration.

    Args:
        workers: How many drive.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._seen: set[tuple[str, str]] = set()
        self._said_slow = False

    def look(self, last: Iteration, steps: int, seconds: float) -> Iterator[Event]:
        """What is to be told after an iteration.

        Each line that was printed; once, that the function is slow; and each new kind of failure.

        Args:
            last: The iteration.
            steps: Environment steps so far.
            seconds: Since the run was begun.
        """
        for worker, (lines, dropped) in last.prints.items():
            yield RewardPrinted(steps, seconds, worker, lines, dropped)
        use = last.reward_use
        driven_s = last.seconds["sampling"] * self._workers
        if use.seconds > SLOW * driven_s and not self._said_slow:
            self._said_slow = True
            yield RewardSlow(
                steps=steps,
                seconds=seconds,
                share=min(1.0, use.seconds / driven_s),
                mean_s=use.seconds / use.calls,
                longest_s=use.longest_s,
            )
        for error in last.reward_errors:
            key = (error.kind, error.traceback or error.message)
            if key not in self._seen:
                self._seen.add(key)
                yield RewardFailed(steps, seconds, error)


def too_many_failures(last: Iteration) -> str | None:
    """Why to end the training after an iteration; None if the reward function works."""
    count = sum(error.count for error in last.reward_errors)
    if count <= MAX_FAILURES * last.steps:
        return None
    worst = max(last.reward_errors, key=lambda error: error.count)
    return (
        f"the reward function failed in {count} of {last.steps} steps "
        f"({100.0 * count / last.steps:.1f} %), most often with {worst.kind}: {worst.message}"
    )
