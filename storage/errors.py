"""What can go wrong with stored things, said so that a person can mend it."""

from __future__ import annotations


class StorageError(Exception):
    """Something could not be stored or read; says what, where, and what to do next.

    Args:
        what: What is wrong, without a full stop at its end.
        where: The folder, address or key it happened at; empty if there is no place to name.
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


class NotFoundError(StorageError):
    """There is nothing under that key or name."""


class DamagedError(StorageError):
    """Something is there, but it is not what was written: a size or a sum differs."""


class UnreachableError(StorageError):
    """The store does not answer, or says that it cannot just now; later it may."""


def _rebuild(kind: type[StorageError], what: str, where: str, fix: str) -> StorageError:
    return kind(what, where=where, fix=fix)
