"""What a benchmark ran on, and how to hold it to one core."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import platform
from collections.abc import Iterator
from pathlib import Path

# What decides how fast a small network is on a CPU.
NOTABLE_CPU_FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16")


def describe(*packages: str) -> dict[str, object]:
    """Names the processor, the usable cores and the versions of some packages.

    Args:
        packages: Distribution names; one that is not installed is left out.
    """
    versions = {"python": platform.python_version()}
    for package in packages:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[package] = importlib.metadata.version(package)
    return {
        "cores": len(usable_cores()),
        "cpu": _cpu_field("model name") or platform.processor() or platform.machine(),
        "cpu_flags": [f for f in NOTABLE_CPU_FLAGS if f in _cpu_field("flags").split()],
        "versions": versions,
    }


def usable_cores() -> list[int]:
    """Numbers of the cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


@contextlib.contextmanager
def one_core() -> Iterator[None]:
    """Holds every thread of this process to one core, where the system can do that.

    Threads that start inside the block inherit it, so build what is to be measured in here.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = {thread: os.sched_getaffinity(thread) for thread in _threads()}
    # The last core: interrupts and the rest of the system favour the first.
    _pin({thread: {usable_cores()[-1]} for thread in before})
    try:
        yield
    finally:
        everywhere = before[os.getpid()]
        _pin({thread: before.get(thread, everywhere) for thread in _threads()})


def _threads() -> list[int]:
    tasks = Path("/proc/self/task")
    return [int(task.name) for task in tasks.iterdir()] if tasks.is_dir() else [os.getpid()]


def _pin(cores: dict[int, set[int]]) -> None:
    for thread, allowed in cores.items():
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            os.sched_setaffinity(thread, allowed)


def _cpu_field(name: str) -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""
