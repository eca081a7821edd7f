"""A store that takes everything at once and brings it to a remote one in the background."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from storage import layout
from storage.errors import NotFoundError
from storage.ledger import Ledger
from storage.mirror import Mirror
from storage.recovery import recover
from storage.room import Room
from storage.spools import Spool
from storage.store import Entry, Progress, Store, UploadStats
from storage.uploader import Uploader

logger = logging.getLogger(__name__)

STALLED_S = 20.0  # a last upload is given up after so long without any progress
SLOW_S = 120.0  # if the store answers: a large file takes its time
LONGEST_S = 900.0
TELL_EVERY_S = 5.0


class SpooledStore:
    """A remote store for the one process that writes a run; implements `storage.store.Store`.

    Between `begin` and `end`, what is written beneath the run's folder goes to a folder of this
    machine and from there to the remote store, by a thread of its own: a training neither waits
    for the store nor fails with it. What is read comes from here where it is here. Everything
    else, and the claims of names and locks, goes to the remote store directly.

    Files that a killed process left in the folder are found by the next one that writes the run
    on this machine, unless another machine went on with the run meanwhile.

    Args:
        remote: The store, for what somebody waits for.
        spool: The folder.
        sender: The same store for the thread: raises at once when it does not answer.
        limit_bytes: How much may wait before the oldest checkpoints are dropped.
    """

    def __init__(
        self, remote: Store, spool: Spool, *, sender: Store | None = None, limit_bytes: int
    ) -> None:
        self.url = remote.url
        self._remote, self._sender = remote, sender or remote
        self._spool = spool
        self._limit_bytes = limit_bytes
        self._mirror = Mirror(spool.folder)
        self._ledger = Ledger()
        self._room = Room(self._ledger, self._mirror, limit_bytes)
        self._run: str | None = None
        self._uploader: Uploader | None = None

    @property
    def folder(self) -> Path:
        """Where files wait."""
        return self._spool.folder

    def begin(self, prefix: str) -> None:
        number = layout.newest_number(self._remote.children(layout.lock(prefix)))
        ledger = self._ledger
        with ledger.guard:
            recover(prefix, ledger, self._mirror, self._remote, self._spool, number)
            self._spool.hold(prefix, number)
            ledger.usurped = ledger.flushing = ledger.stopping = False
            self._run = prefix
            self._room.begin(prefix)
            self._uploader = Uploader(
                prefix, ledger, self._mirror, self._sender, self.folder, number
            )
            self._uploader.start()

    def end(self, progress: Progress = lambda files, size: None) -> None:
        if self._uploader is None or self._run is None:
            return
        run, ledger = self._run, self._ledger
        try:
            self._flush(progress)
        finally:
            with ledger.guard:
                ledger.stopping = True
                ledger.guard.notify_all()
            self._uploader.join(timeout=TELL_EVERY_S)
            with ledger.guard:
                self._run = self._uploader = None
                self._leave(run)

    def stats(self) -> UploadStats:
        return self._ledger.stats(self._limit_bytes)

    def put(self, key: str, data: bytes) -> None:
        if not self._spools(key):
            self._sender.put(key, data)
        elif layout.is_lock(key):
            assert self._uploader is not None
            self._uploader.claim(key, data)
        else:
            with self._writing(key):
                self._mirror.put(key, data)
            self._wrote(key, len(data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        return self._remote.put_if_absent(key, data)

    def append(self, key: str, data: bytes) -> None:
        if not self._spools(key):
            self._sender.append(key, data)
            return
        before = self._ledger.local.get(key)
        with self._writing(key):
            if before is None:
                data = self._get_or_nothing(key) + data
                self._mirror.put(key, data)
            else:
                self._mirror.append(key, data)
        self._wrote(key, (before or 0) + len(data))

    def get(self, key: str) -> bytes:
        if layout.is_lock(key):
            return self._remote.get(key)
        if self._spools(key) and not self._ledger.exists(key):
            raise NotFoundError("there is nothing here", where=self.locate(key))
        try:
            return self._mirror.get(key)
        except NotFoundError:
            return self._remote.get(key)

    def exists(self, key: str) -> bool:
        if self._spools(key):
            with self._ledger.guard:
                return self._ledger.exists(key)
        return self._waits(key) or self._remote.exists(key)

    def stat(self, key: str) -> Entry:
        if self._spools(key):
            with self._ledger.guard:
                found = self._ledger.entries(key.rpartition("/")[0])
            if key not in found:
                raise NotFoundError("there is nothing here", where=self.locate(key))
            return found[key]
        return self._mirror.disk.stat(key) if self._waits(key) else self._remote.stat(key)

    def entries(self, prefix: str = "") -> dict[str, Entry]:
        if self._spools(prefix):
            with self._ledger.guard:
                return self._ledger.entries(prefix)
        here = self._mirror.disk.entries(prefix)
        return dict(sorted((self._remote.entries(prefix) | here).items()))

    def keys(self, prefix: str = "") -> list[str]:
        return list(self.entries(prefix))

    def children(self, prefix: str = "") -> list[str]:
        if self._spools(prefix):
            start = len(prefix) + 1
            return sorted({key[start:].split("/")[0] for key in self.keys(prefix)})
        here = [] if layout.is_lock(prefix) else self._mirror.disk.children(prefix)
        return sorted({*self._remote.children(prefix), *here})

    def delete(self, key: str) -> None:
        if not self._spools(key):
            self._sender.delete(key)
            return
        with self._ledger.guard:
            self._ledger.forget(key)
            self._mirror.delete(key)

    def delete_all(self, prefix: str) -> None:
        if not self._spools(prefix):
            self._remote.delete_all(prefix)
            return
        with self._ledger.guard:
            for key in self._ledger.entries(prefix):
                self._ledger.forget(key)
            self._mirror.delete_all(prefix)

    def check_writable(self) -> None:
        self._spool.check_writable()
        self._remote.check_writable()

    def locate(self, key: str) -> str:
        return self._remote.locate(key)

    def local_path(self, key: str) -> Path | None:
        return self._remote.local_path(key)

    def _spools(self, key: str) -> bool:
        """Whether what is beneath the folder, or under the key, is written in the background."""
        return self._run is not None and (key == self._run or key.startswith(f"{self._run}/"))

    def _waits(self, key: str) -> bool:
        return not layout.is_lock(key) and self._mirror.disk.exists(key)

    def _get_or_nothing(self, key: str) -> bytes:
        try:
            return self.get(key)
        except NotFoundError:
            return b""

    @contextmanager
    def _writing(self, key: str) -> Iterator[None]:
        """Keeps the uploader from a file that is changing."""
        with self._ledger.guard:
            self._ledger.busy.add(key)
        try:
            yield
        finally:
            with self._ledger.guard:
                self._ledger.busy.discard(key)

    def _wrote(self, key: str, size: int) -> None:
        with self._ledger.guard:
            self._ledger.wrote(key, size)
            self._room.make()

    def _flush(self, progress: Progress) -> None:
        """Waits until everything is sent, as long as something goes on."""
        ledger = self._ledger
        with ledger.guard:
            ledger.flushing = True
            ledger.guard.notify_all()
            began = moved_at = time.monotonic()
            done, told_at = -1, float("-inf")
            while (left := ledger.sendable()) or ledger.doomed:
                now = time.monotonic()
                if done != ledger.uploaded + ledger.deleted:
                    done, moved_at = ledger.uploaded + ledger.deleted, now
                stalled_s = SLOW_S if ledger.up else STALLED_S
                if ledger.usurped or now - moved_at > stalled_s or now - began > LONGEST_S:
                    return
                if left and now - told_at >= TELL_EVERY_S:
                    told_at = now
                    progress(len(left), ledger.spool_bytes)
                ledger.guard.wait(0.2)

    def _leave(self, run: str) -> None:
        """Removes what is in the store from here, and says what is not."""
        ledger = self._ledger
        left = len(ledger.sendable())
        if not left:
            self._mirror.delete_all(run)
            self._spool.clear(run)
        elif not ledger.usurped:
            logger.warning(
                "%d files of the run %s (%.1f MB) did not get to %s and wait in %s; send them "
                "with: hairpin storage push",
                left,
                run,
                ledger.spool_bytes / 1e6,
                self.url,
                self.folder,
            )
        ledger.local.clear()
        ledger.remote.clear()
        ledger.doomed.clear()
