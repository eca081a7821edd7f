"""Where runs are kept, and what a user calls them."""

from __future__ import annotations

import os
from pathlib import Path

from sim.errors import UserError

DEFAULT_STORAGE = "runs"


def storage_url(given: str | None) -> str:
    """What was given, else $HAIRPIN_STORAGE, else ./runs."""
    return given or os.environ.get("HAIRPIN_STORAGE") or DEFAULT_STORAGE


def variable(name: str) -> str:
    """The value of an environment variable, or what is in the file that it names after an @.

    Such a file is a cluster's (a ConfigMap's) way to change a value while processes run.

    Raises:
        UserError: There is no such file.
    """
    value = os.environ.get(name, "")
    if not value.startswith("@"):
        return value
    try:
        return Path(value[1:]).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UserError(
            f"{value[1:]} cannot be read: {error.strerror}",
            where=f"${name}",
            fix="Name a file that is there, or the value itself.",
        ) from None


def split_reference(reference: str) -> tuple[str, str | None]:
    """Splits ``RUN@best`` into run and checkpoint; None if no checkpoint is named."""
    run, at, checkpoint = reference.partition("@")
    return run, checkpoint if at else None


def looks_like_path(value: str) -> bool:
    """Whether a track or reward is a file's path and not the name of one of ours."""
    return value.endswith((".npy", ".py")) or "/" in value or os.sep in value


def absolute(value: str, base: Path) -> str:
    """The path `value`, taken from `base` if it is relative; addresses stay as they are."""
    if "://" in value:
        return value
    return os.path.abspath(base / Path(value).expanduser())
