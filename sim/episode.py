"""The record of one episode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Episode:
    """What came of one episode.

    Attributes:
        return_: Sum of the rewards.
        steps: Control steps.
        progress: Percent of the lap, 0 to 100.
        lap_time_s: Simulated seconds to the finish line, interpolated within the last step; None
            unless the lap was completed.
        end_reason: lap_complete, off_track, immobilized, reversed or time_up.
        reward_errors: Steps whose reward could not be had and counted 0.
        start_m: Arc length of the start, as driven, metres.
        reverse: Whether the track was driven against the order of its rows.
    """

    return_: float
    steps: int
    progress: float
    lap_time_s: float | None
    end_reason: str
    reward_errors: int
    start_m: float
    reverse: bool

    @property
    def completed(self) -> bool:
        """Whether the lap was completed."""
        return self.lap_time_s is not None

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON-able values; the return is under ``return``."""
        record = asdict(self)
        record["return"] = record.pop("return_")
        return record


def best_of(episodes: Sequence[Episode]) -> int:
    """Index of the fastest lap; without one, of the episode that came farthest.

    Args:
        episodes: At least one; of equals, the first is taken.
    """

    def rank(index: int) -> tuple[float, float]:
        episode = episodes[index]
        slow = float("inf") if episode.lap_time_s is None else episode.lap_time_s
        return slow, -episode.progress

    return min(range(len(episodes)), key=rank)
