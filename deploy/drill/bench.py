"""The bench: a training on real servers, and what every fault needs of it."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from drill.link import Link
from drill.training import Training
from servers.mediamtx import Mediamtx
from servers.minio import Minio
from servers.prometheus import Prometheus
from servers.server import HOST

STARTS_WITHIN_S = 240.0
POLL_S = 0.25


@dataclass
class Bench:
    """What is running.

    Attributes:
        minio: The object store.
        link: The line to it.
        mediamtx: The video server.
        prometheus: Reads the metrics of all of them, with our alert rules.
        folder: For logs and spools.
        hold_s: How long a fault lasts.
        patience_s: How long full speed is waited for after its cure.
        run: The run's name.
        metrics_port: Where its metrics are served.
        arguments: Of every `hairpin train`.
        env: Its environment.
        wrapper: The command that it is run by.
        training: What is watched.
    """

    minio: Minio
    link: Link
    mediamtx: Mediamtx
    prometheus: Prometheus
    folder: Path
    hold_s: float
    patience_s: float
    run: str
    metrics_port: int
    arguments: list[str]
    env: dict[str, str]
    wrapper: list[str] = field(default_factory=list)
    training: Training = field(init=False)

    def start_training(self, *arguments: str) -> None:
        """Starts a training, and returns when it drives."""
        self.training = Training(
            [*arguments, *self.arguments], self.env, self.folder / "training.log", self.wrapper
        )
        training = self.training
        training.wait_for("iterations", lambda: training.rate() > 0.0, STARTS_WITHIN_S)

    def metrics_answer(self) -> bool:
        """Whether anybody listens where the training's metrics are."""
        with contextlib.suppress(OSError):
            socket.create_connection((HOST, self.metrics_port), timeout=1.0).close()
            return True
        return False

    def metric(self, name: str) -> float:
        """The newest value of a metric of the run; the sum if it has labels; 0 without any."""
        found = self.prometheus.query(f'sum({name}{{run="{self.run}"}})')
        return float(found[0]["value"][1]) if found else 0.0

    def wait(self, condition: Callable[[], bool], timeout_s: float) -> float | None:
        """How long it took until `condition` held, seconds; None if it did not in time."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > timeout_s:
                return None
            time.sleep(POLL_S)
        return time.monotonic() - began

    def hold(self, condition: Callable[[], bool]) -> bool:
        """Waits as long as a fault lasts, and on until `condition` has held, twice that at most.

        Returns:
            Whether it has held.
        """
        until = time.monotonic() + self.hold_s
        held = False
        while time.monotonic() < until or (not held and time.monotonic() < until + self.hold_s):
            held = held or condition()
            time.sleep(POLL_S)
        return held
