"""Keeps what waits for a store within its bounds, on disk and in memory."""

from __future__ import annotations

import logging

from storage import layout
from storage.ledger import Ledger
from storage.local_copies import named_checkpoints
from storage.mirror import Mirror

logger = logging.getLogger(__name__)

MEMORY_BYTES = 64 * 2**20  # for files other than checkpoints, when the disk takes none


class Room:
    """Drops what can best be done without when there is too much.

    Args:
        ledger: What waits; held by the caller of every method.
        mirror: Where it is.
        limit_bytes: How much may wait.
    """

    def __init__(self, ledger: Ledger, mirror: Mirror, limit_bytes: int) -> None:
        self._ledger, self._mirror, self._limit = ledger, mirror, limit_bytes
        self._run = ""
        self._told_of_files = False

    def begin(self, run: str) -> None:
        """From now on it is about the files of `run`."""
        self._run = run

    def make(self) -> None:
        """Drops the oldest checkpoints, neither the newest nor one with an alias, then traces."""
        if self._ledger.spool_bytes > self._limit:
            for name in self._droppable():
                self._drop(name, f"more than {self._limit / 1e6:.0f} MB wait for the store")
                if self._ledger.spool_bytes <= self._limit:
                    return
            self._drop_files(self._ledger.spool_bytes - self._limit, self._ledger.dirty)
        memory = self._mirror.in_memory()
        if not memory:
            return
        for name in self._droppable():
            if any(layout.checkpoint_of(key) == name for key in memory):
                self._drop(name, "the disk takes no files")
        others = {k: size for k, size in memory.items() if not layout.checkpoint_of(k)}
        self._drop_files(sum(others.values()) - MEMORY_BYTES, others)

    def _droppable(self) -> list[str]:
        names = [name for name, _ in self._ledger.waiting_checkpoints()]
        named = named_checkpoints(self._ledger, self._mirror)
        return [name for name in names[:-1] if name not in named]

    def _drop(self, checkpoint: str, why: str) -> None:
        folder = f"{layout.checkpoints(self._run)}/{checkpoint}"
        for key in [key for key in self._ledger.local if key.startswith(f"{folder}/")]:
            self._ledger.forget(key)
        self._mirror.delete_all(folder)
        self._ledger.dropped_checkpoints += 1
        logger.warning("the checkpoint %s of the run %s is dropped: %s", checkpoint, self._run, why)

    def _drop_files(self, too_much: int, among: dict[str, int]) -> None:
        """Drops the oldest files in folders of the run: traces, videos of evaluations."""
        for key in list(among):
            if too_much <= 0:
                return
            if key.count("/") < 2 or layout.checkpoint_of(key) or layout.alias_of(key):
                continue
            too_much -= self._ledger.local.get(key, 0)
            self._ledger.forget(key)
            self._mirror.delete(key)
            if not self._told_of_files:
                self._told_of_files = True
                logger.warning(
                    "the oldest traces of the run %s are dropped: too much waits for the store",
                    self._run,
                )
