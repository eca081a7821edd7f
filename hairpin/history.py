"""A run's history as curves: what `training.png` draws and the lists of runs sum up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Series:
    """A quantity over a training.

    Attributes:
        steps: (n,) environment steps.
        seconds: (n,) seconds since the command started; of a resumed run, of training in all.
        values: (n,) the quantity; NaN where there is none.
    """

    steps: Array
    seconds: Array
    values: Array

    @classmethod
    def of(cls, rows: Sequence[tuple[float, float, float | None]]) -> Series:
        """Makes a series of (steps, seconds, value) rows."""
        table = np.array(
            [
                (steps, seconds, np.nan if value is None else value)
                for steps, seconds, value in rows
            ],
            dtype=np.float64,
        ).reshape(-1, 3)
        return cls(table[:, 0], table[:, 1], table[:, 2])

    def against(self, what: str) -> Array:
        """The ``steps`` or the ``seconds``."""
        return self.steps if what == "steps" else self.seconds


@dataclass(frozen=True, eq=False)
class Curves:
    """What a history says.

    Attributes:
        returns: Mean return of an iteration's episodes.
        completion: Mean progress of an iteration's episodes, 0 to 1.
        laps: Times of the laps completed while exploring, s.
        greedy_completion: Completion of greedy evaluations, 0 to 1.
        greedy_laps: The best lap of each greedy evaluation, s.
        best_evaluation: Index of the best greedy evaluation; None before the first.
        first_lap: Steps and seconds at the first lap; None before it.
    """

    returns: Series
    completion: Series
    laps: Series
    greedy_completion: Series
    greedy_laps: Series
    best_evaluation: int | None
    first_lap: tuple[float, float] | None

    @classmethod
    def of(cls, history: Iterable[Mapping[str, Any]]) -> Curves:
        """Reads the records of `storage.Run.history`."""
        records = without_lost_work(history)
        iterations = [r for r in records if r["event"] == "iteration_done"]
        evaluations = [r for r in records if r["event"] == "evaluated"]
        laps = [
            (r["steps"], r["seconds"], lap_time_s)
            for r in iterations
            for lap_time_s in r["lap_times_s"]
        ]
        greedy_laps = [
            (r["steps"], r["seconds"], min(r["lap_times_s"], default=None)) for r in evaluations
        ]
        best = [index for index, r in enumerate(evaluations) if r["best"]]
        return cls(
            returns=_series(iterations, "return_mean"),
            completion=_series(iterations, "completion_mean"),
            laps=Series.of(laps),
            greedy_completion=_series(evaluations, "completion"),
            greedy_laps=Series.of(greedy_laps),
            best_evaluation=best[-1] if best else None,
            first_lap=(laps[0][0], laps[0][1]) if laps else None,
        )

    @property
    def last_step(self) -> int:
        """Environment steps so far."""
        return int(max([*self.returns.steps, *self.greedy_completion.steps], default=0))

    @property
    def last_second(self) -> float:
        """Seconds so far."""
        return float(max([*self.returns.seconds, *self.greedy_completion.seconds], default=0.0))

    @property
    def best_completion(self) -> float | None:
        """Completion of the best greedy evaluation."""
        if self.best_evaluation is None:
            return None
        return float(self.greedy_completion.values[self.best_evaluation])

    @property
    def best_greedy_lap_s(self) -> float | None:
        """The best lap of the best greedy evaluation."""
        if self.best_evaluation is None:
            return None
        value = float(self.greedy_laps.values[self.best_evaluation])
        return None if np.isnan(value) else value


def without_lost_work(history: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Drops what a killed training did after the checkpoint from which it was resumed.

    Steps only grow while training; where they fall back, a resumed run does those steps again.
    """
    kept: list[Mapping[str, Any]] = []
    for record in history:
        if "event" not in record or "steps" not in record:
            continue
        while kept and kept[-1]["steps"] > record["steps"]:
            kept.pop()
        kept.append(record)
    return kept


def _series(records: Sequence[Mapping[str, Any]], key: str) -> Series:
    return Series.of([(r["steps"], r["seconds"], r[key]) for r in records])
