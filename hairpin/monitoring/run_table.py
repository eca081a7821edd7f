"""The runs whose metrics are served: each under a label of its own, until it is forgotten."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from hairpin.monitoring.series import Snapshot

FORGET_AFTER_S = 300.0


@dataclass(frozen=True)
class Origin:
    """Whose metrics they are.

    Attributes:
        name: The run's name.
        key: What tells the run from others of that name, which are kept elsewhere.
        driver: What tells the process that trains it from those that did so before.
        began: When that process began, Unix time in seconds.
    """

    name: str
    key: str
    driver: str
    began: float


@dataclass
class _Entry:
    label: str
    origin: Origin
    snapshot: Snapshot
    at: float


class RunTable:
    """Snapshots by run; for several threads.

    A run that a new process goes on with keeps its label, and the old process's values are gone.
    Two runs of the same name in different places are two: the second is called ``NAME~2``, which
    no run's name can be, as long as it is there.

    Args:
        forget_after_s: So long after its last snapshot a run is forgotten, seconds.
        clock: Tells the time, seconds.
    """

    def __init__(
        self, forget_after_s: float = FORGET_AFTER_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._forget_after_s = forget_after_s
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._lock = threading.Lock()

    def put(self, origin: Origin, snapshot: Snapshot, label: str | None = None) -> str:
        """Takes a run's newest values.

        Args:
            origin: Whose they are. Of two processes that train the same run, the one that began
                later counts.
            snapshot: The values.
            label: What the run was called before, by a table that is gone.

        Returns:
            What it is called.
        """
        with self._lock:
            self._forget()
            entry = self._entries.get(origin.key)
            if entry is None:
                label = self._free_label(origin.name, label)
                self._entries[origin.key] = _Entry(label, origin, snapshot, self._clock())
                return label
            if origin.began >= entry.origin.began:
                entry.origin, entry.snapshot, entry.at = origin, snapshot, self._clock()
            return entry.label

    def snapshots(self) -> dict[str, Snapshot]:
        """The newest values of every run that is not forgotten, by label."""
        with self._lock:
            self._forget()
            return {entry.label: entry.snapshot for entry in self._entries.values()}

    def _forget(self) -> None:
        oldest = self._clock() - self._forget_after_s
        self._entries = {k: entry for k, entry in self._entries.items() if entry.at >= oldest}

    def _free_label(self, name: str, wished: str | None) -> str:
        taken = {entry.label for entry in self._entries.values()}
        labels = itertools.chain([name], (f"{name}~{number}" for number in itertools.count(2)))
        if wished is not None:
            labels = itertools.chain([wished], labels)
        return next(label for label in labels if label not in taken)
