"""What is sent to a cluster: a small folder with the job's files, and the command to run in it."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hairpin.deepracer.folder import MODEL_FILES, PLACES
from hairpin.job import Job
from hairpin.job_source import JOB_NAMES, OPTIONS, load_job
from hairpin.places import looks_like_path
from hairpin.preflight import check_drive, new_run_name
from sim.errors import UserError
from sim.tracks import info, user_folder
from storage.runs import check_run_name

Way = tuple[str, ...]
NOT_SENT: set[Way] = {("run",), ("reward",), ("track",)}  # said anew, with what the folder has


@dataclass(frozen=True)
class Parcel:
    """A job as the cluster gets it.

    Attributes:
        run: The run's name.
        command: To be run in the folder, a shell line.
        notes: What should be said to the user.
    """

    run: str
    command: str
    notes: list[str] = field(default_factory=list)


def pack(
    source: str | None, options: Mapping[Way, Any], folder: Path, *, flags: list[str]
) -> Parcel:
    """Checks a job as far as this machine can, and copies what it needs into `folder`.

    Nothing else of a job's folder is sent: it may hold runs of many gigabytes. What depends on the
    cluster, its storage and its metrics, is checked there.

    Args:
        source: A job's file or folder, as `hairpin train` takes it; None for the default job.
        options: Those of `hairpin train`, by the way to what they set; None values are left out.
        folder: Empty.
        flags: Further options of `hairpin train`, as they are.

    Raises:
        UserError: Something is missing, malformed, unknown, out of range, or not usable.
        StorageError: The run cannot be called so.
    """
    given = {way: value for way, value in options.items() if value is not None}
    here = {way: value for way, value in given.items() if way != ("storage",)}
    loaded = load_job(source, here, inherit=False)
    job = loaded.job
    check_drive(job)
    run = check_run_name(job.run or new_run_name(job.track))
    command = ["hairpin", "train"]
    if source is not None:
        command.append(_copy_source(Path(source), folder))
    command += [*_files(job, folder), "--run", run]
    for way, value in given.items():
        if way not in NOT_SENT:
            command += [OPTIONS[way], str(value)]
    notes = [*loaded.notes]
    if job.clone:
        notes.append(f"{job.clone} is looked for on the cluster, in its storage")
    return Parcel(run, shlex.join([*command, *flags]), notes)


def pack_resume(run: str, options: Mapping[Way, Any], *, flags: list[str]) -> Parcel:
    """The parcel that goes on with a run of the cluster's storage; no file is sent with it."""
    command = ["hairpin", "train", "--resume", check_run_name(run)]
    for way, value in options.items():
        if value is not None:
            if way in (("reward",), ("track",)) and looks_like_path(value):
                raise UserError(
                    "a run goes on with its own job", where=OPTIONS[way], fix="Leave it out."
                )
            command += [OPTIONS[way], str(value)]
    return Parcel(run, shlex.join([*command, *flags]))


def _copy_source(source: Path, folder: Path) -> str:
    """Copies a job's own files; returns what `hairpin train` is to be given instead of it."""
    if source.is_file():
        shutil.copyfile(source, folder / source.name)
        return source.name
    places = [Path(place) / name for place in PLACES for name in MODEL_FILES]
    for place in [*map(Path, JOB_NAMES), *places]:
        if (source / place).is_file():
            (folder / place).parent.mkdir(exist_ok=True)
            shutil.copyfile(source / place, folder / place)
    return "."


def _files(job: Job, folder: Path) -> list[str]:
    """Copies the reward function and a route of the user's own; returns options that say so."""
    options: list[str] = []
    files = {"--reward": job.reward if looks_like_path(job.reward) else None}
    files["--track"] = job.track if looks_like_path(job.track) else None
    if files["--track"] is None and info(job.track).source == "imported":
        files["--track"] = str(user_folder() / f"{job.track}.npy")
    for option, path in files.items():
        if path is not None:
            target = folder / "sent" / Path(path).name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(path, target)
            options += [option, f"sent/{target.name}"]
    return options
