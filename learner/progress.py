"""What a run has come to: the part of the training state that is neither RLlib's nor a network."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from learner.events import Evaluated, IterationDone

if TYPE_CHECKING:
    from learner.ppo import HairpinPPO, Iteration

SAMPLING_PHASES = ("physics", "camera", "reward", "inference")


@dataclass
class Progress:
    """Counters and bests; what is not marked as passing goes into checkpoints.

    Attributes:
        laps: Laps completed in training.
        first_lap_s, first_lap_steps: When the first was.
        best: Completion and negated mean lap time of the best greedy evaluation; greater is better.
        best_lap_s: The fastest lap of that evaluation.
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
    best_lap_s: float | None = None
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
        )

    def is_best(self, evaluated: Evaluated) -> bool:
        """Takes note of an evaluation; whether it beats those before."""
        times = evaluated.lap_times_s
        fastest = min(times, default=None)
        self.evaluated = (evaluated.steps, evaluated.completion, fastest)
        mean = sum(times) / len(times) if times else float("inf")
        score = (evaluated.completion, -mean)
        if self.best is not None and score <= self.best:
            return False
        self.best, self.best_lap_s = score, fastest
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
            # JSON knows no infinity: the score of an evaluation without a lap.
            lap = None if self.best[1] == -float("inf") else self.best[1]
            kept["best"] = [self.best[0], lap]
        kept["seconds_before"] = seconds
        kept["trained_before_s"] = self.trained_before_s + self.trained_s
        return kept

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Progress:
        """The way back from `to_dict`."""
        progress = cls(**values)
        if progress.best is not None:
            completion, lap = progress.best
            progress.best = (completion, -float("inf") if lap is None else lap)
        if progress.evaluated is not None:
            steps, completion, fastest = progress.evaluated
            progress.evaluated = (steps, completion, fastest)
        return progress


_PASSING = ("trained_s", "saved_steps")


def _shares(seconds: dict[str, float], took_s: float) -> dict[str, float]:
    """Fractions of an iteration by phase; what no phase claims, waiting included, is ``other``."""
    shares = {phase: seconds.get(phase, 0.0) / took_s for phase in SAMPLING_PHASES}
    shares["learning"] = seconds["learning"] / took_s
    shares["sync"] = seconds["sync"] / took_s
    shares["other"] = max(0.0, 1.0 - sum(shares.values()))
    return shares
