"""TrainingMetrics.json: an entry for every episode, as DeepRacer's tools read it."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Mapping
from typing import Any, Literal

from learner.events import DrivenEpisodes
from sim.episode import Episode

MAX_ENTRIES = 20_000  # 4 MB; the file is written as a whole
VERSION = 2.0
BEST_BY = {"progress": "progress", "reward": "reward", "lap_time": "laptime"}
STATUS = {
    "lap_complete": "Lap complete",
    "off_track": "Off track",
    "crashed": "Crashed",
    "immobilized": "Immobilized",
    "reversed": "Reversed",
    "time_up": "Time Up",
}


class Metrics:
    """The entries of one worker; the oldest are dropped when there are too many.

    Args:
        best_by: What decides which model is the best, see `learner.settings.EvaluateSettings`.

    Attributes:
        dropped: How many entries were.
    """

    def __init__(self, best_by: str = "progress") -> None:
        self.best_by = best_by
        self.dropped = 0
        self._entries: deque[dict[str, Any]] = deque()
        self._last_ms = 0

    def note(
        self, driven: DrivenEpisodes, phase: Literal["training", "evaluation"], control_hz: int
    ) -> None:
        """Adds the episodes of an iteration or of an evaluation."""
        for index, episode in enumerate(driven.episodes):
            took_ms = _elapsed_ms(episode, control_hz)
            start_ms = self._last_ms
            if driven.spans_s:
                start_ms = round(1000.0 * driven.spans_s[index][0])
            if phase == "training":
                self._last_ms = max(self._last_ms, start_ms + took_ms)
            self._entries.append(
                {
                    "reward_score": round(episode.return_),
                    "metric_time": start_ms + took_ms,
                    "start_time": start_ms,
                    "elapsed_time_in_milliseconds": took_ms,
                    "episode": driven.first + index + 1 if phase == "training" else driven.first,
                    "trial": index + 1,
                    "phase": phase,
                    "completion_percentage": int(episode.progress),
                    "episode_status": STATUS[episode.end_reason],
                }
            )
        while len(self._entries) > MAX_ENTRIES:
            self._entries.popleft()
            self.dropped += 1

    def forget_after(self, episodes: int) -> None:
        """Drops what came after the first so many training episodes: it is driven again."""
        self._entries = deque(entry for entry in self._entries if entry["episode"] <= episodes)

    def as_json(self) -> bytes:
        """The file."""
        content = {
            "metrics": list(self._entries),
            "version": VERSION,
            "best_model_metric": BEST_BY[self.best_by],
        }
        return json.dumps(content).encode()

    def take_up(self, content: Mapping[str, Any]) -> None:
        """Begins with the entries of a file, as a resumed run does."""
        self._entries = deque(content.get("metrics", []))
        self._last_ms = max((entry["metric_time"] for entry in self._entries), default=0)


def _elapsed_ms(episode: Episode, control_hz: int) -> int:
    elapsed_s = episode.lap_time_s
    return round(1000.0 * (episode.steps / control_hz if elapsed_s is None else elapsed_s))
