"""Brings a run's files from this machine to its store, in the background.

There is no list of things to do that could be lost: again and again it is looked what differs
between here and there, and the first difference is mended. A checkpoint goes before other files,
its parts before its manifest, and aliases after what they name; only then is anything deleted.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from storage import layout
from storage.errors import DamagedError, NotFoundError, StorageError
from storage.ledger import Ledger
from storage.local_copies import is_kept, trim
from storage.manifest import CheckpointInfo
from storage.mirror import Mirror
from storage.store import Entry, Store

logger = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0  # whether another process has taken over
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 8.0  # after a failure
AGAIN_S = 5.0  # a file that keeps changing is sent no more often,
AGAIN_BYTES_PER_S = 200e3  # and if it is large less often still


class Uploader(threading.Thread):
    """The thread that does it; `Ledger.stopping` ends it.

    Args:
        run: The run's name.
        ledger: What is to be done; shared.
        mirror: Where the files are.
        store: Where they have to go; raises at once when it does not answer.
        folder: Where a person finds the files meanwhile.
        lock_number: The number under which this process holds the run's lock.
    """

    def __init__(
        self,
        run: str,
        ledger: Ledger,
        mirror: Mirror,
        store: Store,
        folder: Path,
        lock_number: int,
    ) -> None:
        super().__init__(name="uploader", daemon=True)
        self._run, self._ledger, self._mirror, self._store = run, ledger, mirror, store
        self._folder = folder
        self._lock_number = lock_number
        self._looked_at = time.monotonic()
        self._due: dict[str, float] = {}
        self._claim: tuple[str, bytes] | None = None
        self._pause_s = FIRST_PAUSE_S
        self._sent_before = 0

    def claim(self, key: str, data: bytes) -> None:
        """Takes what says that this process still writes the run; sent with the next look."""
        self._claim = key, data

    def run(self) -> None:
        """Works until it is stopped or another process has taken over."""
        ledger = self._ledger
        while True:
            with ledger.guard:
                if ledger.stopping or ledger.usurped:
                    return
                work, wait_s = self._choose()
                if work is None:
                    ledger.guard.wait(wait_s)
                    continue
                ledger.retries += not ledger.up
            try:
                work()
            except StorageError as error:
                self._failed(error)
            except Exception as error:  # a fault of ours must not end the training's safety net
                self._failed(StorageError(f"{type(error).__name__} while uploading"))
                logger.debug("uploading failed", exc_info=error)
            else:
                self._succeeded()

    def _choose(self) -> tuple[Callable[[], object] | None, float]:
        """What to do now, or else how long there is nothing to do."""
        ledger, now = self._ledger, time.monotonic()
        wait_s = self._looked_at + LOOK_EVERY_S - now
        if wait_s <= 0.0:
            return self._look, 0.0
        for name, manifest in ledger.waiting_checkpoints():
            if manifest not in ledger.busy:
                return partial(self._publish, name), 0.0
        for key in ledger.sendable():
            if layout.alias_of(key) or key in ledger.busy:
                continue
            left_s = 0.0 if ledger.flushing else self._due.get(key, 0.0) - now
            if left_s <= 0.0:
                return partial(self._send, key), 0.0
            wait_s = min(wait_s, left_s)
        for key in ledger.dirty:
            if layout.alias_of(key) and key not in ledger.busy:
                return partial(self._send_alias, key), 0.0
        for key in ledger.doomed:
            return partial(self._remove, key), 0.0
        return None, wait_s

    def _look(self) -> None:
        """Sees to the lock: whether it is still ours, and that it is seen to be."""
        folder = layout.lock(self._run)
        found = {f"{folder}/{name}": entry for name, entry in self._listed(folder).items()}
        newest = layout.newest_number(key.rpartition("/")[2] for key in found)
        with self._ledger.guard:
            for key in [key for key in self._ledger.remote if layout.is_lock(key)]:
                del self._ledger.remote[key]
            self._ledger.remote.update(found)
            self._looked_at = time.monotonic()
            if newest > self._lock_number:
                self._ledger.usurped = True
                self._ledger.guard.notify_all()
                logger.warning(
                    "another process has taken over the run %s; what this one had not sent stays "
                    "in %s",
                    self._run,
                    self._folder,
                )
                return
            claim, self._claim = self._claim, None
        if claim is not None:
            self._store.put(*claim)

    def _listed(self, folder: str) -> dict[str, Entry]:
        start = len(folder) + 1
        entries = self._store.entries(folder)
        return {key[start:]: e for key, e in entries.items() if key[start:].isdecimal()}

    def _publish(self, name: str) -> None:
        folder = f"{layout.checkpoints(self._run)}/{name}"
        manifest = f"{folder}/{layout.MANIFEST}"
        with self._ledger.guard:
            parts = [key for key in self._ledger.dirty if key.startswith(f"{folder}/")]
        for key in parts:
            if key != manifest and not self._send(key):
                self._give_up(folder)
                return
        if self._verify(folder, manifest) and self._send(manifest):
            with self._ledger.guard:
                self._ledger.published_at = time.time()
            trim(self._run, self._ledger, self._mirror)
        else:
            self._give_up(folder)

    def _verify(self, folder: str, manifest: str) -> bool:
        """Whether the store has all parts; those that it has not are to be sent again."""
        try:
            info = CheckpointInfo.from_json(self._mirror.get(manifest), where=str(self._folder))
        except (NotFoundError, DamagedError):
            return False
        there = self._store.entries(folder)
        missing = [
            key
            for name, file in info.files.items()
            if (key := f"{folder}/{name}") not in there or there[key].size_bytes != file.size
        ]
        if not missing:
            return True
        if damaged := self._damaged_here(info, missing):
            logger.warning(
                "the checkpoint %s of the run %s was damaged while it waited here (%s); it is "
                "dropped",
                info.name,
                self._run,
                damaged,
            )
            with self._ledger.guard:
                self._ledger.dropped_checkpoints += 1
            return False
        with self._ledger.guard:
            for key in missing:
                if key in self._ledger.local:
                    self._ledger.wrote(key, self._ledger.local[key])
        raise StorageError("parts of a checkpoint are not there", where=self._store.locate(folder))

    def _damaged_here(self, info: CheckpointInfo, keys: list[str]) -> str:
        """What is wrong with parts on this machine that the store has not; empty if nothing is."""
        for key in keys:
            name = key.rpartition("/")[2]
            try:
                info.verify(name, self._mirror.get(key), where=name)
            except (NotFoundError, DamagedError) as error:
                return str(error)
        return ""

    def _give_up(self, folder: str) -> None:
        """Forgets a checkpoint that was removed while it was sent, or that the disk has lost."""
        with self._ledger.guard:
            keys = {*self._ledger.local, *self._ledger.dirty}
            for key in [key for key in keys if key.startswith(f"{folder}/")]:
                self._ledger.forget(key)
            self._mirror.delete_all(folder)

    def _send(self, key: str) -> bool:
        """Sends a file; whether it is still there to be sent."""
        ledger = self._ledger
        with ledger.guard:
            write = ledger.dirty.get(key)
        if write is None:
            return key in ledger.remote
        try:
            data = self._mirror.get(key)
        except StorageError as error:
            with ledger.guard:
                if ledger.dirty.get(key) == write:
                    del ledger.dirty[key]
                    ledger.local.pop(key, None)
                    if not isinstance(error, NotFoundError):
                        logger.warning("not uploaded: %s", error)
            return False
        self._store.put(key, data)
        self._due[key] = time.monotonic() + max(AGAIN_S, len(data) / AGAIN_BYTES_PER_S)
        with ledger.guard:
            ledger.sent(key, write, len(data))
            clean = key not in ledger.dirty and key not in ledger.busy and key in ledger.local
            if clean and not (is_kept(key) or layout.checkpoint_of(key)):
                del ledger.local[key]
                self._mirror.delete(key)
        return True

    def _send_alias(self, key: str) -> None:
        try:
            target = self._mirror.get(key).decode(errors="replace").strip()
        except NotFoundError:
            target = ""
        manifest = layout.checkpoint_key(self._run, target, layout.MANIFEST)
        with self._ledger.guard:
            published = manifest in self._ledger.remote and manifest not in self._ledger.doomed
            if not published and manifest not in self._ledger.local:
                self._ledger.dirty.pop(key, None)  # what it named is gone
        if published and self._send(key):
            trim(self._run, self._ledger, self._mirror)

    def _remove(self, key: str) -> None:
        self._store.delete(key)
        with self._ledger.guard:
            self._ledger.gone(key)

    def _failed(self, error: StorageError) -> None:
        ledger = self._ledger
        with ledger.guard:
            ledger.failures += 1
            ledger.up = False
            if ledger.down_since is None:
                ledger.down_since = time.time()
                self._sent_before = ledger.uploaded
                logger.warning(
                    "the store takes nothing (%s); what is to go there waits in %s, and training "
                    "goes on",
                    error,
                    self._folder,
                )
            until = time.monotonic() + self._pause_s * random.uniform(0.5, 1.5)
            while not ledger.stopping and (left_s := until - time.monotonic()) > 0.0:
                ledger.guard.wait(left_s)
        self._pause_s = min(2.0 * self._pause_s, LONGEST_PAUSE_S)

    def _succeeded(self) -> None:
        ledger = self._ledger
        self._pause_s = FIRST_PAUSE_S
        with ledger.guard:
            ledger.up = True
            if ledger.down_since is None or ledger.waiting_checkpoints():
                return
            for_s, ledger.down_since = time.time() - ledger.down_since, None
            sent = ledger.uploaded - self._sent_before
        logger.warning("the store is back after %.0f s; %d files have gone there", for_s, sent)
