"""At most one writer of a run, also across machines that share nothing but the store."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from typing import Any

import psutil

from storage import layout
from storage.errors import NotFoundError, StorageError, UnreachableError
from storage.store import Store

logger = logging.getLogger(__name__)

RENEW_EVERY_S = 10.0
EXPIRES_AFTER_S = 180.0  # a writer that is only slow (a stopped disk, a long iteration) keeps it
SAME_START_S = 5.0  # start times of processes are told with the clock, which may be set meanwhile


class Lock:
    """Numbered keys beneath `prefix`: who wrote the highest number holds the lock.

    Taking over a released or dead lock is writing the next number if it is absent, which exactly
    one of several contenders can do; nobody ever removes a lock that another may have just taken.
    """

    def __init__(self, store: Store, prefix: str) -> None:
        self._store = store
        self._prefix = prefix
        self._number: int | None = None
        self._renewed_at = 0.0

    @property
    def held(self) -> bool:
        """Whether this object holds the lock, as far as it knows."""
        return self._number is not None

    def acquire(self) -> None:
        """Takes the lock.

        Raises:
            StorageError: A living writer holds it.
        """
        number = self._newest()
        if number:
            holder = self._holder(number)
            if _is_alive(holder):
                raise StorageError(
                    f"process {holder.get('pid')} on {holder.get('host')} is writing this run",
                    where=self._store.locate(self._prefix.rpartition("/")[0]),
                    fix="Stop it first, or wait until it ends.",
                )
        if not self._store.put_if_absent(self._key(number + 1), self._entry()):
            raise StorageError(
                "another process has just begun to write this run",
                where=self._store.locate(self._prefix.rpartition("/")[0]),
            )
        self._number = number + 1
        self._renewed_at = time.monotonic()
        if number:
            self._store.delete(self._key(number))

    def renew(self) -> None:
        """Says that the holder lives; cheap enough to call after every write.

        Raises:
            StorageError: Another writer took over, because this one seemed dead.
        """
        if self._number is None or time.monotonic() - self._renewed_at < RENEW_EVERY_S:
            return
        if self._newest() > self._number:
            self._number = None
            raise StorageError(
                "another process took over writing this run",
                where=self._store.locate(self._prefix.rpartition("/")[0]),
            )
        self._store.put(self._key(self._number), self._entry())
        self._renewed_at = time.monotonic()

    def release(self) -> None:
        """Gives the lock up, if held."""
        if self._number is None:
            return
        try:
            self._store.put(self._key(self._number), b'{"released": true}\n')
        except UnreachableError as error:
            logger.warning(
                "other machines can write this run only in %.0f s (%s)", EXPIRES_AFTER_S, error
            )
        self._number = None

    def is_taken(self) -> bool:
        """Whether a living writer holds the lock, this object or another."""
        number = self._newest()
        return bool(number) and _is_alive(self._holder(number))

    def _newest(self) -> int:
        return layout.newest_number(self._store.children(self._prefix))

    def _key(self, number: int) -> str:
        return f"{self._prefix}/{number:06d}"

    def _holder(self, number: int) -> dict[str, Any]:
        try:
            holder = json.loads(self._store.get(self._key(number)))
        except (ValueError, NotFoundError):  # taken over and removed since it was listed
            return {}
        return holder if isinstance(holder, dict) else {}

    def _entry(self) -> bytes:
        process = psutil.Process()
        entry = {
            "host": _host(),
            "pid": process.pid,
            "process_started": process.create_time(),
            "renewed": time.time(),
        }
        return (json.dumps(entry) + "\n").encode()


def _is_alive(holder: dict[str, Any]) -> bool:
    if holder.get("released") or "renewed" not in holder:
        return False
    if holder.get("host") == _host():
        # A killed writer is known at once on its own machine; its number may be in use again.
        try:
            started = psutil.Process(int(holder["pid"])).create_time()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        return abs(started - float(holder["process_started"])) < SAME_START_S
    return time.time() - float(holder["renewed"]) < EXPIRES_AFTER_S


def _host() -> str:
    """This machine; $HAIRPIN_HOST names one that is always followed by another, such as a pod."""
    return os.environ.get("HAIRPIN_HOST") or socket.gethostname()
