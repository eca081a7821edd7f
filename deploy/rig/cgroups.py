"""The cluster's share of the machine's control groups, in either version of them."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
UNIFIED = ROOT / "cgroup.controllers"  # there in version 2 only
REMOVE_TIMEOUT_S = 10.0


def make(name: str) -> None:
    """Makes a group in every hierarchy."""
    for hierarchy in _hierarchies():
        if UNIFIED.exists() or not (hierarchy / UNIFIED.name).exists():
            (hierarchy / name).mkdir(exist_ok=True)
    if UNIFIED.exists():
        wanted = " ".join(f"+{controller}" for controller in UNIFIED.read_text().split())
        for group in (ROOT, ROOT / name):
            (group / "cgroup.subtree_control").write_text(wanted)
        return
    for resource in ("cpuset.cpus", "cpuset.mems"):  # those of a new group are empty
        (ROOT / "cpuset" / name / resource).write_text((ROOT / "cpuset" / resource).read_text())


def remove(name: str) -> None:
    """Removes a group, and those below it, in every hierarchy; no process is in them any more."""
    deadline = time.monotonic() + REMOVE_TIMEOUT_S
    while groups := found(name):
        for group in groups:
            for folder, _, _ in os.walk(group, topdown=False):
                with contextlib.suppress(OSError):  # a group is busy until its last process is gone
                    os.rmdir(folder)
        if time.monotonic() > deadline:
            return
        time.sleep(0.05)


def found(name: str) -> list[Path]:
    """The group's folders that are there."""
    return [path for hierarchy in _hierarchies() if (path := hierarchy / name).is_dir()]


def _hierarchies() -> list[Path]:
    if UNIFIED.exists():
        return [ROOT]
    # Version 1 has a hierarchy for each controller, names some twice by links, and may have version
    # 2 beside them, without controllers.
    return [path for path in sorted(ROOT.iterdir()) if path.is_dir() and not path.is_symlink()]
