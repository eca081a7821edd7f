"""What no event tells, read when Prometheus is to know it: memory, disk, uploads, video streams."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

from storage import Run

Reading = tuple[str, float, tuple[str, ...]]
"""A metric's name without the prefix, its value, and its labels' values."""
Source = Callable[[], Iterable[Reading]]

UPLOADS = (
    "uploads_total",
    "uploads_pending",
    "upload_failures_total",
    "upload_retries_total",
    "upload_bytes_total",
    "spool_bytes",
    "spool_limit_bytes",
    "spool_dropped_total",
)


def driver() -> Iterable[Reading]:
    """Memory and CPU time of this process."""
    process = psutil.Process()
    times = process.cpu_times()
    yield "driver_memory_bytes", process.memory_info().rss, ()
    yield "driver_cpu_seconds_total", times.user + times.system, ()


def disk(folder: Path) -> Source:
    """Free bytes where `folder` is."""
    return lambda: [("disk_free_bytes", shutil.disk_usage(folder).free, ())]


def uploads(run: Run) -> Source:
    """What waits for the run's store, and how it takes it: a folder takes everything at once."""
    return lambda: [("store_up", 1, ()), *((name, 0, ()) for name in UPLOADS)]
