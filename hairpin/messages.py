"""How errors and warnings reach a person."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import traceback

OUR_LOGGERS = ("hairpin", "learner", "rollout_workers", "sim", "storage")


def user_message(error: BaseException) -> str | None:
    """What to tell the user about `error`, or None if it is a fault of ours.

    Errors that a user can mend may come wrapped in Ray's own, from another process.
    """
    from sim.errors import UserError
    from storage.errors import StorageError

    for found in (getattr(error, "cause", None), error, error.__cause__):
        if isinstance(found, UserError):
            return UserError.__str__(found)
        if isinstance(found, StorageError):
            return StorageError.__str__(found)
    return None


def write_traceback(error: BaseException) -> str:
    """Writes the traceback to a new file and returns a line that names it."""
    text = "".join(traceback.format_exception(error))
    said = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ''}"
    said = said.rstrip(": ")
    try:
        descriptor, path = tempfile.mkstemp(prefix="hairpin-error-", suffix=".txt")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f"command: {' '.join(sys.argv)}\n\n{text}")
    except OSError:
        return f"{said}. This is a fault of Hairpin, not yours:\n{text}"
    return f"{said}. This is a fault of Hairpin, not yours; the traceback is in {path}"


class _Handler(logging.Handler):
    """Writes a record as one line to whatever stderr is now: a live view may have replaced it."""

    def emit(self, record: logging.LogRecord) -> None:
        print(f"{record.levelname.lower()}: {record.getMessage()}", file=sys.stderr)


def show_warnings() -> None:
    """Lets warnings of our packages appear on stderr, each as one line."""
    for name in OUR_LOGGERS:
        logger = logging.getLogger(name)
        if not any(isinstance(handler, _Handler) for handler in logger.handlers):
            logger.addHandler(_Handler(logging.WARNING))
            logger.propagate = False
