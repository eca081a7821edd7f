"""One reward process as its parent holds it: started, asked, waited for, and ended."""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import weakref
from pathlib import Path
from typing import Any

from sim import reward_child

FOLDER_PREFIX = "hairpin-reward-"
_STALE_S = 60.0  # a folder is older than this before it counts as left behind
_MAX_ANSWER_BYTES = 8 << 20
# One thread for what numerical libraries the user calls: each would claim address space.
_ENVIRONMENT = {
    "PATH": os.defpath,
    "LANG": "C.UTF-8",
    "PYTHONSAFEPATH": "1",  # the script's folder is no place to import from
    "PYTHONHASHSEED": "0",  # sets are gone through in the same order each time
    **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")},
}
_NOTHING: dict[str, Any] = {}


class Gone(Exception):
    """The process ended, or was too slow and is to be ended."""

    def __init__(self, message: str, *, too_slow: bool = False) -> None:
        super().__init__(message)
        self.too_slow = too_slow


class Child:
    """One process, the pipes to it, and its folder.

    Args:
        setup: What it is told first; see `sim.reward_child`.
        memory_fd: The shared memory's file.
        memory_size: Its size, bytes.

    Attributes:
        loaded: Whether the user's file is known to be imported; kept by the owner.
        folder: Its working folder.
        close: Kills it with all that it started, and removes its folder; also when this object goes
            or this process exits.
    """

    def __init__(self, setup: dict[str, Any], memory_fd: int, memory_size: int) -> None:
        self.loaded = False
        self.folder, lock = own_folder()
        requests, self._requests = os.pipe()
        self._answers, answers = os.pipe()
        lifeline, held = os.pipe()
        words = [str(number) for number in (requests, answers, memory_fd, memory_size, lifeline)]
        try:
            self._process = subprocess.Popen(
                # Not -I, which would not let the hash seed through; the environment is ours anyway.
                [sys.executable, "-s", "-S", "-B", reward_child.__file__, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(requests, answers, memory_fd, lifeline),
                env=_ENVIRONMENT,
                cwd=self.folder,
                start_new_session=True,
            )
        finally:
            os.close(requests)
            os.close(answers)
            os.close(lifeline)
        self._received = bytearray()
        self._poll = select.poll()
        self._poll.register(self._answers, select.POLLIN)
        held_open = (self._requests, self._answers, held, lock)
        self.close = weakref.finalize(
            self, _end, self._process, held_open, self.folder, os.getpid()
        )
        content = json.dumps({**setup, "folder": self.folder}).encode()
        with contextlib.suppress(Gone):  # the first answer tells
            self._write(reward_child.LENGTH.pack(len(content)) + content)

    def send(self, kind: bytes, first: int, count: int, data: bytes = b"") -> None:
        """Sends a request.

        Raises:
            Gone: The process ended.
        """
        self._write(reward_child.REQUEST.pack(kind, first, count) + data)

    def answer(self, limit_s: float, head: Any = None) -> dict[str, Any]:
        """Waits for an answer; with `head`, each call may take `limit_s`, else all of it.

        Raises:
            Gone: The process ended, answered nonsense, or is too slow.
        """
        waiting_since, wait_s = time.monotonic(), limit_s
        while (answer := self._whole_answer()) is None:
            if self._poll.poll(math.ceil(wait_s * 1000.0)):
                part = os.read(self._answers, 1 << 16)
                if not part:
                    raise Gone(self._end_of_process())
                self._received += part
            else:
                now = time.monotonic()
                # A call that has not begun yet waits for a processor; it is not the user's fault.
                began = (head()[1] or now) if head else waiting_since
                if now - began >= limit_s:
                    raise Gone("too slow", too_slow=True)
                wait_s = limit_s - (now - began)
            if time.monotonic() - waiting_since > 100.0 * limit_s:  # but must not last for ever
                raise Gone("too slow", too_slow=True)
        return answer

    def _whole_answer(self) -> dict[str, Any] | None:
        """The next answer, if all of it has come; never waits for what may not come."""
        start = reward_child.LENGTH.size
        if len(self._received) < start:
            return None
        (length,) = reward_child.LENGTH.unpack_from(self._received)
        if not 0 <= length <= _MAX_ANSWER_BYTES:
            raise Gone("it wrote where it has no business")
        if len(self._received) < start + length:
            return None
        data = bytes(self._received[start : start + length])
        del self._received[: start + length]
        if not data:
            return _NOTHING
        try:
            answer = json.loads(data)
        except (ValueError, RecursionError):
            raise Gone("it wrote where it has no business") from None
        if not isinstance(answer, dict):
            raise Gone("it wrote where it has no business")
        return answer

    def _write(self, data: bytes) -> None:
        try:
            left = memoryview(data)
            while left:
                left = left[os.write(self._requests, left) :]
        except OSError:
            raise Gone(self._end_of_process()) from None

    def _end_of_process(self) -> str:
        try:
            code = self._process.wait(timeout=1.0)
        except subprocess.TimeoutExpired:
            return "it closed its pipes"
        if code >= 0:
            return f"exit code {code}"
        with contextlib.suppress(ValueError):
            return f"killed by {signal.Signals(-code).name}"
        return f"killed by signal {-code}"


def own_folder() -> tuple[str, int]:
    """Makes an empty folder for a process, and removes those that killed parents left behind.

    Returns:
        The folder, and a descriptor whose lock says that it is in use.
    """
    remove_stale_folders()
    folder = tempfile.mkdtemp(prefix=FOLDER_PREFIX)
    lock = os.open(folder, os.O_RDONLY)
    with contextlib.suppress(OSError):  # some file systems know no locks; it is then kept for ever
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return folder, lock


def remove_stale_folders(older_than_s: float = _STALE_S) -> None:
    """Removes the folders that no living process has locked."""
    for folder in Path(tempfile.gettempdir()).glob(f"{FOLDER_PREFIX}*"):
        with contextlib.suppress(OSError):  # another's, or just removed
            if time.time() - folder.stat().st_mtime < older_than_s:
                continue
            lock = os.open(folder, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _end(
    process: subprocess.Popen[bytes], descriptors: tuple[int, ...], folder: str, parent: int
) -> None:
    """Kills a process with all that it started, and removes what was its own."""
    if os.getpid() != parent:  # a fork of the parent, which has no say in it
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for descriptor in descriptors:
        os.close(descriptor)
    shutil.rmtree(folder, ignore_errors=True)
