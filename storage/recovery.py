"""Finds, at the start, what a killed process left on this machine and what the store has."""

from __future__ import annotations

import logging

from storage import layout
from storage.errors import NotFoundError
from storage.ledger import Ledger
from storage.local_copies import is_kept
from storage.mirror import Mirror
from storage.spools import Spool
from storage.store import Store

logger = logging.getLogger(__name__)


def recover(
    run: str, ledger: Ledger, mirror: Mirror, store: Store, spool: Spool, lock_number: int
) -> None:
    """Fills the ledger for a run that this process has begun to write.

    Args:
        run: The run.
        ledger: Filled; held by the caller.
        mirror: The files on this machine. Those that will be needed again are brought there.
        store: The store.
        spool: The folder of the mirror.
        lock_number: The number under which this process holds the lock.

    Raises:
        StorageError: The store does not answer, or refuses.
    """
    ledger.remote = store.entries(run)
    # Numbers count the writers: ours follows that of the process that left the files, or else
    # another one has written in between, perhaps on another machine, and knows better.
    if spool.held(run) != lock_number - 1:
        aside = spool.set_aside(run)
        if aside is not None:
            logger.warning(
                "another process has gone on with the run %s since this machine last wrote it; "
                "what had not been sent then is in %s",
                run,
                aside,
            )
    ledger.local.clear()
    ledger.dirty.clear()
    ledger.doomed.clear()
    found = mirror.sizes(run)
    for key, size in sorted(found.items()):
        checkpoint = layout.checkpoint_of(key)
        manifest = checkpoint and layout.checkpoint_key(run, checkpoint, layout.MANIFEST)
        if manifest and manifest in ledger.remote:
            mirror.delete(key)  # it was published
        elif manifest and manifest not in found:
            mirror.delete(key)  # it was being written
        else:
            ledger.wrote(key, size)
    left = [name for name, _ in ledger.waiting_checkpoints()]
    if left:
        logger.warning(
            "%d checkpoints of the run %s that an earlier process could not send go up now: %s",
            len(left),
            run,
            ", ".join(left),
        )
    for key in ledger.remote:
        if key not in found and is_kept(key) and not _is_special(key):
            try:
                data = store.get(key)
            except NotFoundError:
                continue
            mirror.put(key, data)
            ledger.local[key] = len(data)


def _is_special(key: str) -> bool:
    """Manifests are in checkpoints, and who writes is only ever asked of the store."""
    return layout.checkpoint_of(key) is not None or layout.is_lock(key)
