"""When a job has been taken: its driver has checked it where it runs, and not only here."""

from __future__ import annotations

import time

from hairpin.jobs.server import POLL_S, JobServer
from hairpin.jobs.state import ClusterJob, begun_line
from sim.errors import UserError

PATIENCE_S = 60.0


def await_begun(server: JobServer, job: ClusterJob) -> ClusterJob:
    """Waits until a job has begun, waits for its turn, or is over; not for ever.

    What only the cluster knows, such as its store and how far it can grow, is found wrong within
    seconds there, and said here.

    Raises:
        UserError: The cluster does not do it, for a reason that a user can mend.
    """
    begun = begun_line(job.run, "")
    until = time.monotonic() + PATIENCE_S
    while not job.over and job.state != "waiting" and time.monotonic() < until:
        if any(line.startswith(begun) for line in server.log(job).splitlines()):
            break
        time.sleep(POLL_S)
        job = server.find(job.job) or job
    if job.refused:
        raise UserError(f"the cluster does not do it: {job.problem}", where=server.address)
    return job
