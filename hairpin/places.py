"""Where runs are kept, and what a user calls them."""

from __future__ import annotations

import os
from pathlib import Path

DEFAULT_STORAGE = "runs"


def storage_url(given: str | None) -> str:
    """What was given, else $HAIRPIN_STORAGE, else ./runs."""
    return given or os.environ.get("HAIRPIN_STORAGE") or DEFAULT_STORAGE


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
