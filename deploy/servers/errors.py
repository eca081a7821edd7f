"""The one class of errors that whoever runs the servers can mend."""

from __future__ import annotations

LINES_SHOWN = 3


class ServerError(Exception):
    """A server cannot be had or cannot run; the text is one line: what, where, what to do."""


def last_lines(text: str, number: int = LINES_SHOWN) -> str:
    """The end of what a program said, as one line."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-number:]) or "it said nothing"
