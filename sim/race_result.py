"""What comes of a race: its steps, its laps, and what they score."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.race_settings import RaceSettings

Array = NDArray[np.float64]

PREPARE, PAUSE = "prepare", "pause"  # how a car stands that is not driving


class RaceStep(NamedTuple):
    """A car after a step, or while it stands.

    Attributes:
        lap: Index of the lap's record in `Race.laps`.
        steps: Rows of this lap so far, this one included.
        time_s: The race's clock: simulated time since the start of the first lap.
        status: prepare, in_progress, pause, or a label of `sim.rules.Status`.
        pause_s: How long the car still stands.
        origin: (3,) car origin, m, world frame.
        quaternion: (4,) orientation, xyzw.
        x, y: The nose, m, world frame.
        heading_deg: 0 along world x, left positive.
        steering_deg: Commanded angle, left positive.
        speed_mps: Commanded speed.
        measured_speed_mps: Speed over ground.
        action: What the policy chose: an index, or two numbers in [-1, 1]; None while it stands.
        reward: Of the step.
        all_wheels_on_track: As the reward function is told.
        progress: Percent of the lap.
        waypoint: Index of the nearer of the two closest waypoints, as driven.
    """

    lap: int
    steps: int
    time_s: float
    status: str
    pause_s: float
    origin: Array
    quaternion: Array
    x: float
    y: float
    heading_deg: float
    steering_deg: float
    speed_mps: float
    measured_speed_mps: float
    action: NDArray[Any] | None
    reward: float
    all_wheels_on_track: bool
    progress: float
    waypoint: int


@dataclass(frozen=True)
class Lap:
    """What came of one lap.

    Attributes:
        started_s: When it began on the race's clock.
        elapsed_s: How long it took with its penalties, to the finish line or to where it ended.
        completed: Whether the finish line was reached.
        progress: Percent of the lap.
        end_reason: lap_complete, off_track, immobilized, reversed or time_up.
        off_tracks, immobilized, reversals: How often that happened.
        resets: How often the car was put back and drove on.
        penalty_s: Part of the time that it stood.
        return_: Sum of the rewards.
        reverse: Whether it was driven against the order of the rows.
    """

    started_s: float
    elapsed_s: float
    completed: bool
    progress: float
    end_reason: str
    off_tracks: int
    immobilized: int
    reversals: int
    resets: int
    penalty_s: float
    return_: float
    reverse: bool

    @property
    def time_s(self) -> float | None:
        """The lap time; None if it was not completed."""
        return self.elapsed_s if self.completed else None

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON-able values."""
        return {
            "time_s": self.time_s,
            "elapsed_s": self.elapsed_s,
            "progress": self.progress,
            "end_reason": self.end_reason,
            "off_tracks": self.off_tracks,
            "immobilized": self.immobilized,
            "reversals": self.reversals,
            "resets": self.resets,
            "penalty_s": self.penalty_s,
            "return": self.return_,
            "reverse": self.reverse,
        }


@dataclass(frozen=True)
class Race:
    """What came of a race.

    Attributes:
        settings: The rules it was driven by; `continuous` is false on an open road.
        laps: In the order of driving. A run that ended early has fewer than were asked for.
        steps: All that happened, for traces and films.
        control_hz: Control steps a simulated second.
    """

    settings: RaceSettings
    laps: list[Lap]
    steps: list[RaceStep] = field(repr=False)
    control_hz: int

    @property
    def lap_times_s(self) -> list[float]:
        """Times of the complete laps."""
        return [lap.elapsed_s for lap in self.laps if lap.completed]

    @property
    def best_lap_s(self) -> float | None:
        """The fastest complete lap."""
        return min(self.lap_times_s, default=None)

    @property
    def average_lap_s(self) -> float | None:
        """The mean of the complete laps."""
        times = self.lap_times_s
        return sum(times) / len(times) if times else None

    @property
    def best_window(self) -> tuple[int, float] | None:
        """The fastest run of `window_laps` consecutive complete laps.

        The index of its first lap and its average lap time; None if there is no such run.
        """
        size = self.settings.window_laps
        windows = [self.laps[k : k + size] for k in range(len(self.laps) - size + 1)]
        found = [
            (sum(lap.elapsed_s for lap in window) / size, first)
            for first, window in enumerate(windows)
            if all(lap.completed for lap in window)
        ]
        if not found:
            return None
        average_s, first = min(found)
        return first, average_s

    @property
    def total_s(self) -> float:
        """Simulated time of all laps together."""
        return sum(lap.elapsed_s for lap in self.laps)

    @property
    def finished(self) -> bool:
        """Whether every lap that was asked for was completed."""
        return len(self.lap_times_s) == self.settings.laps

    @property
    def resets(self) -> int:
        """How often a car was put back."""
        return sum(lap.resets for lap in self.laps)

    @property
    def off_tracks(self) -> int:
        """How often a car left the track."""
        return sum(lap.off_tracks for lap in self.laps)

    @property
    def penalty_s(self) -> float:
        """How long cars stood for it."""
        return sum(lap.penalty_s for lap in self.laps)

    @property
    def completion(self) -> float:
        """Share of the way that was driven, 0 to 1."""
        return sum(lap.progress for lap in self.laps) / 100.0 / self.settings.laps

    def as_dict(self) -> dict[str, Any]:
        """Everything but the steps, as JSON-able values."""
        window = self.best_window
        return {
            "rules": self.settings.model_dump(),
            "finished": self.finished,
            "completion": self.completion,
            "lap_times_s": self.lap_times_s,
            "best_lap_s": self.best_lap_s,
            "average_lap_s": self.average_lap_s,
            "best_window_s": window[1] if window else None,
            "best_window_first_lap": window[0] + 1 if window else None,
            "total_s": self.total_s,
            "resets": self.resets,
            "off_tracks": self.off_tracks,
            "penalty_s": self.penalty_s,
            "laps": [lap.as_dict() for lap in self.laps],
        }
