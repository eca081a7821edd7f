"""What a check of a reward function found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

# The kinds of errors, as DeepRacer's own validation names them.
SYNTAX_ERROR, IMPORT_ERROR, TEST_FAILURE = "SYNTAX_ERROR", "IMPORT_ERROR", "TEST_FAILURE"


@dataclass(frozen=True)
class Finding:
    """One thing to mend, or to think about.

    Attributes:
        type: One of the three names above for errors; for warnings a name of ours.
        message: What is the matter, in a line.
        line: Where in the file, from 1; None if it is nowhere in particular.
        column: Where in the line, from 1.
        fix: What to do about it.
        states: In how many of the tried states it happened; 0 if it was seen in the source.
        example: The first such state, in words.
    """

    type: str
    message: str
    line: int | None = None
    column: int | None = None
    fix: str = ""
    states: int = 0
    example: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-able values; what was seen in the source has no states."""
        said = {key: getattr(self, key) for key in ("type", "message", "line", "column", "fix")}
        if self.states:
            said |= {"states": self.states, "example": self.example}
        return said


@dataclass
class Report:
    """All that a check found.

    Attributes:
        file: The file's path.
        track: The track it was tried on.
        source: The file's text.
        errors: What keeps it from being used.
        warnings: What may be meant so, but often is not.
        states: How many states it was called with.
        rewards: What it returned, of the calls that gave a number.
        seconds: Of each call, in order.
    """

    file: str
    track: str
    source: str
    errors: list[Finding] = field(default_factory=list)
    warnings: list[Finding] = field(default_factory=list)
    states: int = 0
    rewards: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        """Whether a training can use it."""
        return not self.errors

    def add(self, errors: list[Finding], warnings: list[Finding]) -> None:
        """Takes up findings, but only one error a line, and no warning where there is an error."""
        for finding in errors:
            if finding.line is None or finding.line not in {e.line for e in self.errors}:
                self.errors.append(finding)
        lines = {e.line for e in self.errors} - {None}
        self.warnings = [w for w in [*self.warnings, *warnings] if w.line not in lines]
        for found in (self.errors, self.warnings):
            found.sort(key=lambda finding: (finding.line or 0, finding.column or 0))

    def as_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        said: dict[str, Any] = {
            "valid": self.valid,
            "file": self.file,
            "track": self.track,
            "errors": [finding.as_dict() for finding in self.errors],
            "warnings": [finding.as_dict() for finding in self.warnings],
            "states": self.states,
            "reward": None,
            "seconds_per_call": None,
        }
        if self.rewards:
            mean = sum(self.rewards) / len(self.rewards)
            said["reward"] = {"min": min(self.rewards), "mean": mean, "max": max(self.rewards)}
        if self.seconds:
            said["seconds_per_call"] = {
                "first": self.seconds[0],
                "median": self.median_s,
                "max": max(self.seconds[1:], default=self.seconds[0]),
            }
        return said

    @property
    def median_s(self) -> float:
        """The middle one of the calls' times; the first call, which may warm up, is left out."""
        times = sorted(self.seconds[1:]) or self.seconds
        return times[len(times) // 2]
