"""Trainings that may be begun again at any time and go on where they were."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hairpin.job import Job
from hairpin.places import storage_url
from hairpin.preflight import REWARD_COPY, stored_job, stored_route_name
from hairpin.resume import ENDED
from hairpin.summary import result_of
from sim.errors import UserError
from sim.reward import reward_path
from storage import NotFoundError, Run, StorageError, open_store

POLL_S = 2.0
MAY_DIFFER = ("workers", "run")


class Over(Exception):
    """The run has come to its end; there is nothing to do."""


def find_begun(job: Job, say: Callable[[str], None]) -> bool:
    """Whether the run of a durable job is there to be gone on with.

    A run that was begun but has no checkpoint is removed, to be begun again.

    Args:
        job: It names its run.
        say: Told what is being waited for.

    Raises:
        Over: The run has come to its end.
        UserError: The run is another job's, or its reward function failed too often.
        StorageError: The storage is of no use.
    """
    if job.run is None:
        raise UserError(
            "which run to go on with is not said", where="--durable", fix="Name it with --run."
        )
    store = open_store(storage_url(job.storage))
    try:
        run = Run.open(store, job.run)
    except NotFoundError:
        return False
    _check_same(job, run)
    _wait_for_writer(run, say)
    _check_not_over(run)
    if run.checkpoints.names():
        return True
    run.begin_writing()
    run.remove()
    return False


def take(run: Run, before: dict[str, Any], say: Callable[[str], None]) -> None:
    """Makes this process the run's writer, as soon as nobody else is.

    After the loss of a head, whoever looks after the job and whoever looks after the cluster may
    both go on with a run: one does, and the other sees it come to its end.

    Args:
        run: To be gone on with.
        before: How it had ended when it was decided to go on with it (`hairpin.summary`).
        say: Told what is being waited for.

    Raises:
        Over: The other one brought it to its end.
        UserError: Its reward function failed too often then.
        StorageError: The storage is of no use.
    """
    while True:
        _wait_for_writer(run, say)
        if result_of(run) != before:
            _check_not_over(run)
        try:
            run.begin_writing()
        except StorageError:
            if not run.is_being_written():
                raise
        else:
            return


def _wait_for_writer(run: Run, say: Callable[[str], None]) -> None:
    """Waits until nobody writes the run: a driver that was killed elsewhere is missed later."""
    if run.is_being_written():
        say(f"waiting until nobody else writes run {run.name}")
    while run.is_being_written():
        time.sleep(POLL_S)


def _check_not_over(run: Run) -> None:
    result = result_of(run)
    reason = result.get("stop_reason")
    if reason in ENDED:
        raise Over(f"run {run.name} has come to its end: {ENDED[reason]}")
    if reason == "reward":
        raise UserError(
            str(result.get("error")), where=run.name, fix="Mend it, and begin a new run."
        )


def _check_same(job: Job, run: Run) -> None:
    """Raises `UserError` if the run was begun by another job."""
    wanted = _plain(stored_job(job, stored_route_name(job)))
    begun = _plain(run.job())
    different = sorted(key for key in wanted if wanted[key] != begun.get(key))
    if run.has_file(REWARD_COPY) and run.get_file(REWARD_COPY) != _reward(job):
        different.append("reward")
    if different:
        raise UserError(
            f"run {run.name} was begun by another job: {', '.join(different)} differ",
            where="--durable",
            fix="Begin a run of another name with --run, or remove that one.",
        )


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if key not in MAY_DIFFER}


def _reward(job: Job) -> bytes:
    return reward_path(job.reward).read_bytes()
