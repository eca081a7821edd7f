"""Where runs are kept, and what a user calls them."""

from __future__ import annotations

import os

DEFAULT_STORAGE = "runs"


def storage_url(given: str | None) -> str:
    """What was given, else $HAIRPIN_STORAGE, else ./runs."""
    return given or os.environ.get("HAIRPIN_STORAGE") or DEFAULT_STORAGE


def split_reference(reference: str) -> tuple[str, str | None]:
    """Splits ``RUN@best`` into run and checkpoint; None if no checkpoint is named."""
    run, at, checkpoint = reference.partition("@")
    return run, checkpoint if at else None
