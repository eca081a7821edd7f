"""The services that a training on this machine would use: store, video server, metrics."""

from __future__ import annotations

import os
from collections.abc import Iterator

from hairpin.doctor.finding import Finding
from sim.errors import UserError


def check_services(storage: str) -> Iterator[Finding]:
    """Tries each as a training does before it begins; video and metrics if there are any.

    Args:
        storage: Where runs are to be kept.
    """
    yield _storage(storage)
    if os.environ.get("HAIRPIN_VIDEO"):
        yield _video_server()
    if os.environ.get("HAIRPIN_METRICS_PORT"):
        yield _metrics()


def _storage(storage: str) -> Finding:
    from storage import StorageError, open_store

    try:
        store = open_store(storage)
        store.check_writable()
    except StorageError as error:
        return Finding("storage", "fail", f"{error.where}: {error.what}", error.fix)
    return Finding("storage", "ok", f"{store.url} can be written")


def _video_server() -> Finding:
    from hairpin.streaming.check import check_video
    from hairpin.streaming.settings import VideoSettings

    settings = VideoSettings()
    try:
        check_video(settings, "hairpin-doctor")
    except UserError as error:
        return Finding("video server", "fail", f"{error.where}: {error.what}", error.fix)
    return Finding("video server", "ok", f"{settings.target} takes video")


def _metrics() -> Finding:
    from hairpin.job import Job
    from hairpin.monitoring.place import check_metrics, metrics_place

    try:
        check_metrics(Job())
        place = metrics_place(Job())
    except UserError as error:
        return Finding("metrics", "fail", f"{error.where}: {error.what}", error.fix)
    assert place is not None
    return Finding("metrics", "ok", f"they can be served at port {place.port}")
