"""From what a user writes after --storage to a store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from storage.errors import StorageError
from storage.local import LocalStore
from storage.store import Store

if TYPE_CHECKING:
    from storage.spool import SpooledStore

SCHEME = "s3://"
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_GIVE = "Give a folder, for example ./runs, or s3://bucket/prefix."


def open_store(url: str, *, spool: bool = False) -> Store:
    """Opens the store at `url`: a folder's path, a ``file://`` or an ``s3://`` address.

    Neither folder nor bucket need exist: they are made with the first thing stored. Nothing is
    asked of an object store yet; `Store.check_writable` finds out whether it answers.

    Args:
        url: The address.
        spool: For a training: an object store is written in the background, and what it does not
            take waits on this machine; see `storage.spool.SpooledStore`.

    Raises:
        StorageError: `url` is empty or of a kind there is no store for, or there are no
            credentials for it.
    """
    if not url.strip():
        raise StorageError("the storage is empty", fix=_GIVE)
    if url.startswith(SCHEME):
        from storage.s3 import S3Store  # its client takes a moment to import

        return open_spooled(url) if spool else S3Store(url)
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


def open_spooled(url: str, endpoint: str | None = None) -> SpooledStore:
    """Opens an object store to be written in the background.

    Args:
        url: Its address.
        endpoint: Where it is, instead of where the environment says.

    Raises:
        StorageError: As `open_store`, or this machine has no place for what waits.
    """
    from storage.s3 import S3Store
    from storage.s3_settings import S3Settings
    from storage.spool import SpooledStore
    from storage.spools import Spool, spool_limit

    settings = S3Settings.find(endpoint)
    store, sender = S3Store(url, settings), S3Store(url, settings)
    sender.bucket.patience_s = 0.0
    spool = Spool.of(store.url, settings.endpoint)
    return SpooledStore(store, spool, sender=sender, limit_bytes=spool_limit())


def store_url(url: str) -> str:
    """The `Store.url` of the store at `url`, without opening it."""
    return url.rstrip("/") if url.startswith(SCHEME) else open_store(url).url
