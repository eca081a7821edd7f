"""The one interface to wherever runs are kept: bytes under keys."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Protocol

from storage.errors import StorageError

# No part begins with a dot: `..` cannot leave the root, and dotted names are free for a store's
# own temporary files. The rest is what every file system and object store takes as it is.
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_MAX_PART_BYTES = 200


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
