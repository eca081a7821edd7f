"""Ray for one run: a cluster of our own on this machine, or one that is there already.

Starting Ray takes as long as importing torch and RLlib, and both wait for disks and other processes
much of the time, so they overlap: Ray starts in a thread while this process imports.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import Any

# Ray's C++ core warns on stderr about things that are meant to be so.
os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")

LOG = logging.getLogger(__name__)
MIN_OBJECT_STORE_BYTES = 256 * 2**20
QUIETLY: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
ITERATIONS_IN_STORE = 4  # fragments of so many iterations fit at once


class Cluster:
    """Connects to Ray, or starts it.

    Args:
        address: A cluster's address; None for $RAY_ADDRESS, and if that is not set either, for a
            cluster of our own.
        cpus: How many CPUs a cluster of our own must have at least.
        batch_bytes: Size of one iteration's samples.

    Attributes:
        seconds: Time that parts of the start took.
    """

    def __init__(self, address: str | None, *, cpus: int, batch_bytes: int) -> None:
        self.address = address or os.environ.get("RAY_ADDRESS") or None
        self.seconds: dict[str, float] = {}
        self._wanted = cpus
        self._cpus = max(cpus, os.cpu_count() or 1)
        self._store_bytes = max(MIN_OBJECT_STORE_BYTES, ITERATIONS_IN_STORE * batch_bytes)
        self._ours = False
        self._error: BaseException | None = None
        self._connected = threading.Event()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ray-start", daemon=True)

    def start(self) -> None:
        """Begins to start or connect, in a thread; `wait` for it before using Ray."""
        self._thread.start()

    def wait(self) -> None:
        """Returns when Ray is usable.

        Raises:
            ConnectionError: There is no cluster at the address.
        """
        self._connected.wait()
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """Shuts down or disconnects, if `start` started or connected."""
        self._connected.wait()
        if self._ours:
            import ray

            ray.shutdown()
        self._done.set()
        self._thread.join()

    def _tell_of_growth(self, there: float) -> None:
        """Says what is waited for: workers begin when Ray has a CPU for each."""
        if there < self._wanted:
            LOG.warning(
                "the cluster has %g CPUs and %d are wanted: waiting until it has grown",
                there,
                self._wanted,
            )

    def _run(self) -> None:
        try:
            self._connect()
        except BaseException as error:
            # Raised again in `wait`, in the thread that asked.
            self._error = error
        self._connected.set()
        # Linux kills Ray's processes when the thread that started them ends, not the process.
        self._done.wait()

    def _connect(self) -> None:
        began = time.perf_counter()
        import ray

        self.seconds["import ray"] = time.perf_counter() - began
        if ray.is_initialized():
            return
        began = time.perf_counter()
        if self.address is not None:
            connect(self.address)
        else:
            self._start()
        if self.address is not None:
            self._tell_of_growth(ray.cluster_resources().get("CPU", 0.0))
        self._ours = True
        self.seconds["start ray"] = time.perf_counter() - began

    def _start(self) -> None:
        import ray

        options: dict[str, Any] = {
            # Not a cluster that somebody else happens to run on this machine.
            "address": "local",
            "num_cpus": self._cpus,
            "include_dashboard": False,
            "object_store_memory": self._store_bytes,
            **QUIETLY,
        }
        try:
            ray.init(**options)
        except Exception:
            # Ray gives its own processes 30 s, which is short on a machine with other work to do,
            # or at the first start, when nothing is in the disk cache. Once more, then.
            ray.shutdown()
            ray.init(**options)


def connect(address: str) -> None:
    """Connects this process to the Ray cluster at `address`, unless it is connected already."""
    import ray

    ray.init(address=address, ignore_reinit_error=True, **QUIETLY)
