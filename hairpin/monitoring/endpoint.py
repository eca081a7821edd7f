"""The Ray actor that serves the metrics of all runs of a cluster, and outlives their drivers."""

from __future__ import annotations

import time
from typing import Any, TypedDict

from hairpin import head_actor
from hairpin.monitoring.exposition import page
from hairpin.monitoring.listener import Listener
from hairpin.monitoring.run_table import FORGET_AFTER_S, Origin, RunTable
from hairpin.monitoring.series import Snapshot

NAME = "metrics"


class Reply(TypedDict):
    """What a driver is told when it has handed in its values.

    Attributes:
        label: What its run is called.
        problem: Why nobody listens on its port; empty if somebody does.
        read_s_ago: How long ago /metrics was read on this port, seconds; None if never.
    """

    label: str
    problem: str
    read_s_ago: float | None


class Endpoint:
    """Serves what drivers hand in. It keeps nothing: started again, it is told everything again.

    Args:
        host: The address to listen on.
        port: The port of whoever was first; others may name other ports.
        shared: Whether several drivers use this Ray.
        forget_after_s: So long after its last values a run is forgotten, seconds.
    """

    def __init__(
        self, host: str, port: int, shared: bool, forget_after_s: float = FORGET_AFTER_S
    ) -> None:
        self._host, self._shared = host, shared
        self._runs = RunTable(forget_after_s)
        self._listeners: dict[int, Listener] = {}
        self._listen(port)

    def push(self, port: int, origin: Origin, snapshot: Snapshot, label: str | None) -> Reply:
        """Takes a run's values; see `RunTable.put`."""
        listener = self._listen(port)
        at = listener.read_at
        return Reply(
            label=self._runs.put(origin, snapshot, label),
            problem=listener.problem,
            read_s_ago=None if at is None else time.monotonic() - at,
        )

    def _listen(self, port: int) -> Listener:
        if port not in self._listeners:
            self._listeners[port] = Listener(
                self._host,
                port,
                lambda accept: page(self._runs.snapshots(), accept),
                lambda: {"shared": self._shared, "runs": len(self._runs.snapshots())},
            )
        return self._listeners[port]


def find_or_start(
    host: str, port: int, shared: bool, forget_after_s: float = FORGET_AFTER_S
) -> Any:
    """The cluster's endpoint, as an actor's handle; one that is not there is started.

    It is on the head, where Prometheus looks for it.
    """
    return head_actor.find_or_start(NAME, Endpoint, host, port, shared, forget_after_s)
