"""One `hairpin train --json` as a user would start it, watched from outside."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from hairpin.bench.memory import MemoryWatch, Sample
from sim.errors import UserError

STOP_S = 60.0  # a stopped training saves a checkpoint first
STDERR_LINES = 5


@dataclass(frozen=True)
class TimedEvent:
    """A line of the command's output.

    Attributes:
        time_s: When it was read, seconds since the command was started.
        record: The line.
    """

    time_s: float
    record: dict[str, Any]

    @property
    def name(self) -> str:
        """What kind of line it is: started, iteration_done, evaluated, first_lap, result, ..."""
        return str(self.record.get("event"))


@dataclass(frozen=True)
class TrainingRun:
    """What was seen of a training.

    Attributes:
        events: In the order in which they came.
        memory: Samples of the whole process tree.
        peak_rss_mb: The largest of them, MiB; a page that processes share counts once.
    """

    events: list[TimedEvent]
    memory: list[Sample]
    peak_rss_mb: float

    def named(self, name: str) -> list[TimedEvent]:
        """The events of one kind."""
        return [event for event in self.events if event.name == name]


def run_training(
    job: Mapping[str, Any], on_event: Callable[[TimedEvent], None] = lambda event: None
) -> TrainingRun:
    """Runs the command on a job of its own and waits for its end.

    Args:
        job: What the job file says.
        on_event: Told each line as it comes.

    Raises:
        UserError: The command failed; with the end of what it said on stderr.
    """
    with tempfile.TemporaryDirectory(prefix="hairpin-bench-") as name:
        folder = Path(name)
        path = folder / "job.json"
        path.write_text(json.dumps({**job, "storage": str(folder / "runs")}), encoding="utf-8")
        command = [sys.executable, "-m", "hairpin", "train", "--json", str(path)]
        began = time.monotonic()
        events = []
        with (
            (folder / "stderr").open("w+", encoding="utf-8") as stderr,
            _started(command, stderr) as process,
            MemoryWatch(process.pid) as watch,
        ):
            assert process.stdout is not None
            for line in process.stdout:
                event = TimedEvent(time.monotonic() - began, json.loads(line))
                events.append(event)
                on_event(event)
            if process.wait():
                raise UserError(
                    f"hairpin train failed with exit code {process.returncode}: {_tail(stderr)}"
                )
    return TrainingRun(events, watch.samples, watch.peak_mb)


@contextlib.contextmanager
def _started(command: Sequence[str], stderr: IO[str]) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True)
    try:
        yield process
    finally:
        if process.poll() is None:  # we are leaving early: do not leave it behind
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _tail(stderr: IO[str]) -> str:
    stderr.seek(0)
    return " | ".join(stderr.read().strip().splitlines()[-STDERR_LINES:])
