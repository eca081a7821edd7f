"""What is known of a training under way: gathered from its events, shown by the reporters."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, field

from learner.events import (
    Evaluated,
    Event,
    FirstLap,
    IterationDone,
    RewardFailed,
    Started,
    WorkerLost,
)
from learner.settings import StopSettings

RECENT_EPISODES = 50  # completion while exploring is a mean over so many
SPARK_POINTS = 18  # its last values, one an iteration, that are drawn as a row of little bars


@dataclass
class Progress:
    """The state of a training, for showing.

    Attributes:
        stop: When it is to stop.
        run: The run's name.
        doing: What is going on, for people.
        steps: Environment steps.
        seconds: At the last event: since the command started, with the time before a resume.
        noted_at: `time.monotonic()` of the last event, or of the command's start.
        start_up_s: How long it took until the first environment step.
        steps_per_s: Over the last iteration.
        iteration: Iterations so far.
        shares: Fraction of an iteration's time by phase.
        recent: Progress of the last episodes, fractions of a lap.
        return_mean: Of the last iteration's episodes.
        laps: Laps completed while exploring.
        last_lap_s: The last lap's time.
        best_lap_s: The best lap's time of any.
        greedy_completion: Of the last greedy evaluation, 0 to 1; None before the first.
        greedy_lap_s: The best lap's time of the last greedy evaluation.
        best_completion: The best greedy evaluation's completion.
        first_lap_s: When the first lap was completed, seconds since the command started.
        completions: Mean progress by iteration, the last few.
        reward_errors: Distinct failures of the reward function.
        lost_workers: Workers that died so far.
        dropped_steps: Steps that were not learned from, because of ``max_iteration_steps``.
    """

    stop: StopSettings
    run: str
    doing: str = "starting"
    steps: int = 0
    seconds: float = 0.0
    noted_at: float = field(default_factory=time.monotonic)
    start_up_s: float = 0.0
    steps_per_s: float = 0.0
    iteration: int = 0
    shares: dict[str, float] = field(default_factory=dict)
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=RECENT_EPISODES))
    return_mean: float | None = None
    laps: int = 0
    last_lap_s: float | None = None
    best_lap_s: float | None = None
    greedy_completion: float | None = None
    greedy_lap_s: float | None = None
    best_completion: float | None = None
    first_lap_s: float | None = None
    completions: deque[float] = field(default_factory=lambda: deque(maxlen=SPARK_POINTS))
    reward_errors: int = 0
    lost_workers: int = 0
    dropped_steps: int = 0

    def note(self, event: Event) -> None:
        """Takes an event's numbers up."""
        self.seconds, self.noted_at = event.seconds, time.monotonic()
        if isinstance(event, IterationDone):
            self._note_iteration(event)
        elif isinstance(event, Evaluated):
            self.greedy_completion = event.completion
            self.greedy_lap_s = min(event.lap_times_s, default=None)
            self.best_completion = max(event.completion, self.best_completion or 0.0)
            self._note_lap(self.greedy_lap_s)
        elif isinstance(event, Started):
            self.start_up_s = event.seconds
            self.doing = f"{event.workers} workers, learning in {event.precision}"
        elif isinstance(event, FirstLap):
            self.first_lap_s = event.seconds
        elif isinstance(event, RewardFailed):
            self.reward_errors += 1
        elif isinstance(event, WorkerLost):
            self.lost_workers += 1

    def _note_iteration(self, event: IterationDone) -> None:
        self.iteration, self.steps = event.iteration, event.steps
        self.steps_per_s, self.shares = event.steps_per_s, event.shares
        self.dropped_steps += event.dropped_steps
        self.recent.extend(episode.progress / 100.0 for episode in event.episodes)
        if event.return_mean is not None:
            self.return_mean = event.return_mean
        if event.completion_mean is not None:
            self.completions.append(event.completion_mean)
        for episode in event.episodes:
            if episode.lap_time_s is not None:
                self.laps += 1
                self.last_lap_s = episode.lap_time_s
                self._note_lap(episode.lap_time_s)

    def _note_lap(self, lap_time_s: float | None) -> None:
        if lap_time_s is not None and (self.best_lap_s is None or lap_time_s < self.best_lap_s):
            self.best_lap_s = lap_time_s

    @property
    def elapsed_s(self) -> float:
        """Seconds since the command started, by now; with the time before a resume."""
        return self.seconds + time.monotonic() - self.noted_at

    def time_left(self, elapsed_s: float) -> float | None:
        """Seconds until minutes or steps are used up, whichever comes first; None if unlimited."""
        left = []
        if self.stop.minutes is not None:
            left.append(60.0 * self.stop.minutes + self.start_up_s - elapsed_s)
        if self.stop.steps is not None and self.steps_per_s > 0.0:
            left.append((self.stop.steps - self.steps) / self.steps_per_s)
        return max(0.0, min(left)) if left else None

    @property
    def completion(self) -> float | None:
        """Mean progress of the last episodes, 0 to 1; None before the first ended."""
        return sum(self.recent) / len(self.recent) if self.recent else None
