"""From what a user writes after --storage to a store."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from storage.errors import StorageError
from storage.local import LocalStore
from storage.store import Store

SCHEME = "s3://"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_GIVE = "Give a folder, for example ./runs, or s3://bucket/prefix."


def open_store(url: str) -> Store:
    """Opens the store at `url`: a folder's path, a ``file://`` or an ``s3://`` address.

    Neither folder nor bucket need exist: they are made with the first thing stored. Nothing is
    asked of an object store yet; `Store.check_writable` finds out whether it answers.

    Raises:
        StorageError: `url` is empty or of a kind there is no store for, or there are no
            credentials for it.
    """
    if not url.strip():
        raise StorageError("the storage is empty", fix=_GIVE)
    if url.startswith(SCHEME):
        from storage.s3 import S3Store  # its client takes a moment to import

        return S3Store(url)
    if not _SCHEME.match(url):
        return LocalStore(url)
    parts = urlsplit(url)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return LocalStore(unquote(parts.path))
    raise StorageError(
        f"there is no store for {parts.scheme}:// addresses",
        where=f"{parts.scheme}://{parts.hostname or ''}",  # never a password that stood before it
        fix=_GIVE,
    )


def store_url(url: str) -> str:
    """The `Store.url` of the store at `url`, without opening it."""
    return url.rstrip("/") if url.startswith(SCHEME) else open_store(url).url
