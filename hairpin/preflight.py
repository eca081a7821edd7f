"""Everything about a job that can be found wrong before Ray starts."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hairpin.address import check_address
from hairpin.clone import find_clone
from hairpin.job import Job, most_workers
from hairpin.monitoring.place import check_metrics
from hairpin.places import storage_url
from hairpin.streaming.check import check_video
from sim.errors import UserError
from sim.reward import reward_path
from sim.reward_process import check_reward
from sim.track import Track
from storage import Run, Store, open_store

RAY_JOB_FOLDER = "working_dir_files"  # where Ray unpacks the folder of a submitted job
REWARD_COPY = "reward_function.py"


@dataclass(frozen=True)
class Prepared:
    """A job that was checked, and where its run will be.

    Attributes:
        job: The job, with the run's name and the storage filled in.
        store: Where the run is kept.
        reward_source: The reward function's file.
        route: The route's file if the track is one of the user's, else None.
        notes: What should be said before it begins.
        clone: Weights to start from, if not from fresh ones.
        cloned_from: The run and checkpoint they are from.
        sources: Where each value of the job was said, by its way joined with dots.
    """

    job: Job
    store: Store
    reward_source: bytes
    route: Path | None
    notes: list[str]
    clone: Mapping[str, NDArray[np.float32]] | None = None
    cloned_from: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)


def prepare(job: Job, sources: Mapping[str, str] | None = None) -> Prepared:
    """Checks the reward function, the track, the run's name and the storage.

    Args:
        job: What to train.
        sources: Where its values were said, to be kept with the run.

    Raises:
        UserError: The reward function or the track is not usable.
        StorageError: The name is in use or not valid, or the storage cannot be written.
    """
    check_world(job)
    store = open_store(storage_url(job.storage), spool=True)
    name = job.run or new_run_name(job.track)
    Run(store, name).check_name_free()
    store.check_writable()
    route = Path(job.track) if job.track.endswith(".npy") else None
    filled = job.model_copy(update={"run": name, "storage": store.url})
    notes = []
    if RAY_JOB_FOLDER in Path(store.url).parts:
        notes.append(f"Ray removes {store.url} after the job; keep runs elsewhere with --storage")
    clone = find_clone(job, store)
    return Prepared(
        filled,
        store,
        reward_path(job.reward).read_bytes(),
        route,
        notes + (clone.notes if clone else []),
        clone=clone.weights if clone else None,
        cloned_from=clone.origin if clone else None,
        sources=sources or {},
    )


def check_world(job: Job) -> None:
    """Raises `UserError` unless reward function, track, Ray address and metrics port are usable."""
    check_drive(job)
    check_address(job.address)
    check_workers(job)
    check_metrics(job)
    check_video(job.video, job.run or "hairpin")


def check_workers(job: Job) -> None:
    """Raises `UserError` if the cluster cannot grow to what the job wants; Ray would wait for it.

    The chart says in $HAIRPIN_MAX_WORKERS how many CPUs there can be.
    """
    most = most_workers()
    if most is None:
        return
    settings = job.train_settings()
    learners = 0 if settings.num_gpus_per_learner else settings.num_learners
    if settings.workers + learners > most:
        also = f" and {learners} learners" if learners else ""
        raise UserError(
            f"{settings.workers} workers{also} want a CPU each, and the cluster can grow to {most}",
            where="workers",
            fix=f"Use --workers {max(1, most - learners)}, or raise rolloutWorkers.max of the "
            "chart.",
        )


def check_drive(job: Job) -> None:
    """Raises `UserError` unless the job's reward function and track are usable."""
    track = Track.load(job.track)
    check_reward(job.reward, track, timeout_s=job.reward_timeout_s, memory_mb=job.reward_memory_mb)


def create_run(prepared: Prepared) -> Run:
    """Claims the run's name and keeps with it all that is needed to go on or to evaluate.

    The reward function and a route of the user's own are copied, and the stored job names the
    copies: going on and evaluating do not depend on what becomes of the originals.
    """
    job, about = prepared.job, describe_origin(prepared.job)
    if prepared.cloned_from:
        about["cloned_from"] = prepared.cloned_from
    if prepared.sources:
        about["sources"] = dict(prepared.sources)
    assert job.run is not None
    route_name = stored_route_name(job)
    kept = stored_job(job, route_name)
    run = Run.create(prepared.store, job.run, kept, about)
    run.put_file(REWARD_COPY, prepared.reward_source)
    if prepared.route and route_name:
        run.put_file(route_name, prepared.route.read_bytes())
    return run


def stored_route_name(job: Job) -> str | None:
    """What the copy of a route of the user's own is called; None if the track is one of ours."""
    return safe_name(Path(job.track).stem) + ".npy" if job.track.endswith(".npy") else None


def stored_job(job: Job, route_name: str | None) -> dict[str, Any]:
    """The job as it is kept with its run: a job file in the run's folder, beside the copies."""
    data = job.model_dump(mode="json", exclude={"storage", "address"})
    data["reward"] = REWARD_COPY
    if route_name:
        data["track"] = route_name
    return data


def describe_origin(job: Job) -> dict[str, Any]:
    """Where and with what a run was made."""
    import importlib.metadata
    import platform

    from hairpin import __version__

    packages = {name: importlib.metadata.version(name) for name in ("ray", "torch", "numpy")}
    return {
        "hairpin": __version__,
        "python": platform.python_version(),
        **packages,
        "machine": platform.platform(),
        "track": job.track,
        "reward": job.reward,
    }


def new_run_name(track: str) -> str:
    """Makes up a name: track, date and time, and four characters that make it the only one."""
    stem = Path(track).stem if track.endswith(".npy") else track
    return f"{safe_name(stem)}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def safe_name(text: str) -> str:
    """`text` with what a run's name cannot have replaced by dashes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-.")[:60] or "run"
