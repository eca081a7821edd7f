"""A training under observation: what it says, how fast it is, and the processes it consists of."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

RATE_OVER = 5  # iterations; a single one is too noisy to judge by


class Training:
    """`hairpin train` in a process of its own.

    Args:
        arguments: Of `hairpin train`; ``--json`` is added.
        env: Its environment.
        log: Where all that it says to people is kept.
        wrapper: A command that runs it, for example in a namespace of its own.

    Attributes:
        resumed_from: The checkpoint that it went on from.
        iterations: When (monotonic seconds), and the iteration's record.
        checkpoints: The names of the checkpoints that it has written.
        lines: When, and what it said: to people, and of its events all but iterations.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        env: dict[str, str],
        log: Path,
        wrapper: Sequence[str] = (),
    ) -> None:
        self.iterations: list[tuple[float, dict[str, Any]]] = []
        self.checkpoints: list[str] = []
        self.lines: list[tuple[float, str]] = []
        self.resumed_from: str | None = None
        self._log = log.open("a")
        self._process = subprocess.Popen(
            [*wrapper, sys.executable, "-m", "hairpin", "train", *arguments, "--json"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._readers = [
            threading.Thread(target=self._read_events, daemon=True),
            threading.Thread(target=self._read_lines, daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def steps(self) -> int:
        """Environment steps so far."""
        return int(self.iterations[-1][1]["steps"]) if self.iterations else 0

    def rate(self, since: float = 0.0) -> float:
        """Median environment steps a second of the last iterations that ended after `since`."""
        found = [record["steps_per_s"] for at, record in self.iterations if at > since]
        return statistics.median(found[-RATE_OVER:]) if len(found) >= RATE_OVER else 0.0

    def wait_for(self, what: str, condition: Callable[[], bool], timeout_s: float) -> float:
        """Waits until `condition` holds; returns how long that took, seconds.

        Raises:
            TimeoutError: It did not hold in time.
            RuntimeError: The training ended meanwhile.
        """
        began = time.monotonic()
        while not condition():
            if self._process.poll() is not None:
                raise RuntimeError(f"the training ended while waiting for {what}:\n{self.tail()}")
            if time.monotonic() - began > timeout_s:
                raise TimeoutError(f"no {what} within {timeout_s:.0f} s:\n{self.tail()}")
            time.sleep(0.2)
        return time.monotonic() - began

    def said(self, since: float) -> list[str]:
        """What it said to people since then."""
        return [line for at, line in self.lines if at >= since]

    def tail(self) -> str:
        """The last lines it said."""
        return "\n".join(line for _, line in self.lines[-15:])

    def processes(self, title: str) -> list[psutil.Process]:
        """Its processes whose command line contains `title`."""
        found = []
        for process in self.driver.children(recursive=True):
            try:
                if title in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.NoSuchProcess:
                continue
        return found

    @property
    def driver(self) -> psutil.Process:
        """The process that learns and leads the others."""
        return psutil.Process(self._process.pid)

    def kill(self) -> None:
        """Ends the driver at once, as the kernel does when memory runs out."""
        self._process.kill()
        self._process.wait()

    def stop(self, timeout_s: float) -> int:
        """Asks it to end as Ctrl-C does, and returns its exit code."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
                raise TimeoutError(f"it did not stop:\n{self.tail()}") from None
        for reader in self._readers:
            reader.join()
        return self._process.returncode

    def _read_events(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            record = json.loads(line)
            if record["event"] == "started":
                self.resumed_from = record["resumed_from"]
            elif record["event"] == "iteration_done":
                self.iterations.append((time.monotonic(), record))
                continue
            elif record["event"] == "checkpoint_saved":
                self.checkpoints.append(record["name"])
            self.lines.append((time.monotonic(), line.rstrip()))

    def _read_lines(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.lines.append((time.monotonic(), line.rstrip()))
            self._log.write(line)
            self._log.flush()
