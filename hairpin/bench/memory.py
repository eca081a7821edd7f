"""How much memory a process and all its descendants use."""

from __future__ import annotations

import re
import threading
import time
from pathlib import Path
from typing import NamedTuple

import psutil

MIB = 2**20
PSS = re.compile(rb"^Pss:\s+(\d+) kB", re.MULTILINE)


class Sample(NamedTuple):
    """Memory at one time."""

    time_s: float
    """Seconds since the watch began."""
    memory_mb: float
    """MiB, of the whole process tree."""


class MemoryWatch:
    """Samples the memory of a process tree in a thread, from entering to leaving the block.

    Args:
        pid: The root of the tree.
        every_s: Seconds between two samples. One costs some 10 ms of a core a GB.
    """

    def __init__(self, pid: int, *, every_s: float = 2.0) -> None:
        self.samples: list[Sample] = []
        self._pid = pid
        self._every_s = every_s
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory-watch", daemon=True)

    def __enter__(self) -> MemoryWatch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    @property
    def peak_mb(self) -> float:
        """The largest sample, MiB; 0.0 without one."""
        return max((sample.memory_mb for sample in self.samples), default=0.0)

    def _watch(self) -> None:
        began = time.monotonic()
        while True:
            self.samples.append(Sample(time.monotonic() - began, tree_mb(self._pid)))
            if self._done.wait(self._every_s):
                return


def tree_mb(pid: int) -> float:
    """Memory of a process and its descendants, MiB.

    Sums the proportional set size where the system tells it (Linux), so that a page shared by
    several processes counts once in all; elsewhere the resident size.
    """
    try:
        root = psutil.Process(pid)
        processes = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    return sum(_process_bytes(process) for process in processes) / MIB


def _process_bytes(process: psutil.Process) -> int:
    try:
        # psutil reads the far longer smaps for the same figure.
        found = PSS.search(Path(f"/proc/{process.pid}/smaps_rollup").read_bytes())
        if found:
            return int(found[1]) * 1024
    except OSError:
        pass  # not Linux, or the process has just ended: the next line knows which
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0
