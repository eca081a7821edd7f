"""Hands a training's metrics to the cluster's endpoint every few seconds, in its own thread."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import platform
import threading
import time
import uuid
from typing import Any, Protocol

import ray

from hairpin.monitoring.endpoint import Reply, find_or_start
from hairpin.monitoring.place import Place
from hairpin.monitoring.run_table import Origin
from hairpin.monitoring.series import Snapshot
from storage import Run

logger = logging.getLogger(__name__)

EVERY_S = 2.0
LAST_S = 3.0  # the last values may take so long to hand in
READ_LATELY_S = 60.0  # somebody who read so long ago will read again
READ_AGAIN_S = 15.0
POLL_S = 0.5


class Metrics(Protocol):
    """Whose values are handed in."""

    def snapshot(self) -> Snapshot:
        """All of them, as they are now."""


class Publisher:
    """Sends snapshots and waits for nobody: an endpoint that is dead or slow misses some of them.

    Nothing is lost by that, because every snapshot is whole. Start it when Ray is there, and
    `finish` it before Ray goes.

    Args:
        metrics: What is sent.
        origin: Whose it is.
        place: Where it is to be served.
    """

    def __init__(self, metrics: Metrics, origin: Origin, place: Place) -> None:
        self._metrics, self._origin, self._place = metrics, origin, place
        self._actor: Any = None
        self._sent: Any = None  # what was sent and not yet answered
        self._label: str | None = None
        self._told: set[str] = set()
        self._finishing = threading.Event()
        self._thread = threading.Thread(target=self._work, name="metrics", daemon=True)

    def start(self) -> None:
        """Begins to send; returns at once."""
        self._thread.start()

    def finish(self) -> None:
        """Sends what is known now and stops; a second call does nothing.

        Where the endpoint ends with Ray, it is kept until the last values have been read, if
        somebody reads them: he could not tell a training that ended from one that died.
        """
        if not self._thread.is_alive() or self._finishing.is_set():
            return
        self._finishing.set()
        with contextlib.suppress(Exception, KeyboardInterrupt):
            self._thread.join(LAST_S)
            reply = self._send_and_wait()
            sent_at = time.monotonic()
            if self._place.shared or not _within(reply, READ_LATELY_S):
                return
            while (waited_s := time.monotonic() - sent_at) < READ_AGAIN_S:
                time.sleep(POLL_S)
                if _within(self._send_and_wait(), waited_s):
                    return

    def _work(self) -> None:
        while True:
            try:
                self._step()
            except Exception:  # never the training's concern
                logger.debug("metrics were not handed in", exc_info=True)
                self._actor = self._sent = None
            if self._finishing.wait(EVERY_S):
                return

    def _step(self) -> None:
        if self._sent is not None:
            answered, _ = ray.wait([self._sent], timeout=0)
            if not answered:
                return
            sent, self._sent = self._sent, None
            self._take(ray.get(sent))
        self._sent = self._send()

    def _send(self) -> Any:
        place = self._place
        if self._actor is None:
            self._actor = find_or_start(place.host, place.port, place.shared)
        snapshot = self._metrics.snapshot()
        return self._actor.push.remote(place.port, self._origin, snapshot, self._label)

    def _send_and_wait(self) -> Reply:
        reply: Reply = ray.get(self._send(), timeout=LAST_S)
        return reply

    def _take(self, reply: Reply) -> None:
        self._label = reply["label"]
        if self._label != self._origin.name:
            self._tell(
                f"another run {self._origin.name!r} is trained on this Ray cluster; the metrics "
                f'of this one have the label run="{self._label}"'
            )
        if reply["problem"]:
            self._tell(
                f"nobody can read the metrics: port {self._place.port}: {reply['problem']}; "
                f"the training goes on"
            )

    def _tell(self, text: str) -> None:
        if text not in self._told:
            self._told.add(text)
            logger.warning(text)


def origin_of(run: Run) -> Origin:
    """Tells this process's training of `run` from every other."""
    place = run.url if run.local_path("job.json") is None else f"{platform.node()} {run.url}"
    return Origin(
        name=run.name,
        key=hashlib.sha256(place.encode()).hexdigest()[:16],
        driver=uuid.uuid4().hex,
        began=time.time(),
    )


def _within(reply: Reply, seconds: float) -> bool:
    """Whether the metrics were read in the last so many seconds."""
    return reply["read_s_ago"] is not None and reply["read_s_ago"] < seconds
