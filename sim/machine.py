"""What this machine has to give."""

from __future__ import annotations

import os

import psutil


def available_cores() -> int:
    """How many cores this process may use: those of its affinity mask, where there is one."""
    if hasattr(os, "sched_getaffinity"):  # Linux; a container or taskset may grant fewer
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def used_resources() -> tuple[int, float]:
    """Resident memory of this process, bytes, and CPU time that it has used, seconds."""
    process = psutil.Process()
    times = process.cpu_times()
    return int(process.memory_info().rss), float(times.user + times.system)
