"""A workshop's queue in figures, for Prometheus: how many trainings wait, whose, and how long."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

from hairpin.job import Job
from hairpin.monitoring.place import metrics_place
from hairpin.monitoring.publisher import Publisher
from hairpin.monitoring.run_table import Origin
from hairpin.monitoring.series import Series, Snapshot
from hairpin.workshop.queue import Queue
from hairpin.workshop.rules import Rules

NOBODY = "-"  # no participant can be called so


class Figures:
    """The catalogue's `dashboards.catalog.QUEUE`.

    Args:
        queue: Of whom.
        rules: Says the rules as they are now.
    """

    def __init__(self, queue: Queue, rules: Callable[[], Rules]) -> None:
        self._queue, self._rules = queue, rules

    def snapshot(self) -> Snapshot:
        """The values as they are now, of all participants."""
        series, now = Series(), time.time()
        tickets = self._queue.tickets(time.monotonic())
        for tenant in ("", *self._rules().participants):
            own = [ticket for ticket in tickets if ticket.tenant == tenant]
            waits_s = [max(0.0, now - ticket.asked_at) for ticket in own if not ticket.running]
            label = tenant or NOBODY
            series.set("workshop_jobs_waiting", len(waits_s), label)
            series.set("workshop_jobs_running", len(own) - len(waits_s), label)
            series.set("workshop_longest_wait_seconds", max(waits_s, default=0.0), label)
            used_s = self._queue.used_s.get(tenant, 0.0)
            series.set("workshop_training_seconds_total", used_s, label)
        return series.snapshot()


def publish(figures: Figures) -> None:
    """Has the figures served beside the trainings', if the cluster serves any, from now on."""
    place = metrics_place(Job(address="auto"))
    if place is not None:
        origin = Origin(name="", key="workshop", driver=uuid.uuid4().hex, began=time.time())
        Publisher(figures, origin, place).start()
