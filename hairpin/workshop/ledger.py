"""The minutes that participants have used, kept in the store beside the runs."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Mapping

from hairpin.places import storage_url
from storage import DamagedError, NotFoundError, StorageError, Store, layout, open_store

logger = logging.getLogger(__name__)

KEY = f"{layout.WORKSHOP}/minutes.json"
EVERY_S = 5.0


class Ledger:
    """Reads the minutes once and writes them now and then, in a thread: a store may be slow.

    Args:
        current: Says the seconds by participant as they are now.
    """

    def __init__(self, current: Callable[[], Mapping[str, float]]) -> None:
        self._current = current
        self._written: dict[str, float] = {}
        self._ended = threading.Event()

    def read(self) -> dict[str, float]:
        """Seconds of training by participant; none if nothing was written.

        Raises:
            StorageError: The store is of no use, or what is there is no such table.
        """
        store = _store()
        try:
            minutes = json.loads(store.get(KEY))
            self._written = {str(tenant): float(value) for tenant, value in minutes.items()}
        except NotFoundError:
            return {}
        except (ValueError, TypeError, AttributeError) as error:
            raise DamagedError(
                "these are not the minutes of participants",
                where=store.locate(KEY),
                fix="Mend it, or remove it, and all begin at 0.",
            ) from error
        return {tenant: 60.0 * value for tenant, value in self._written.items()}

    def start(self) -> None:
        """Begins to write what changes."""
        threading.Thread(target=self._work, name="ledger", daemon=True).start()

    def write(self) -> None:
        """Writes what has changed since it was last written."""
        minutes = {tenant: round(s / 60.0, 3) for tenant, s in self._current().items()}
        if minutes != self._written:
            _store().put(KEY, (json.dumps(minutes, indent=2, sort_keys=True) + "\n").encode())
            self._written = minutes

    def _work(self) -> None:
        while not self._ended.wait(EVERY_S):
            try:
                self.write()
            except StorageError as error:
                logger.warning("the minutes of participants are not written: %s", error)


def _store() -> Store:
    return open_store(storage_url(None))
