"""Going on with a run: which job, and what may be different this time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from hairpin.job import Job, validate_job
from hairpin.job_source import OPTIONS
from hairpin.kept import KEPT
from hairpin.places import absolute, looks_like_path, storage_url
from hairpin.preflight import check_world
from hairpin.stored_job import job_of
from hairpin.summary import result_of
from sim.errors import UserError
from storage import Run, open_store

Options = Mapping[tuple[str, ...], Any]
ENDED = {"goal": "its goal is reached", "minutes": "its time is up", "steps": "its steps are done"}
CHANGEABLE: set[tuple[str, ...]] = {
    ("workers",),
    ("address",),
    ("storage",),
    ("metrics_port",),
    ("video", "to"),
}


def job_to_resume(
    name: str,
    source: str | None,
    options: Options,
    check: Callable[[Job], None] = lambda job: None,
) -> tuple[Job, Run]:
    """Finds a run and makes the job to go on with: its own, with a new goal if one is given.

    Args:
        name: The run.
        source: A job file, of which there must be none.
        options: As for `hairpin.job_source.load_job`.
        check: Raises if the job may not be trained; asked before any of its files is read.

    Raises:
        UserError: Something is given that cannot change while a run goes on.
        StorageError: There is no such run, or it has no checkpoint.
    """
    if source is not None:
        raise UserError(
            "a run goes on with its own job",
            where="--resume",
            fix=f"Leave out {source}, or begin a new run without --resume.",
        )
    given = {way: value for way, value in options.items() if value is not None}
    run = Run.open(open_store(storage_url(given.get(("storage",))), spool=True), name)
    job = job_of(run)
    about = run.about()
    for way, value in given.items():
        if way in CHANGEABLE or way[0] == "stop":
            continue
        before = about.get(way[0]) if way[0] in ("track", "reward") else getattr(job, way[0])
        if way in (("track",), ("reward",)) and looks_like_path(value):
            value = absolute(value, Path())
        if value != before:
            raise UserError(
                f"cannot change from {before!r} to {value!r} when a run goes on",
                where=OPTIONS[way],
                fix="Leave it out, or begin a new run without --resume.",
            )
    if not run.has_file(KEPT):  # or it begins again, if it did not come to a checkpoint
        run.checkpoints.resolve("latest")
    job = _changed(job, given)
    check(job)
    check_world(job)
    new_goal = any(way[0] == "stop" for way in given)
    reason = result_of(run).get("stop_reason")
    if reason in ENDED and not new_goal:
        raise UserError(
            f"the run has come to its end: {ENDED[reason]}",
            where=f"--resume {name}",
            fix="Give a new one: --minutes, --steps (both counted from the run's beginning) or "
            "--until.",
        )
    return job, run


def _changed(job: Job, given: Options) -> Job:
    data = job.model_dump(mode="json")
    # A new goal replaces the old one as a whole: the old one has been reached, or given up.
    stop = {way[1]: value for way, value in given.items() if way[0] == "stop"}
    if stop:
        data["stop"] = stop
    for way in (("workers",), ("address",), ("metrics_port",)):
        if way in given:
            data[way[0]] = given[way]
    if ("video", "to") in given:
        data["video"]["to"] = given[("video", "to")]
    return validate_job(data, lambda way: OPTIONS.get(tuple(str(p) for p in way), "the job"))
