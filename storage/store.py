"""The one interface to wherever runs are kept: bytes under keys."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from storage.errors import StorageError

# No part begins with a dot: `..` cannot leave the root, and dotted names are free for a store's
# own temporary files. The rest is what every file system and object store takes as it is.
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_MAX_PART_BYTES = 200

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Entry:
    """What a store tells of a key without reading it: its size in bytes, and Unix time."""

    size_bytes: int
    modified_s: float


@dataclass(frozen=True)
class UploadStats:
    """How far a store is behind with what was written to it; counts since it was opened.

    Attributes:
        pending: Files that wait to be uploaded.
        uploaded: Files that were uploaded.
        uploaded_bytes: Their bytes.
        failures: Attempts that failed.
        retries: Attempts that were repeats.
        spool_bytes: Bytes that wait on this machine.
        spool_limit_bytes: How many may wait before the oldest checkpoints are dropped.
        dropped_checkpoints: Checkpoints dropped because of that.
        up: Whether the store took what was last sent to it.
        published_at: When the newest checkpoint that is whole there was published, Unix seconds.
    """

    pending: int = 0
    uploaded: int = 0
    uploaded_bytes: int = 0
    failures: int = 0
    retries: int = 0
    spool_bytes: int = 0
    spool_limit_bytes: int = 0
    dropped_checkpoints: int = 0
    up: bool = True
    published_at: float | None = None


class Store(Protocol):
    """Bytes under keys like ``my-run/job.json``: a folder, or a bucket of an object store.

    Keys are parts joined by ``/``; see `check_key`. Every method raises `StorageError` when the
    store cannot be reached or refuses.
    """

    url: str
    """What `open_store` takes to open the same store again."""

    def put(self, key: str, data: bytes) -> None:
        """Stores `data` under `key`, replacing what was there, whole or not at all."""

    def put_if_absent(self, key: str, data: bytes) -> bool:
        """Like `put`, but leaves what is there alone; of several writers exactly one gets True."""

    def append(self, key: str, data: bytes) -> None:
        """Adds `data` to the end. One writer at a time; a crash may leave part of `data`."""

    def get(self, key: str) -> bytes:
        """The bytes under `key`; raises `NotFoundError` if there are none."""

    def exists(self, key: str) -> bool:
        """Whether there is something under exactly this key."""

    def stat(self, key: str) -> Entry:
        """Size and time of `key`; raises `NotFoundError` if there is nothing under it."""

    def entries(self, prefix: str = "") -> dict[str, Entry]:
        """Every key beneath the folder `prefix`, sorted, with its size and time."""

    def keys(self, prefix: str = "") -> list[str]:
        """Every key beneath the folder `prefix`, sorted; all keys if it is empty."""

    def children(self, prefix: str = "") -> list[str]:
        """The next part of every key beneath the folder `prefix`, sorted, each once."""

    def delete(self, key: str) -> None:
        """Removes `key`; one that is not there is no error."""

    def delete_all(self, prefix: str) -> None:
        """Removes everything beneath the folder `prefix`, what failed writes left included."""

    def check_writable(self) -> None:
        """Writes and removes a probe; raises `StorageError` saying why that does not work."""

    def locate(self, key: str) -> str:
        """Where a person finds `key`: a path or an address."""

    def local_path(self, key: str) -> Path | None:
        """The file that holds `key`, or None where keys are not files of this machine."""

    def begin(self, prefix: str) -> None:
        """Is told that this process is now the one that writes beneath the folder `prefix`."""

    def end(self, progress: Progress = lambda files, size: None) -> None:
        """Is told that it has written all; sends what still waits, for a bounded time.

        Args:
            progress: Told now and then how many files and bytes are still to be sent.
        """

    def stats(self) -> UploadStats:
        """How far the store is behind with what was written."""


class Direct:
    """What a store does that is never behind: nothing."""

    def begin(self, prefix: str) -> None:
        """Everything is stored at once."""

    def end(self, progress: Progress = lambda files, size: None) -> None:
        """Everything is stored already."""

    def stats(self) -> UploadStats:
        """Nothing waits."""
        return UploadStats()


def check_key(key: str) -> str:
    """Returns `key` if it is one: parts of ``A-Z a-z 0-9 . _ -`` joined by ``/``.

    Raises:
        StorageError: It is empty, begins or ends with ``/``, or a part has other characters,
            begins with a dot or a dash, or is longer than 200 characters.
    """
    for part in key.split("/"):
        if not _PART.fullmatch(part) or len(part) > _MAX_PART_BYTES:
            raise StorageError(
                f"{key!r} is not a valid name to store under",
                fix="Use letters, digits, '.', '_' and '-', beginning with a letter or a digit.",
            )
    return key
