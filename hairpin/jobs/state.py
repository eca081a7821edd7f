"""A job of a cluster as people and programs see it."""

from __future__ import annotations

import re
import shlex
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from typing import Any

from hairpin.jobs.note import (
    ALLOWED_KEY,
    PLACE_KEY,
    RUN_KEY,
    TENANT_KEY,
    USED_KEY,
    WAITING_KEY,
)

# Exit codes of `submit`, `logs` and `stop`; those of SkyPilot's commands.
FAILED, NOT_FINISHED, NOT_FOUND, CANCELLED = 100, 101, 102, 103

_STATES = {
    "PENDING": "pending",
    "RUNNING": "running",
    "SUCCEEDED": "finished",
    "FAILED": "failed",
    "STOPPED": "cancelled",
}
_EXIT_CODES = {"finished": 0, "failed": FAILED, "cancelled": CANCELLED}
_USERS = re.compile(r"failed with exit code 2\b")  # as Ray says it of a driver
_OURS = re.compile(r"(^|[\s/])hairpin\s+train\b")


@dataclass(frozen=True)
class ClusterJob:
    """A training on a cluster.

    Attributes:
        job: Ray's name of the job.
        run: The run it writes; empty if the command does not say.
        state: pending, waiting (for its turn in a workshop), running, finished, failed or
            cancelled.
        submitted: When, ISO 8601 UTC; empty if not known.
        seconds: Since then, or till its end.
        command: What was submitted.
        problem: Why it failed, in a line; empty if it did not.
        tenant: Whose it is in a workshop; empty if nobody's in particular.
        place: Its place among those that wait, from 1; None if it does not wait.
        waiting: How many wait, as this job was last told.
        used_minutes: What its participant had used of training then, all jobs together.
        allowed_minutes: Of so many; None if there is no limit.
        refused: Whether it failed for a reason that a user can mend.
    """

    job: str
    run: str
    state: str
    submitted: str
    seconds: float
    command: str
    problem: str
    tenant: str = ""
    place: int | None = None
    waiting: int | None = None
    used_minutes: float | None = None
    allowed_minutes: float | None = None
    refused: bool = False

    @property
    def over(self) -> bool:
        """Whether it has come to an end, a good or a bad one."""
        return self.state in _EXIT_CODES

    @property
    def exit_code(self) -> int:
        """What a command that is about this job ends with."""
        return _EXIT_CODES.get(self.state, NOT_FINISHED)

    @property
    def state_text(self) -> str:
        """Its state for people, with the place of one that waits."""
        if self.place is None:
            return self.state
        return f"waiting, {ordinal(self.place)} of {self.waiting}"

    @property
    def minutes_text(self) -> str:
        """What its participant has used, of what they may."""
        if self.used_minutes is None:
            return ""
        of = "" if self.allowed_minutes is None else f" of {self.allowed_minutes:g}"
        return f"{self.used_minutes:.1f}{of}"

    def as_dict(self) -> dict[str, Any]:
        """Everything as JSON-able values."""
        return asdict(self)


def begun_line(run: str, url: str) -> str:
    """What a training says first, when everything that it needs has been found good."""
    return f"run {run} in {url}"


def ordinal(number: int) -> str:
    """1st, 2nd, 3rd, 4th, ..."""
    special = {1: "st", 2: "nd", 3: "rd"} if number % 100 not in (11, 12, 13) else {}
    return f"{number}{special.get(number % 10, 'th')}"


def job_of_details(details: Any, now_s: float) -> ClusterJob | None:
    """Ray's `JobDetails` as a `ClusterJob`; None if it is no training of ours."""
    metadata = details.metadata or {}
    if not details.submission_id:
        return None
    if RUN_KEY not in metadata and not _OURS.search(details.entrypoint):
        return None
    began = details.start_time / 1000.0 if details.start_time else None
    ended = details.end_time / 1000.0 if details.end_time else now_s
    state = _STATES[str(details.status)]
    place = int(metadata.get(PLACE_KEY) or 0) if state == "running" else 0
    return ClusterJob(
        job=details.submission_id,
        run=metadata.get(RUN_KEY) or _run_in(details.entrypoint),
        state="waiting" if place else state,
        submitted=_iso(began),
        seconds=max(0.0, ended - began) if began else 0.0,
        command=details.entrypoint,
        problem=_problem(details.message or "") if state == "failed" else "",
        tenant=metadata.get(TENANT_KEY, ""),
        place=place or None,
        waiting=int(metadata[WAITING_KEY]) if place else None,
        used_minutes=_number(metadata.get(USED_KEY)),
        allowed_minutes=_number(metadata.get(ALLOWED_KEY)),
        refused=state == "failed" and _USERS.search(details.message or "") is not None,
    )


def _number(text: str | None) -> float | None:
    return float(text) if text else None


def _iso(time_s: float | None) -> str:
    if time_s is None:
        return ""
    return datetime.fromtimestamp(time_s, timezone.utc).isoformat(timespec="seconds")


def _run_in(command: str) -> str:
    """The run that a command which was submitted by hand names."""
    try:
        words = shlex.split(command)
    except ValueError:
        return ""
    for option in ("--run", "--resume"):
        for index, word in enumerate(words):
            if word == option and index + 1 < len(words):
                return words[index + 1]
            if word.startswith(f"{option}="):
                return word.partition("=")[2]
    return ""


def _problem(message: str) -> str:
    """The line of Ray's message, which ends with the log, that says most."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    if errors:
        return errors[-1].removeprefix("error: ")
    return lines[-1] if lines else ""
