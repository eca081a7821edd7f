"""deepracer_checkpoints.json: which checkpoint is the best, and which the last."""

from __future__ import annotations

import json
import time
from typing import Any

from learner.events import CheckpointSaved, Evaluated
from learner.progress import BestBy, score
from storage import Run

CHECKPOINTS = "model/deepracer_checkpoints.json"


class CheckpointList:
    """Keeps the file up to date.

    Args:
        run: Where it is; what it says already stays until there is news.
        best_by: What evaluations are compared by.
    """

    def __init__(self, run: Run, best_by: BestBy) -> None:
        self._run = run
        self._best_by = best_by
        self._metric: float | None = None
        self._content: dict[str, Any] = {}
        if run.has_file(CHECKPOINTS):
            self._content = run.read_json(CHECKPOINTS)

    def evaluated(self, event: Evaluated) -> None:
        """Takes note of what the next checkpoint is worth."""
        found, _ = score(event, self._best_by)
        # Percent and milliseconds, as the original counts.
        self._metric = {"progress": 100.0, "reward": 1.0, "lap_time": -1000.0}[
            self._best_by
        ] * found

    def saved(self, event: CheckpointSaved) -> None:
        """Writes the file."""
        entry = {
            "name": event.name,
            "avg_eval_metric": self._metric,
            "time_stamp": time.time(),
        }
        self._content["last_checkpoint"] = entry
        if event.best:
            self._content["best_checkpoint"] = entry
        self._run.put_file(CHECKPOINTS, (json.dumps(self._content, indent=2) + "\n").encode())
