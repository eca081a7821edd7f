"""The job of a run that exists."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hairpin.job import Job, validate_job
from sim.errors import UserError
from storage import Run

COPIES = "hairpin-"  # how the names of folders begin that have copies of a run's files


def job_of(run: Run) -> Job:
    """The job of `run`, naming the run's own copies of its reward function and route.

    Raises:
        UserError: The job is damaged, or of a version this one doesn't understand.
    """
    data = run.job()
    copies = run.file_names()
    for key in ("reward", "track"):
        if data.get(key) in copies:
            data[key] = str(_as_file(run, data[key]))
    data["run"], data["storage"] = run.name, run.store.url
    try:
        return validate_job(data, lambda way: run.locate("job.json"))
    except UserError as error:
        raise UserError(
            error.what,
            where=error.where,
            fix=f"{error.fix} Another version of Hairpin may have made the run.".strip(),
        ) from error


def _as_file(run: Run, name: str) -> Path:
    """The run's file `name` on this machine, copied here if the store keeps no files."""
    path = run.local_path(name)
    if path is None:
        path = Path(tempfile.mkdtemp(prefix=COPIES)) / name
        path.write_bytes(run.get_file(name))
    return path
