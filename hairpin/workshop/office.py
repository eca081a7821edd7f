"""The Ray actor on the head that keeps a workshop's queue, and outlives drivers."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import ray

from hairpin.head_actor import find_or_start
from hairpin.workshop.figures import Figures, publish
from hairpin.workshop.ledger import Ledger
from hairpin.workshop.queue import Answer, Queue, Ticket
from hairpin.workshop.rules import VARIABLE, Rules, read_rules

NAME = "workshop"
SETTLE_S = 4.0  # an actor that was started again has heard of all jobs by then


class Office:
    """Hears jobs and tells them whether they have their turn.

    Ray starts it again when it dies. It then has the minutes from the store, and the queue from the
    jobs that live, all of which say once a second what they have and want.

    Args:
        folder: Of the workshop's files.
        storage: Where the minutes are kept.
    """

    def __init__(self, folder: str, storage: str) -> None:
        os.environ["HAIRPIN_STORAGE"], os.environ[VARIABLE] = storage, folder
        again = ray.get_runtime_context().was_current_actor_reconstructed
        self._ledger = Ledger(lambda: dict(self._queue.used_s))

        def rules() -> Rules:
            return read_rules(Path(folder))

        quiet_until = time.monotonic() + SETTLE_S if again else float("-inf")
        self._queue = Queue(rules, self._ledger.read(), quiet_until)
        self._ledger.start()
        publish(Figures(self._queue, rules))

    def hear(self, ticket: Ticket) -> Answer:
        """See `Queue.hear`."""
        return self._queue.hear(ticket, time.monotonic())

    def leave(self, job: str) -> None:
        """See `Queue.leave`."""
        self._queue.leave(job, time.monotonic())


def find_office(folder: Path, storage: str) -> Any:
    """The cluster's office, as an actor's handle; one that is not there is started."""
    return find_or_start(NAME, Office, str(folder), storage)
