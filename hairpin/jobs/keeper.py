"""Goes on with durable trainings whose driver or head was lost; it runs beside a cluster's head.

A head starts without any job, so the wish to be gone on with lies with the run (`hairpin.kept`).

usage: python -m hairpin.jobs.keeper
"""

from __future__ import annotations

import shlex
import signal
import sys
import time
from collections import Counter

from hairpin.jobs.server import JobServer
from hairpin.kept import KEPT
from hairpin.places import storage_url
from hairpin.workshop.allowance import place_of
from sim.errors import UserError
from storage import Run, StorageError, layout, open_store

POLL_S = 2.0
TRIES = 5  # of a run, by one head; what fails so often fails for a reason


class Keeper:
    """Submits again what was lost.

    Args:
        server: The cluster's job server.
        storage: Where the cluster keeps its runs.
    """

    def __init__(self, server: JobServer, storage: str) -> None:
        self._server = server
        self._storage = storage
        self._tries: Counter[str] = Counter()
        self._looked_at: set[str] = set()

    def go_on_with_all(self) -> None:
        """Goes on with every run that is to be gone on with: for a head that has just started."""
        for tenant in ("", *open_store(self._storage).children(layout.TENANTS)):
            for name in open_store(self._place_of(tenant)).children():
                self._go_on(name, tenant)

    def look(self) -> None:
        """Goes on with those whose driver has died since, and forgets those that were stopped."""
        jobs = self._server.jobs()
        newest = {(job.tenant, job.run): job for job in jobs}
        for job in jobs:
            if not job.over or not job.run or job.job in self._looked_at:
                continue
            if job.state == "failed":
                self._go_on(job.run, job.tenant)
            elif job.state == "cancelled" and job is newest[job.tenant, job.run]:
                # Whoever is stopped while it starts cannot take the wish back itself.
                Run(open_store(self._place_of(job.tenant)), job.run).delete_file(KEPT)
            self._looked_at.add(job.job)

    def _place_of(self, tenant: str) -> str:
        return place_of(self._storage, tenant) if tenant else self._storage

    def _go_on(self, name: str, tenant: str) -> None:
        """Submits a run again if it is to be gone on with and nobody does.

        Whose it is, its place says: what is in a participant's run a participant can have written.
        """
        run = Run(open_store(self._place_of(tenant)), name)
        if not run.has_file(KEPT):
            return
        jobs = [job for job in self._server.jobs() if (job.tenant, job.run) == (tenant, name)]
        if not all(job.over for job in jobs):
            return
        self._tries[run.url] += 1
        if self._tries[run.url] > TRIES:
            print(f"{run.url} failed {TRIES} times: it is left alone", flush=True)
            return
        command = ["hairpin", "train", "--resume", name, "--durable"]
        if not tenant:  # theirs is known by their job
            command += ["--storage", self._storage]
        job = self._server.submit(name, shlex.join(command), None, tenant)
        print(f"{run.url} goes on as job {job.job}", flush=True)


def main() -> None:
    """Looks after the cluster of this machine until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    keeper: Keeper | None = None
    said = ""
    while True:
        try:
            if keeper is None:
                started = Keeper(JobServer(), storage_url(None))
                started.go_on_with_all()
                keeper = started
                print("looking after durable trainings", flush=True)
            keeper.look()
            said = ""
        except (UserError, StorageError) as error:  # Ray or the store is not up
            if str(error) != said:
                said = str(error)
                print(said, flush=True)
        time.sleep(POLL_S)


if __name__ == "__main__":
    main()
