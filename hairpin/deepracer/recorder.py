"""Keeps a run as DeepRacer's tools read a model folder: traces, metrics, metadata.

The files are written by a thread of their own, so that no iteration waits for a disk.
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from hairpin.deepracer.checkpoint_list import CheckpointList
from hairpin.deepracer.metrics import MAX_ENTRIES, Metrics
from hairpin.deepracer.trace_files import TraceFiles
from hairpin.deepracer.training_files import training_files
from hairpin.deepracer.training_log import TrainingLog
from hairpin.job import Job, usual_workers
from learner.events import CheckpointSaved, Driven, Evaluated, Event
from storage import Run, StorageError

METRICS_EVERY_S = 60.0  # the file is written as a whole
DROPPED = "dropped_traces.json"
_WAITING = 8  # iterations; a disk that is slower than the cars holds them up


Noted = Driven | Evaluated | CheckpointSaved


class Recorder:
    """Is told the episodes of a training and writes the files; a context manager.

    Args:
        job: What is trained.
        run: Where the files go.
        say: Told once, for people, when something had to be left out.

    Raises:
        StorageError: On entering: the store refuses.
    """

    def __init__(self, job: Job, run: Run, *, say: Callable[[str], None]) -> None:
        self._job, self._run, self._say = job, run, say
        self._workers = job.workers or usual_workers()
        self._queue: queue.Queue[Noted | None] = queue.Queue(_WAITING)
        self._thread = threading.Thread(target=self._work, name="traces", daemon=True)
        self._failure: Exception | None = None
        self._metrics: dict[int, Metrics] = {}
        self._log: TrainingLog | None = None
        self._begun = False
        self._told = False

    def __enter__(self) -> Recorder:
        if self._job.trace.enabled:
            for name, data in training_files(self._job, self._workers).items():
                self._run.put_file(name, data)
            self._checkpoints = CheckpointList(self._run, self._job.evaluate.best_by)
            self._files = TraceFiles(self._run, self._job.trace, self._workers)
            if self._job.trace.log:
                self._log = TrainingLog(self._run, self._job, self._workers)
            self._written_at = time.monotonic()
            self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        if self._thread.is_alive():
            self._queue.put(None)
            self._thread.join()
        self._complain()

    def note(self, event: Event) -> None:
        """Takes up what matters here; returns at once unless the disk is far behind."""
        if not self._job.trace.enabled or not isinstance(event, Noted):
            return
        self._complain()
        self._queue.put(event)

    def wait(self) -> None:
        """Waits until everything noted so far is written."""
        self._queue.join()

    def _work(self) -> None:
        while (event := self._queue.get()) is not None:
            if self._failure is None:
                self._try(partial(self._take, event))
            self._queue.task_done()
        if self._failure is None:
            self._try(self._write_metrics)

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except Exception as error:  # told in the main thread, by the next `note`
            self._failure = error

    def _take(self, event: Noted) -> None:
        if isinstance(event, Driven):
            self._write(event)
        elif isinstance(event, Evaluated):
            self._checkpoints.evaluated(event)
        else:
            self._checkpoints.saved(event)

    def _write(self, event: Driven) -> None:
        if not self._begun:
            self._begun = True
            self._take_up(event)
        for worker, driven in event.workers.items():
            index = max(0, worker - 1)
            metrics = self._metrics.setdefault(index, self._empty())
            metrics.note(driven, event.phase, self._job.control_hz)
            if lines := b"".join(driven.trace):
                self._files.write(index, event.iteration - 1, lines)
        if self._log is not None:
            self._log.note(event)
        if time.monotonic() - self._written_at >= METRICS_EVERY_S:
            self._write_metrics()
        self._tell_dropped()

    def _take_up(self, event: Driven) -> None:
        """Goes on with the files of an earlier process up to the checkpoint gone on from."""
        self._files.forget_from(event.iteration - 1)
        for worker, driven in event.workers.items():
            index = max(0, worker - 1)
            self._metrics[index] = metrics = self._empty()
            if self._run.has_file(_metrics_name(index)):
                metrics.take_up(self._run.read_json(_metrics_name(index)))
                metrics.forget_after(driven.first)

    def _write_metrics(self) -> None:
        for index, metrics in self._metrics.items():
            self._run.put_file(_metrics_name(index), metrics.as_json())
        self._written_at = time.monotonic()
        if any(self._dropped().values()):
            self._run.put_file(DROPPED, (json.dumps(self._dropped(), indent=2) + "\n").encode())

    def _dropped(self) -> dict[str, Any]:
        files, size = self._files.removed
        return {
            "trace_files": files,
            "trace_bytes": size,
            "metrics_entries": sum(metrics.dropped for metrics in self._metrics.values()),
            "logs": self._log.dropped if self._log else 0,
        }

    def _tell_dropped(self) -> None:
        if not self._told and any(self._dropped().values()):
            self._told = True
            self._say(
                f"the oldest traces are being removed: more than trace.max_mb "
                f"({self._job.trace.max_mb:g} MB), or than {MAX_ENTRIES:,} episodes of metrics; "
                f"{DROPPED} in the run says how many"
            )

    def _empty(self) -> Metrics:
        return Metrics(self._job.evaluate.best_by)

    def _complain(self) -> None:
        if isinstance(self._failure, StorageError):
            raise self._failure
        if self._failure is not None:
            raise RuntimeError("traces could not be written") from self._failure


def _metrics_name(index: int) -> str:
    return f"metrics/TrainingMetrics{f'_{index}' if index else ''}.json"
