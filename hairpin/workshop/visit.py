"""A participant's training on the cluster: as whom it reaches the store, and what it may say."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from hairpin.job import Job
from hairpin.jobs.note import TENANT_KEY, job_metadata
from hairpin.places import looks_like_path, storage_url
from hairpin.stored_job import COPIES
from hairpin.streaming.address import FILE
from hairpin.streaming.settings import VARIABLE as VIDEO
from hairpin.workshop.rules import KEYS, VARIABLE, Limits, Rules, read_rules, workshop_folder
from sim.errors import UserError
from storage import Store, open_store

ACCESS_KEY = "tenant-{}"  # a participant's user in the store
PREFIX = "tenants"  # where the runs of participants are, each under a folder of its own


@dataclass(frozen=True)
class Visit:
    """Whose training this process is.

    Attributes:
        tenant: The participant; empty for a training of nobody in particular.
        folder: Of the workshop's files.
        storage: Where the cluster keeps its runs, and under which participants have theirs.
        store: Where this participant's runs are.
    """

    tenant: str
    folder: Path
    storage: str
    store: Store = field(repr=False)

    @property
    def rules(self) -> Rules:
        """The rules as they are now."""
        return read_rules(self.folder)

    @property
    def limits(self) -> Limits:
        """The participant's limits as they are now."""
        return self.rules.of(self.tenant)

    def check_storage(self, storage: str | None) -> None:
        """Raises `UserError` if a participant says another place for runs than theirs."""
        if self.tenant and storage is not None:
            raise _not_yours("storage")

    def check_job(self, job: Job) -> None:
        """Raises `UserError` unless a participant may train `job` now."""
        workers = job.train_settings().workers + job.num_learners
        most = self.rules.workers_of(self.tenant)
        if workers > most:
            whose = f"{self.tenant} may have" if self.tenant else "the cluster has room for"
            learners = f" and {job.num_learners} learners" if job.num_learners else ""
            raise UserError(
                f"{workers - job.num_learners} workers{learners} are asked for and {whose} {most}",
                where="--workers",
                fix=f"Use --workers {max(1, most - job.num_learners)}.",
            )
        if self.tenant:
            self._check_places(job)
            self.check_stored()

    def check_used(self, used_minutes: float) -> None:
        """Raises `UserError` if the participant's minutes are used up."""
        if self.is_used_up(used_minutes):
            allowed = self.limits.minutes
            raise UserError(
                f"{self.tenant} has used {used_minutes:.0f} of {allowed:g} minutes of training",
                where="workshop",
                fix="Ask your teacher for more (workshop.participants.NAME.minutes of the chart).",
            )

    def check_stored(self) -> None:
        """Raises `UserError` if the participant's runs take as much room as they may."""
        if self.is_full():
            stored, allowed = self.stored_bytes() / 1e6, (self.limits.bytes or 0) / 1e6
            raise UserError(
                f"{self.tenant} keeps {stored:,.1f} of {allowed:,.1f} MB of runs",
                where=self.store.url,
                fix="Make room: hairpin storage prune RUN --keep-last 1, on the cluster's storage.",
            )

    def is_used_up(self, used_minutes: float) -> bool:
        """Whether the participant has had all minutes of training."""
        allowed = self.limits.minutes
        return allowed is not None and used_minutes >= allowed

    def is_full(self) -> bool:
        """Whether the participant's runs take as much room as they may."""
        allowed = self.limits.bytes
        return allowed is not None and self.stored_bytes() >= allowed

    def stored_bytes(self) -> int:
        """How much room the participant's runs take."""
        return sum(entry.size_bytes for entry in self.store.entries().values())

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
                raise _not_yours(name)
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
        os.environ["HAIRPIN_STORAGE"] = f"{storage.rstrip('/')}/{PREFIX}/{tenant}"
        if (video := os.environ.get(VIDEO)) and video != FILE:
            os.environ[VIDEO] = f"{video.rstrip('/')}/{tenant}"
        os.environ.pop("AWS_SESSION_TOKEN", None)
        os.environ["AWS_ACCESS_KEY_ID"] = ACCESS_KEY.format(tenant)
        os.environ["AWS_SECRET_ACCESS_KEY"] = _password(folder, tenant)
    return Visit(tenant, folder, storage, open_store(storage_url(None)))


def _password(folder: Path, tenant: str) -> str:
    path = folder / KEYS / tenant
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UserError(
            f"there is no key of {tenant} ({error.strerror or error})",
            where=str(path),
            fix=f"Whoever runs the cluster puts it there; ${VARIABLE} names the folder.",
        ) from error


def _not_yours(name: str) -> UserError:
    return UserError(
        "is given by the workshop, and not a participant's to say", where=name, fix="Leave it out."
    )
