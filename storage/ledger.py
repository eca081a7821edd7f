"""What of a run is on this machine, what is in the store, and what is to become of it."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from storage import layout
from storage.store import Entry, UploadStats


@dataclass
class Ledger:
    """The state that a `storage.spool.SpooledStore` and its uploader share.

    All of it is read and changed while `guard` is held. Nothing of it needs to survive the
    process: what is on disk and what is in the store say the same again.

    Attributes:
        guard: Held while anything here is used; notified when there is something new to do.
        local: Size of each file on this machine.
        remote: What the store has.
        dirty: Files that have to go up, in the order of writing, with the number of the write.
        doomed: What is still in the store and has to go there, in order.
        busy: Files that are being written just now.
        usurped: Whether another process has taken over the run.
        flushing: Whether everything has to go up at once.
        stopping: Whether the uploader has to end.
        up: Whether the store took what was last sent.
        down_since: When it began to fail, Unix seconds; None once all checkpoints are there again.
    """

    guard: threading.Condition = field(default_factory=threading.Condition)
    local: dict[str, int] = field(default_factory=dict)
    remote: dict[str, Entry] = field(default_factory=dict)
    dirty: dict[str, int] = field(default_factory=dict)
    doomed: dict[str, None] = field(default_factory=dict)
    busy: set[str] = field(default_factory=set)
    usurped: bool = False
    flushing: bool = False
    stopping: bool = False
    up: bool = True
    down_since: float | None = None
    uploaded: int = 0
    uploaded_bytes: int = 0
    deleted: int = 0
    failures: int = 0
    retries: int = 0
    dropped_checkpoints: int = 0
    published_at: float | None = None
    _writes: int = 0

    def exists(self, key: str) -> bool:
        """Whether a reader is to find `key`."""
        return key in self.local or (key in self.remote and key not in self.doomed)

    def entries(self, prefix: str) -> dict[str, Entry]:
        """What a reader is to find beneath the folder `prefix`, sorted."""
        found = {key: entry for key, entry in self.remote.items() if key not in self.doomed}
        now = time.time()
        for key, size in self.local.items():
            if key in self.dirty or key not in found:
                found[key] = Entry(size, now)
        return {key: found[key] for key in sorted(found) if key.startswith(f"{prefix}/")}

    def wrote(self, key: str, size: int) -> None:
        """`key` is on this machine, anew."""
        self._writes += 1
        self.busy.discard(key)
        self.local[key] = size
        self.dirty.pop(key, None)
        self.dirty[key] = self._writes
        self.doomed.pop(key, None)
        self.guard.notify_all()

    def forget(self, key: str) -> None:
        """`key` is not to be found any more, here or there."""
        self.local.pop(key, None)
        self.dirty.pop(key, None)
        if key in self.remote:
            self.doomed[key] = None
            self.guard.notify_all()

    def sent(self, key: str, write: int, size: int) -> None:
        """The `write` of `key` is in the store."""
        self.remote[key] = Entry(size, time.time())
        self.uploaded += 1
        self.uploaded_bytes += size
        if self.dirty.get(key) == write:
            del self.dirty[key]
        if key not in self.local:  # removed while it was under way
            self.doomed[key] = None
        self.guard.notify_all()

    def gone(self, key: str) -> None:
        """`key` is not in the store any more."""
        self.remote.pop(key, None)
        self.doomed.pop(key, None)
        self.deleted += 1
        self.guard.notify_all()

    def waiting_checkpoints(self) -> list[tuple[str, str]]:
        """Name and manifest's key of each checkpoint that is whole here and not there."""
        found = {
            name: key
            for key in self.dirty
            if (name := layout.checkpoint_of(key)) and key.endswith(f"/{layout.MANIFEST}")
        }
        return sorted(found.items())

    def sendable(self) -> list[str]:
        """What has to go up and can: without the parts of a checkpoint that is being written."""
        return [
            key
            for key in self.dirty
            if layout.checkpoint_of(key) is None
            or (manifest := f"{key.rpartition('/')[0]}/{layout.MANIFEST}") in self.dirty
            or manifest in self.remote
        ]

    @property
    def spool_bytes(self) -> int:
        """What waits on this machine."""
        return sum(self.local.get(key, 0) for key in self.dirty)

    def stats(self, limit_bytes: int) -> UploadStats:
        """The numbers for whoever watches."""
        with self.guard:
            return UploadStats(
                pending=len(self.dirty),
                uploaded=self.uploaded,
                uploaded_bytes=self.uploaded_bytes,
                failures=self.failures,
                retries=self.retries,
                spool_bytes=self.spool_bytes,
                spool_limit_bytes=limit_bytes,
                dropped_checkpoints=self.dropped_checkpoints,
                up=self.up,
                published_at=self.published_at,
            )
