"""Events as JSON-able records: the lines of ``--json``, and of a run's history."""

from __future__ import annotations

import math
import re
from dataclasses import fields
from typing import Any

from learner.events import Event, IterationDone


def as_record(event: Event) -> dict[str, Any]:
    """An event's numbers under its name, for example ``{"event": "first_lap", "steps": ...}``.

    The episodes of an iteration become their number, ``lap_times_s`` and ``end_reasons``.
    """
    record: dict[str, Any] = {"event": snake_case(type(event).__name__)}
    for field in fields(event):
        record[field.name] = _plain(getattr(event, field.name))
    if isinstance(event, IterationDone):
        laps = [episode.lap_time_s for episode in event.episodes]
        reasons = [episode.end_reason for episode in event.episodes]
        record["episodes"] = len(event.episodes)
        record["lap_times_s"] = [lap for lap in laps if lap is not None]
        record["end_reasons"] = {reason: reasons.count(reason) for reason in sorted(set(reasons))}
    return record


def snake_case(name: str) -> str:
    """Writes IterationDone as iteration_done."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):  # JSON has no such numbers
        return None
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    return value
