"""What this machine has to give."""

from __future__ import annotations

import os


def available_cores() -> int:
    """How many cores this process may use: those of its affinity mask, where there is one."""
    if hasattr(os, "sched_getaffinity"):  # Linux; a container or taskset may grant fewer
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
