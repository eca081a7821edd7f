"""The memory that a worker and its reward process share: what goes in, and what comes out."""

from __future__ import annotations

import fcntl
import os
import tempfile
import weakref
from mmap import mmap
from pathlib import Path

import numpy as np

from sim.reward_child import HEAD
from sim.reward_inputs import REWARD_INPUT

_ANSWER = np.dtype([("reward", "<f8"), ("code", "<i8")])


class RewardMemory:
    """Shared memory for a batch of cars.

    Args:
        num_cars: How many cars there are in a batch at most.

    Attributes:
        fd: Its nameless file, open as long as this object is there.
        size: Bytes.
        inputs: (n,) of `sim.reward_inputs.REWARD_INPUT`.
        answers: (n,) with a ``reward`` and a ``code``, which is 0 where the call did not fail.
    """

    def __init__(self, num_cars: int) -> None:
        self.size = HEAD.size + num_cars * (REWARD_INPUT.itemsize + _ANSWER.itemsize)
        self.fd = _nameless_file(self.size)
        weakref.finalize(self, os.close, self.fd)
        self._bytes = mmap(self.fd, self.size)
        self.inputs = np.frombuffer(self._bytes, REWARD_INPUT, num_cars, HEAD.size)
        at = HEAD.size + self.inputs.nbytes
        self.answers = np.frombuffer(self._bytes, _ANSWER, num_cars, at)

    def clear_head(self) -> None:
        """For a process that starts: no call runs, and there were none."""
        self._bytes[: HEAD.size] = bytes(HEAD.size)

    def running(self) -> tuple[int, float]:
        """The car whose call is running, and since when; as `sim.reward_child.HEAD`."""
        car, began, *_ = HEAD.unpack_from(self._bytes)
        return car, began

    def use(self) -> tuple[int, float, float]:
        """Calls of the process so far, the seconds in them, and the longest."""
        _, _, calls, seconds, longest_s = HEAD.unpack_from(self._bytes)
        return calls, seconds, longest_s


def _nameless_file(size: int) -> int:
    """A file of zeros to share, which nobody can cut short where the kernel knows how."""
    if hasattr(os, "memfd_create"):
        descriptor = os.memfd_create("hairpin-reward", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(descriptor, size)
        # Memory of a file that the user's code cut short would end this process with SIGBUS.
        fcntl.fcntl(
            descriptor,
            fcntl.F_ADD_SEALS,
            fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL,
        )
        return descriptor
    descriptor, name = tempfile.mkstemp(prefix="hairpin-reward-")
    Path(name).unlink()
    os.ftruncate(descriptor, size)
    return descriptor
