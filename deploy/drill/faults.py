"""The faults: how each is made, how it is cured, and where it must be seen."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import av
import psutil

from drill.bench import Bench

WORKER = "ray::RolloutWorker"
ENDPOINT = "ray::Endpoint"


@dataclass(frozen=True)
class Fault:
    """One fault under a training that has to go on.

    Attributes:
        name: What it is called on the command line.
        title: What it is.
        broken: Broken within this context, whole again after it.
        log: What the user reads, as a regular expression.
        metric: PromQL that has a result while it lasts; ``$run`` is the run.
        alert: The alert that fires; None where nothing is wrong that anybody should mend.
        instant: It is over at once and mends itself; nothing to hold.
    """

    name: str
    title: str
    broken: Callable[[Bench], AbstractContextManager[object]]
    log: str
    metric: str
    alert: str | None
    instant: bool = False


@contextmanager
def worker_killed(bench: Bench) -> Iterator[None]:
    """A rollout worker dies."""
    _worker(bench).kill()
    yield


@contextmanager
def worker_stopped(bench: Bench) -> Iterator[None]:
    """A rollout worker hangs."""
    worker = _worker(bench)
    worker.suspend()
    try:
        yield
    finally:
        worker.resume()


@contextmanager
def store_stopped(bench: Bench) -> Iterator[None]:
    """The object store is down."""
    bench.minio.stop()
    try:
        yield
    finally:
        bench.minio.start()


@contextmanager
def store_slow(bench: Bench) -> Iterator[None]:
    """The line to the object store is slow and loses data."""
    bench.link.delay_s, bench.link.loss = 0.5, 0.01
    try:
        yield
    finally:
        bench.link.delay_s, bench.link.loss = 0.0, 0.0


@contextmanager
def store_refuses(bench: Bench) -> Iterator[None]:
    """The object store knows other credentials than we do."""
    right = bench.minio.secret_key
    _restart_with(bench, right[::-1])
    try:
        yield
    finally:
        _restart_with(bench, right)


@contextmanager
def video_stopped(bench: Bench) -> Iterator[None]:
    """The video server is down."""
    bench.mediamtx.stop()
    try:
        yield
    finally:
        bench.mediamtx.start()


@contextmanager
def viewer_never_reads(bench: Bench) -> Iterator[None]:
    """Somebody watches a stream and does not read what is sent."""
    address = bench.mediamtx.reader_url(f"{bench.run}/eval")
    with av.open(address, options={"rtsp_transport": "tcp"}):
        yield


@contextmanager
def spool_full(bench: Bench) -> Iterator[None]:
    """The object store is down, and the disk of the spool is full."""
    inside = Path(f"/proc/{bench.training.driver.pid}/root{bench.env['HAIRPIN_SPOOL']}")
    filler = inside / "filler"
    with store_stopped(bench):
        with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(65536))
        try:
            yield
        finally:
            filler.unlink()


@contextmanager
def endpoint_killed(bench: Bench) -> Iterator[None]:
    """The process that serves the metrics dies."""
    _the_one(bench, ENDPOINT).kill()
    yield


FAULTS = (
    Fault(
        "worker-killed",
        "SIGKILL a rollout worker",
        worker_killed,
        log="worker_lost",
        metric='hairpin_worker_losses_total{run="$run"} > 0',
        alert="HairpinWorkerLost",
        instant=True,
    ),
    Fault(
        "worker-stopped",
        "SIGSTOP a rollout worker",
        worker_stopped,
        log="worker_lost",
        metric='hairpin_workers_healthy{run="$run"} < hairpin_workers_wanted',
        alert="HairpinWorkersMissing",
    ),
    Fault(
        "store-stopped",
        "stop MinIO",
        store_stopped,
        log="store",
        metric='hairpin_store_up{run="$run"} == 0',
        alert="HairpinStoreDown",
    ),
    Fault(
        "store-slow",
        "MinIO behind 500 ms and 1 % broken connections",
        store_slow,
        log="",
        metric='hairpin_uploads_pending{run="$run"} > 0',
        alert=None,
    ),
    Fault(
        "store-refuses",
        "MinIO refuses our credentials",
        store_refuses,
        log="store",
        metric='hairpin_store_up{run="$run"} == 0',
        alert="HairpinStoreDown",
    ),
    Fault(
        "spool-full",
        "stop MinIO and fill the spool's disk",
        spool_full,
        log="no space left",
        metric='hairpin_store_up{run="$run"} == 0',
        alert="HairpinDiskLow",
    ),
    Fault(
        "video-stopped",
        "stop MediaMTX",
        video_stopped,
        log="video",
        metric='hairpin_video_up{run="$run"} == 0',
        alert="HairpinVideoDown",
    ),
    Fault(
        "viewer-never-reads",
        "a viewer who never reads",
        viewer_never_reads,
        log="",
        metric='hairpin_video_up{run="$run"} == 1',
        alert=None,
    ),
    Fault(
        "endpoint-killed",
        "SIGKILL the metrics endpoint",
        endpoint_killed,
        log="",
        metric='up{job="hairpin"} == 0',
        alert="HairpinMetricsGone",
        instant=True,
    ),
)


def _worker(bench: Bench) -> psutil.Process:
    return bench.training.processes(WORKER)[-1]


def _the_one(bench: Bench, title: str) -> psutil.Process:
    (process,) = bench.training.processes(title)
    return process


def _restart_with(bench: Bench, secret_key: str) -> None:
    bench.minio.stop()
    bench.minio.secret_key = secret_key
    bench.minio.start()
