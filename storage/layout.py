"""Where the things of a run are: the keys that more than one module has to know."""

from __future__ import annotations

import re
from collections.abc import Iterable

MANIFEST = "manifest.json"
TENANTS, WORKSHOP = NO_RUNS = "tenants", "workshop"  # folders beside runs: of many users' storage


def checkpoints(run: str) -> str:
    """The folder of a run's checkpoints."""
    return f"{run}/checkpoints"


def aliases(run: str) -> str:
    """The folder of a run's aliases."""
    return f"{run}/aliases"


def lock(run: str) -> str:
    """The folder of a run's lock."""
    return f"{run}/lock"


def checkpoint_key(run: str, checkpoint: str, file: str) -> str:
    """The key of a checkpoint's part or manifest."""
    return f"{run}/checkpoints/{checkpoint}/{file}"


def checkpoint_of(key: str) -> str | None:
    """The checkpoint that `key` is of, if it is of one."""
    match = re.fullmatch(r"[^/]+/checkpoints/([^/]+)/.+", key)
    return match[1] if match else None


def alias_of(key: str) -> str | None:
    """The alias that `key` is, if it is one."""
    match = re.fullmatch(r"[^/]+/aliases/([^/]+)", key)
    return match[1] if match else None


def is_lock(key: str) -> bool:
    """Whether `key` says who writes a run."""
    return re.fullmatch(r"[^/]+/lock(/[^/]+)?", key) is not None


def newest_number(names: Iterable[str]) -> int:
    """The highest of the numbered entries of a lock, by their names; 0 if there is none."""
    return max((int(name) for name in names if name.isdecimal()), default=0)
