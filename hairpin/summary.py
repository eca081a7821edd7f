"""A run in a few numbers, from what is stored of it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from hairpin.history import Curves
from storage import DamagedError, NotFoundError, Run

RESULT_NAME = "result.json"


@dataclass(frozen=True)
class Summary:
    """What a list of runs says of one.

    Attributes:
        run: Its name.
        folder: Where it is.
        created: When it was begun, ISO 8601 UTC.
        state: running, finished (it came to its end), or stopped (killed; can be resumed).
        track: What it drives on, as the job said.
        steps: Environment steps.
        seconds: Of training.
        completion: The best greedy evaluation, 0 to 1.
        best_lap_s: The best greedy lap.
    """

    run: str
    folder: str
    created: str
    state: str
    track: str
    steps: int
    seconds: float
    completion: float | None
    best_lap_s: float | None

    def as_dict(self) -> dict[str, Any]:
        """The numbers as JSON-able values."""
        return asdict(self)


def summarise(run: Run) -> Summary:
    """Reads the numbers; what is missing or damaged is left out."""
    about = run.about()
    curves = Curves.of(run.history())
    result = result_of(run)
    ended = "finished" if result else "stopped"
    return Summary(
        run=run.name,
        folder=run.url,
        created=str(about.get("created", "")),
        state="running" if run.is_being_written() else ended,
        track=str(about.get("track", "")),
        steps=max(curves.last_step, int(result.get("steps", 0))),
        seconds=max(curves.last_second, float(result.get("seconds", 0.0))),
        completion=result.get("completion", curves.best_completion),
        best_lap_s=result.get("best_lap_s", curves.best_greedy_lap_s),
    )


def result_of(run: Run) -> dict[str, Any]:
    """What the run ended with; empty if it has not ended."""
    try:
        return run.read_json(RESULT_NAME)
    except (NotFoundError, DamagedError):
        return {}
