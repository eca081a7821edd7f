"""Keeps the terminal for what the command has to say."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator


def import_pybullet_quietly() -> None:
    """Imports PyBullet without the line about its build that its C code writes."""
    if "pybullet" in sys.modules:
        return
    with _descriptors_to(os.devnull):
        import pybullet  # noqa: F401


@contextlib.contextmanager
def _descriptors_to(path: str) -> Iterator[None]:
    """Sends what is written to stdout and stderr, also by C code, to the file at `path`."""
    _flush()
    kept = {descriptor: os.dup(descriptor) for descriptor in (1, 2)}
    sink = os.open(path, os.O_WRONLY)
    try:
        for descriptor in kept:
            os.dup2(sink, descriptor)
        yield
        _flush()
    finally:
        for descriptor, copy in kept.items():
            os.dup2(copy, descriptor)
            os.close(copy)
        os.close(sink)


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    with contextlib.suppress(OSError, AttributeError):  # no libc of that name
        ctypes.CDLL(None).fflush(None)
