"""From what a user writes after --storage to a store."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from storage.errors import StorageError
from storage.local import LocalStore
from storage.store import Store

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")


def open_store(url: str) -> Store:
    """Opens the store at `url`: a folder's path or a ``file://`` address.

    The folder need not exist: it is made with the first thing stored in it.

    Raises:
        StorageError: `url` is empty or of a kind there is no store for.
    """
    if not url.strip():
        raise StorageError("the storage is empty", fix="Give a folder, for example ./runs.")
    if not _SCHEME.match(url):
        return LocalStore(url)
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return LocalStore(unquote(parts.path))
    raise StorageError(
        f"there is no store for {parts.scheme}:// addresses",
        where=f"{parts.scheme}://{parts.hostname or ''}",  # never a password that stood before it
        fix="Give a folder, for example ./runs.",
    )
