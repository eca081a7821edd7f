"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["ok", "warn", "fail", "unknown"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: What was looked at.
        status: ok; warn: it works, but worse than it could; fail: training will not work; unknown:
            it could not be looked at.
        found: What is there.
        advice: What to do, if anything.
    """

    name: str
    status: Status
    found: str
    advice: str = ""
