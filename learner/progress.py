"""What a run has come to: the part of the training state that is neither RLlib's nor a network."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal

from learner.events import Evaluated, IterationDone

if TYPE_CHECKING:
    from learner.iteration import Iteration
    from learner.ppo import HairpinPPO

BestBy = Literal["progress", "reward", "lap_time"]
UNFINISHED_S = 999.999  # DeepRacer's lap time of a lap that was not completed
SAMPLING_PHASES = ("physics", "camera", "reward", "inference")


@dataclass
class Progress:
    """Counters and bests; what is not marked as passing goes into checkpoints.

    Attributes:
        laps: Laps completed in training.
        first_lap_s, first_lap_steps: When the first was.
        best: What was compared of the best greedy evaluation, and what decides between equals;
            greater is better, and of equals the later one is the best.
        best_completion, best_lap_s: Its mean progress, 0 to 1, and its fastest lap.
        all_laps: Whether some evaluation has completed every lap.
        evaluated: Steps, completion and fastest lap of the last greedy evaluation.
        seconds_before: Since the run was begun, until the checkpoint that was resumed from.
        trained_before_s: Of those, without the start-up.
        iterated_s: Seconds spent in iterations.
        iterated_steps: Environment steps taken in them.
        trained_s: Seconds of this process's training (passing).
        saved_steps: Steps at the last checkpoint (passing).
    """

    laps: int = 0
    first_lap_s: float | None = None
    first_lap_steps: int | None = None
    best: tuple[float, float] | None = None
    best_completion: float | None = None
    best_lap_s: float | None = None
    all_laps: bool = False
    evaluated: tuple[int, float, float | None] | None = None
    seconds_before: float = 0.0
    trained_before_s: float = 0.0
    iterated_s: float = 0.0
    iterated_steps: int = 0
    trained_s: float = 0.0
    saved_steps: int = -1

    def add(
        self, last: Iteration, algorithm: HairpinPPO, took_s: float, seconds: float
    ) -> IterationDone:
        """Counts an iteration and describes it."""
        self.iterated_s += took_s
        self.iterated_steps += last.steps
        self.laps += sum(episode.lap_time_s is not None for episode in last.episodes)
        count = len(last.episodes)
        return IterationDone(
            iteration=algorithm.iterations,
            steps=algorithm.steps,
            seconds=seconds,
            steps_per_s=last.steps / took_s,
            shares=_shares(last.seconds, took_s),
            episodes=last.episodes,
            return_mean=sum(e.return_ for e in last.episodes) / count if count else None,
            completion_mean=sum(e.progress for e in last.episodes) / (100.0 * count)
            if count
            else None,
            losses=last.losses,
            dropped_steps=last.dropped,
        )

    def is_best(self, evaluated: Evaluated, by: BestBy = "progress") -> bool:
        """Takes note of an evaluation; whether none of those before beats it.

        Args:
            evaluated: The evaluation.
            by: What is compared, see `score`; the same in every call.
        """
        fastest = min(evaluated.lap_times_s, default=None)
        self.evaluated = (evaluated.steps, evaluated.completion, fastest)
        self.all_laps = self.all_laps or evaluated.laps == evaluated.trials
        found = score(evaluated, by)
        if self.best is not None and found < self.best:
            return False
        self.best, self.best_completion, self.best_lap_s = found, evaluated.completion, fastest
        return True

    @property
    def last_evaluation(self) -> tuple[float | None, float | None]:
        """Completion and fastest lap of the last greedy evaluation."""
        return self.evaluated[1:] if self.evaluated else (None, None)

    @property
    def steps_per_s(self) -> float:
        """Over all iterations."""
        return self.iterated_steps / self.iterated_s if self.iterated_s else 0.0

    def to_dict(self, seconds: float) -> dict[str, Any]:
        """What a resumed run needs, JSON-able.

        Args:
            seconds: Since the run was begun.
        """
        kept = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in _PASSING}
        if self.best is not None:
            # JSON knows no infinity: the mean lap time of an evaluation without a lap.
            kept["best"] = [None if number == -float("inf") else number for number in self.best]
        kept["seconds_before"] = seconds
        kept["trained_before_s"] = self.trained_before_s + self.trained_s
        return kept

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Progress:
        """The way back from `to_dict`."""
        progress = cls(**values)
        if progress.best is not None:
            first, second = (-float("inf") if n is None else n for n in progress.best)
            progress.best = (first, second)
            if progress.best_completion is None:  # kept before there was another way to compare
                progress.best_completion, progress.all_laps = first, first >= 1.0
        if progress.evaluated is not None:
            steps, completion, fastest = progress.evaluated
            progress.evaluated = (steps, completion, fastest)
        return progress


_PASSING = ("trained_s", "saved_steps")


def score(evaluated: Evaluated, by: BestBy) -> tuple[float, float]:
    """What is compared of an evaluation, and what decides between equals; greater is better.

    Args:
        evaluated: The evaluation.
        by: ``progress``: mean progress, and of equals the mean time of the laps; ``reward``: mean
            return; ``lap_time``: mean lap time, an unfinished lap counting `UNFINISHED_S`, and of
            equals the mean progress.
    """
    times = evaluated.lap_times_s
    if by == "reward":
        return evaluated.return_mean, 0.0
    if by == "lap_time":
        unfinished_s = UNFINISHED_S * (evaluated.trials - len(times))
        return -(sum(times) + unfinished_s) / evaluated.trials, evaluated.completion
    return evaluated.completion, -sum(times) / len(times) if times else -float("inf")


def _shares(seconds: dict[str, float], took_s: float) -> dict[str, float]:
    """Fractions of an iteration by phase; what no phase claims, waiting included, is ``other``."""
    shares = {phase: seconds.get(phase, 0.0) / took_s for phase in SAMPLING_PHASES}
    shares["learning"] = seconds["learning"] / took_s
    shares["sync"] = seconds["sync"] / took_s
    shares["other"] = max(0.0, 1.0 - sum(shares.values()))
    return shares
