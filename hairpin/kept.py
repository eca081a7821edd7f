"""Runs that a cluster goes on with until their end, whatever befalls driver and head."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator

from hairpin.jobs.note import job_metadata
from sim.errors import UserError
from storage import Run
from storage.open import SCHEME

KEPT = "kept.json"  # in the run's folder: the wish, and the metadata of the job that had it
GOES_ON = 75  # exit code, sysexits.h's EX_TEMPFAIL: begun again, it goes on


class GoesOn(Exception):
    """This process ends, and the run does not."""


def keep(run: Run, say: Callable[[str], None]) -> None:
    """Asks that the run be gone on with until its end, if this process is a job of a Ray cluster.

    The wish lies with the run, because a cluster that loses its head forgets all jobs.
    `hairpin.jobs.keeper` fulfils it.

    Args:
        run: This process is its writer.
        say: Told if the run may be lost with the head.
    """
    metadata = job_metadata()
    if metadata:
        if not run.url.startswith(SCHEME):
            say(
                f"note: {run.url} is lost with this machine, unless it is a volume that outlives "
                "it; s3://BUCKET with --storage or $HAIRPIN_STORAGE outlives every machine"
            )
        run.put_file(KEPT, (json.dumps(metadata, indent=2) + "\n").encode())


@contextlib.contextmanager
def keeping_until_the_end(run: Run) -> Iterator[None]:
    """Takes back what `keep` asked once the run has ended: by itself, its user, or his fault.

    `GoesOn`, and what befalls the process otherwise, is no end.
    """
    try:
        yield
    except (KeyboardInterrupt, UserError):
        run.delete_file(KEPT)
        raise
    run.delete_file(KEPT)


@contextlib.contextmanager
def keeping_while_waiting(run: Run) -> Iterator[None]:
    """Removes a new run if its user or his fault ends it before it begins.

    `GoesOn`, and what befalls the process otherwise, is no end.
    """
    try:
        yield
    except GoesOn:
        run.end_writing()
        raise
    except (KeyboardInterrupt, UserError):
        run.remove()
        run.end_writing()
        raise
