"""A participant's training on the cluster: as whom it reaches the store, and what it may say."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from hairpin.job import Job
from hairpin.jobs.note import TENANT_KEY, job_metadata
from hairpin.places import looks_like_path, storage_url
from hairpin.stored_job import COPIES
from hairpin.streaming.address import FILE
from hairpin.streaming.settings import VARIABLE as VIDEO
from hairpin.workshop.allowance import Allowance, given_by_the_workshop, keys_of, place_of
from hairpin.workshop.rules import read_rules, workshop_folder
from sim.errors import UserError
from sim.walls import walls_here
from storage import open_store


@dataclass(frozen=True)
class Visit(Allowance):
    """Whose training this process is.

    Attributes:
        storage: Where the cluster keeps its runs, and under which participants have theirs.
    """

    storage: str

    def check_said(self, source: str | None, storage: str | None) -> None:
        """Raises `UserError` if a participant names files or runs that are not theirs.

        Args:
            source: The job file or folder.
            storage: Where runs are to be kept, if that is said.
        """
        if self.tenant and storage is not None:
            raise given_by_the_workshop("storage")
        if self.tenant and source is not None and not self._is_own(Path(source).resolve()):
            raise UserError("the job is not in the folder that was sent", where=source)

    def check_job(self, job: Job) -> None:
        """Raises `UserError` unless a participant may train `job` now."""
        self.check_workers(job.train_settings().workers, job.num_learners)
        if self.tenant:
            self._check_places(job)
            check_walls(walls_here())
            self.check_stored()

    def _check_places(self, job: Job) -> None:
        """A driver can read files that are not its participant's, so its job may not name any."""
        said = {
            "storage": job.storage not in (None, self.store.url),
            "address": job.address is not None,
            "metrics_port": job.metrics_port is not None,
            "video.to": job.video.to not in (None, FILE),
        }
        for name, is_said in said.items():
            if is_said:
                raise given_by_the_workshop(name)
        for name in ("reward", "track"):
            value = getattr(job, name)
            if looks_like_path(value) and not self._is_own(Path(value).resolve()):
                raise UserError(
                    "this names a file that is not in the job's folder",
                    where=name,
                    fix="Send it with the job: hairpin submit does.",
                )

    def _is_own(self, path: Path) -> bool:
        """Whether a file is of the job's folder or of a run of the participant's."""
        roots = [Path.cwd()]
        roots += [p for p in Path(tempfile.gettempdir()).resolve().glob(f"{COPIES}*") if p.is_dir()]
        kept = self.store.local_path("run")
        if kept is not None:
            roots.append(kept.parent.resolve())
        return any(path.is_relative_to(root) for root in roots)


def check_walls(walls: Collection[str]) -> None:
    """Raises `UserError` if reward functions could read what is not their participant's."""
    if "files" not in walls:
        raise UserError(
            "this node's kernel keeps reward functions from no file (it has no Landlock), so one "
            "participant's could read the keys of the others",
            where="workshop",
            fix="Run the head on a node with Linux 5.13 or newer and Landlock switched on.",
        )


def begin_visit() -> Visit | None:
    """Finds out whose training this is, and takes on the participant's key, folder and video path.

    What it sets is this process's environment, where store and video look.

    Returns:
        None where there is no workshop.

    Raises:
        UserError: The job says a participant that there is not.
    """
    tenant, folder = job_metadata().get(TENANT_KEY, ""), workshop_folder()
    if folder is None:
        if tenant:
            raise UserError(
                "this cluster has no workshop", where=f"--as {tenant}", fix="Leave it out."
            )
        return None
    rules, storage = read_rules(folder), storage_url(None)
    rules.check(tenant)
    os.environ["HAIRPIN_WORKERS"] = str(rules.usual_workers(tenant))
    if tenant:
        os.environ["HAIRPIN_STORAGE"] = place_of(storage, tenant)
        if (video := os.environ.get(VIDEO)) and video != FILE:
            os.environ[VIDEO] = f"{video.rstrip('/')}/{tenant}"
        os.environ.pop("AWS_SESSION_TOKEN", None)
        user, password = keys_of(folder, tenant)
        os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"] = user, password
    return Visit(tenant, folder, open_store(storage_url(None)), storage)
