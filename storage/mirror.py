"""A folder for what waits to be uploaded, with memory beside it for when the disk takes no more."""

from __future__ import annotations

import contextlib
import logging
import threading
from pathlib import Path

from storage.errors import NotFoundError, StorageError
from storage.local import LocalStore

logger = logging.getLogger(__name__)


class Mirror:
    """Bytes under keys, on disk where possible; never refuses to take them.

    Args:
        folder: Where.
    """

    def __init__(self, folder: Path) -> None:
        self.disk = LocalStore(folder)
        self._memory: dict[str, bytes] = {}
        self._guard = threading.RLock()
        self._full = False

    def put(self, key: str, data: bytes) -> None:
        """Keeps `data`, whole or not at all."""
        with self._guard:
            try:
                self.disk.put(key, data)
            except StorageError as error:
                self._memory[key] = data
                self._tell_full(error)
            else:
                self._memory.pop(key, None)
                self._settle()

    def append(self, key: str, data: bytes) -> None:
        """Adds `data` to the end."""
        with self._guard:
            before = self._memory.get(key)
            if before is None:
                size = self._size_on_disk(key)
                try:
                    self.disk.append(key, data)
                    return
                except StorageError as error:
                    # Part of it may be there.
                    before = self.disk.get(key)[:size] if size else b""
                    self._tell_full(error)
            self._memory[key] = before + data

    def get(self, key: str) -> bytes:
        """The bytes under `key`; raises `NotFoundError` if there are none."""
        with self._guard:
            if key in self._memory:
                return self._memory[key]
        return self.disk.get(key)

    def delete(self, key: str) -> None:
        """Removes `key`, if it is there."""
        with self._guard:
            self._memory.pop(key, None)
            with contextlib.suppress(StorageError):
                self.disk.delete(key)

    def delete_all(self, prefix: str) -> None:
        """Removes everything beneath the folder `prefix`, empty folders included."""
        with self._guard:
            for key in [key for key in self._memory if key.startswith(f"{prefix}/")]:
                del self._memory[key]
            with contextlib.suppress(StorageError):
                self.disk.delete_all(prefix)

    def sizes(self, prefix: str) -> dict[str, int]:
        """The keys beneath the folder `prefix` with the sizes of their files, bytes."""
        with self._guard:
            found = {key: entry.size_bytes for key, entry in self.disk.entries(prefix).items()}
            kept = {k: len(data) for k, data in self._memory.items() if k.startswith(f"{prefix}/")}
        return found | kept

    def in_memory(self) -> dict[str, int]:
        """The keys that are not on disk as they should be, with their sizes, bytes."""
        with self._guard:
            return {key: len(data) for key, data in self._memory.items()}

    def _size_on_disk(self, key: str) -> int:
        try:
            return self.disk.stat(key).size_bytes
        except NotFoundError:
            return 0

    def _settle(self) -> None:
        """Brings what is in memory to a disk that has room again."""
        for key in list(self._memory):
            try:
                self.disk.put(key, self._memory[key])
            except StorageError:
                return
            del self._memory[key]
        if self._full:
            self._full = False
            logger.warning("%s takes files again; nothing waits in memory any more", self.disk.root)

    def _tell_full(self, error: StorageError) -> None:
        if not self._full:
            self._full = True
            logger.warning(
                "%s takes no more files (%s): until it does, the newest checkpoint waits in memory "
                "and would be lost with this process; make room there, or set HAIRPIN_SPOOL",
                self.disk.root,
                error.what,
            )
