"""Runs and their checkpoints in a folder or an object store; knows nothing of driving."""

from storage.errors import DamagedError, NotFoundError, StorageError
from storage.local import LocalStore
from storage.manifest import CheckpointInfo
from storage.open import open_store
from storage.runs import Run, list_runs
from storage.store import Store

__all__ = [
    "CheckpointInfo",
    "DamagedError",
    "LocalStore",
    "NotFoundError",
    "Run",
    "StorageError",
    "Store",
    "list_runs",
    "open_store",
]
