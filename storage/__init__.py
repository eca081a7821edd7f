"""Runs and their checkpoints in a folder or an object store; knows nothing of driving."""

from storage.errors import DamagedError, NotFoundError, StorageError, UnreachableError
from storage.local import LocalStore
from storage.manifest import CheckpointInfo
from storage.open import open_store, store_url
from storage.runs import Run, list_runs
from storage.store import Entry, Store, UploadStats

__all__ = [
    "CheckpointInfo",
    "DamagedError",
    "Entry",
    "LocalStore",
    "NotFoundError",
    "Run",
    "StorageError",
    "Store",
    "UnreachableError",
    "UploadStats",
    "list_runs",
    "open_store",
    "store_url",
]
