"""The one class of errors that a user can cause and mend."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user gave is wrong; says what, where, and what to do next.

    Args:
        what: What is wrong, without a full stop at its end.
        where: The file, line or key it was found at; empty if there is no place to name.
        fix: What to do about it; empty if `what` already says so.

    The command line prints ``str(error)`` as one line and exits with 2.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", fix: str = "") -> None:
        self.what = what
        self.where = where
        self.fix = fix
        super().__init__(str(self))

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}. {self.fix}" if self.fix else text

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments do not survive the default pickling, and errors cross processes.
        return (_rebuild, (type(self), self.what, self.where, self.fix))


def _rebuild(kind: type[UserError], what: str, where: str, fix: str) -> UserError:
    return kind(what, where=where, fix=fix)


def did_you_mean(word: str, known: Iterable[str], count: int = 3) -> str:
    """Names the nearest known words, as a sentence; all of them when nothing is near.

    Args:
        word: What the user wrote.
        known: The words that would have been right.
        count: How many suggestions to make at most.
    """
    choices = sorted(known)
    near = difflib.get_close_matches(word, choices, n=count, cutoff=0.5)
    if near:
        return f"Did you mean {' or '.join(repr(name) for name in near)}?"
    return f"Known: {', '.join(choices)}"
