"""Ends the driver of a Ray job at once: run as a job itself, for Ray's own stop waits for a save.

usage: python -m hairpin.jobs.end_now JOB
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
from itertools import pairwise
from pathlib import PurePath

import psutil

LEAVES_WITHIN_S = 10.0


def end_now(job: str) -> None:
    """Insists, as a second Ctrl-C does; who has not left then is killed.

    Args:
        job: Ray's name of the job, which was asked to stop before.
    """
    drivers = [process for process in psutil.process_iter() if _is_driver(process, job)]
    for process in drivers:
        _send(process, signal.SIGTERM)
    for process in psutil.wait_procs(drivers, timeout=LEAVES_WITHIN_S)[1]:
        _send(process, signal.SIGKILL)


def _is_driver(process: psutil.Process, job: str) -> bool:
    try:
        words = [PurePath(word).name for word in process.cmdline()[:5]]
        if ("hairpin", "train") not in pairwise(words):
            return False
        config = json.loads(process.environ().get("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}"))
    except (psutil.Error, ValueError):  # it has ended, or is not ours to look at
        return False
    return bool((config.get("metadata") or {}).get("job_submission_id") == job)


def _send(process: psutil.Process, number: signal.Signals) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(number)


if __name__ == "__main__":
    end_now(sys.argv[1])
