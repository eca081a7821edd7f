"""What a participant may use, and whether it is used up."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from hairpin.workshop.rules import VARIABLE, Limits, Rules, read_rules
from sim.errors import UserError
from storage import Store, layout, open_store
from storage.open import SCHEME


@dataclass(frozen=True)
class Allowance:
    """A participant's allowance.

    Attributes:
        tenant: The participant; empty for nobody in particular.
        folder: Of the workshop's files.
        store: Where the participant's runs are.
    """

    tenant: str
    folder: Path
    store: Store = field(repr=False)

    @property
    def rules(self) -> Rules:
        """The rules as they are now."""
        return read_rules(self.folder)

    @property
    def limits(self) -> Limits:
        """The participant's limits as they are now."""
        return self.rules.of(self.tenant)

    def check_workers(self, workers: int, learners: int = 0) -> None:
        """Raises `UserError` if a job wants more workers than the participant may have at once."""
        most = self.rules.workers_of(self.tenant)
        if workers + learners > most:
            whose = f"{self.tenant} may have" if self.tenant else "the cluster has room for"
            more = f" and {learners} learners" if learners else ""
            raise UserError(
                f"{workers} workers{more} are asked for and {whose} {most}",
                where="--workers",
                fix=f"Use --workers {max(1, most - learners)}.",
            )

    def is_used_up(self, used_minutes: float) -> bool:
        """Whether the participant has had all minutes of training."""
        allowed = self.limits.minutes
        return allowed is not None and used_minutes >= allowed

    def check_used(self, used_minutes: float) -> None:
        """Raises `UserError` if the participant has had all minutes of training."""
        if self.is_used_up(used_minutes):
            allowed = self.limits.minutes
            raise UserError(
                f"{self.tenant} has used {used_minutes:.1f} of {allowed:g} minutes of training",
                where="workshop",
                fix="Your teacher can allow more (workshop.limits, workshop.participants).",
            )

    def stored_bytes(self) -> int:
        """How much room the participant's runs take."""
        return sum(entry.size_bytes for entry in self.store.entries().values())

    def is_full(self) -> bool:
        """Whether the participant's runs take as much room as they may."""
        allowed = self.limits.bytes
        return allowed is not None and self.stored_bytes() >= allowed

    def check_stored(self) -> None:
        """Raises `UserError` if the participant's runs take as much room as they may."""
        if self.is_full():
            stored, allowed = self.stored_bytes() / 1e6, (self.limits.bytes or 0) / 1e6
            raise UserError(
                f"{self.tenant} keeps {stored:,.1f} of {allowed:,.1f} MB of runs",
                where=self.store.url,
                fix=f"Make room: hairpin storage rm RUN --storage {self.store.url}, or prune; "
                "hairpin storage ls shows which runs are large.",
            )


def given_by_the_workshop(name: str) -> UserError:
    """The error for a value of a job that a participant says and should not."""
    return UserError(
        "is given by the workshop, and not a participant's to say", where=name, fix="Leave it out."
    )


def keys_of(folder: Path, tenant: str) -> tuple[str, str]:
    """A participant's user in the store, and the password.

    Raises:
        UserError: There is none.
    """
    user, password = f"{tenant}.access-key-id", f"{tenant}.secret-access-key"
    if (folder / user).exists():  # of a store that makes them up itself
        return read_secret(folder, user), read_secret(folder, password)
    return f"tenant-{tenant}", read_secret(folder, tenant)


def read_secret(folder: Path, name: str) -> str:
    """What a file of the workshop's folder holds; raises `UserError` if there is none."""
    path = folder / name
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise UserError(
            f"this cannot be read: {error.strerror or error}",
            where=str(path),
            fix=f"Whoever runs the cluster puts it there; ${VARIABLE} names the folder.",
        ) from error


def place_of(storage: str, tenant: str) -> str:
    """Where a participant's runs are, if the cluster's are in `storage`."""
    return f"{storage.rstrip('/')}/{layout.TENANTS}/{tenant}"


def open_allowance(folder: Path, storage: str, tenant: str) -> Allowance:
    """A participant's allowance, for somebody else than their driver.

    Args:
        folder: Of the workshop's files.
        storage: Where the cluster keeps its runs.
        tenant: The participant.

    Raises:
        UserError: The participant has no key.
        StorageError: The address is of no use.
    """
    url = place_of(storage, tenant)
    if not url.startswith(SCHEME):
        return Allowance(tenant, folder, open_store(url))
    from storage.s3 import S3Store
    from storage.s3_settings import S3Settings

    settings = S3Settings.find(keys=keys_of(folder, tenant))
    return Allowance(tenant, folder, S3Store(url, settings))
