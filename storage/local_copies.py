"""Which of a run's files stay on this machine once the store has them."""

from __future__ import annotations

from storage import layout
from storage.errors import NotFoundError
from storage.ledger import Ledger
from storage.mirror import Mirror

KEPT = (".json", ".jsonl", ".log")  # read again or added to, and small or only there if wanted


def is_kept(key: str) -> bool:
    """Whether a file stays on this machine when it is in the store: it will be needed again."""
    return key.endswith(KEPT) or layout.alias_of(key) is not None


def named_checkpoints(ledger: Ledger, mirror: Mirror) -> set[str]:
    """The checkpoints that aliases on this machine name."""
    found: set[str] = set()
    for key in ledger.local:
        if layout.alias_of(key):
            try:
                found.add(mirror.get(key).decode(errors="replace").strip())
            except NotFoundError:
                continue
    return found


def trim(run: str, ledger: Ledger, mirror: Mirror) -> None:
    """Removes checkpoints from here that are there, but for those that an alias names."""
    with ledger.guard:
        named = named_checkpoints(ledger, mirror)
        waiting = {layout.checkpoint_of(k) for k in (*ledger.dirty, *ledger.doomed, *ledger.busy)}
        here = sorted({name for key in ledger.local if (name := layout.checkpoint_of(key))})
        for name in here[:-1]:  # the newest will have an alias in a moment
            if name in named or name in waiting:
                continue
            for key in [key for key in ledger.local if layout.checkpoint_of(key) == name]:
                del ledger.local[key]
            mirror.delete_all(f"{layout.checkpoints(run)}/{name}")
