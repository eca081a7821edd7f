"""What no event tells, read when Prometheus is to know it: memory, disk, uploads, video streams."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Protocol

from sim.machine import used_resources
from storage import Run

Reading = tuple[str, float, tuple[str, ...]]
"""A metric's name without the prefix, its value, and its labels' values."""
Source = Callable[[], Iterable[Reading]]


class Stream(Protocol):
    """How a video stream does: whether it is connected, and counts of frames and connections."""

    up: bool
    frames: int
    dropped: int
    connects: int


def driver() -> Iterable[Reading]:
    """Memory and CPU time of this process."""
    memory_bytes, cpu_s = used_resources()
    yield "driver_memory_bytes", memory_bytes, ()
    yield "driver_cpu_seconds_total", cpu_s, ()


def disk(folder: Path) -> Source:
    """Free bytes where `folder` is."""
    return lambda: [("disk_free_bytes", shutil.disk_usage(folder).free, ())]


def uploads(run: Run) -> Source:
    """What waits for the run's store, and how it takes it."""

    def read() -> Iterable[Reading]:
        stats = run.store.stats()
        yield "store_up", stats.up, ()
        yield "uploads_total", stats.uploaded, ()
        yield "uploads_pending", stats.pending, ()
        yield "upload_failures_total", stats.failures, ()
        yield "upload_retries_total", stats.retries, ()
        yield "upload_bytes_total", stats.uploaded_bytes, ()
        yield "spool_bytes", stats.spool_bytes, ()
        yield "spool_limit_bytes", stats.spool_limit_bytes, ()
        yield "spool_dropped_total", stats.dropped_checkpoints, ()
        if stats.published_at is not None:
            yield "checkpoint_published_time_seconds", stats.published_at, ()

    return read


def video(stats: Callable[[], Mapping[str, Stream]]) -> Source:
    """What becomes of the video streams, by name."""

    def read() -> Iterable[Reading]:
        for name, stream in stats().items():
            yield "video_up", stream.up, (name,)
            yield "video_frames_total", stream.frames, (name,)
            yield "video_frames_dropped_total", stream.dropped, (name,)
            yield "video_connects_total", stream.connects, (name,)

    return read
