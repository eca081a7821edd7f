"""The metrics of one training, from its first event to its last."""

from __future__ import annotations

from pathlib import Path

from hairpin.job import Job
from hairpin.monitoring.place import metrics_place
from hairpin.monitoring.run_metrics import RunMetrics
from hairpin.monitoring.sources import Source, disk, driver, uploads
from learner.events import Ended, Event, Started
from storage import Run
from storage.spool import SpooledStore


class Monitor:
    """Is told the events of a training and has its metrics served, if the job wants that.

    Args:
        job: What is trained.
        run: Where it is kept.
        sources: What else to ask for values, see `hairpin.monitoring.sources`.
    """

    def __init__(self, job: Job, run: Run, *sources: Source) -> None:
        self._place = metrics_place(job)
        if self._place is None:
            return
        from hairpin.monitoring.publisher import Publisher, origin_of

        self._metrics = RunMetrics(
            track=Path(job.track).stem if job.track.endswith(".npy") else job.track,
            actions=job.actions.type,
            checkpoint_every_s=job.checkpoint_every_s,
            sources=[driver, disk(folder_of(run)), uploads(run), *sources],
        )
        self._publisher = Publisher(self._metrics, origin_of(run), self._place)

    @property
    def url(self) -> str | None:
        """Where the metrics are served; None if nowhere."""
        return self._place.url if self._place is not None else None

    def note(self, event: Event) -> None:
        """Takes up what an event says; begins to serve with the first, and ends with the last."""
        if self._place is None:
            return
        self._metrics.note(event)
        if isinstance(event, Started):
            self._publisher.start()
        elif isinstance(event, Ended):
            self._publisher.finish()


def folder_of(run: Run) -> Path:
    """The folder of this machine that a run is written to, or waits in for its store."""
    if isinstance(run.store, SpooledStore):
        return run.store.folder
    path = run.local_path("job.json")
    return Path() if path is None else path.parent
