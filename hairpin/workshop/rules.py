"""What participants of a workshop may use: read from the folder that $HAIRPIN_WORKSHOP names.

It holds ``rules.json``, see `Rules`, and for each participant a file of their name with their
password. All is read anew whenever it matters: a limit that a teacher raises counts at once.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, StringConstraints, ValidationError

from sim.errors import UserError, did_you_mean
from sim.settings import Settings

VARIABLE = "HAIRPIN_WORKSHOP"
RULES = "rules.json"
Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$")]


class Limits(Settings):
    """What one participant may use; None: as much as there is."""

    workers: int | None = Field(
        default=None, ge=1, description="Of all jobs of theirs at once, with remote learners."
    )
    minutes: float | None = Field(
        default=None, ge=0.0, description="Of training, all jobs together."
    )
    bytes: int | None = Field(default=None, ge=1, description="Stored, all runs together.")


class Rules(Settings):
    """A workshop's rules.

    A job that belongs to no participant (the teacher's own) waits for its turn too, and has no
    other limit than the cluster's size.
    """

    workers: int = Field(ge=1, description="Of all jobs at once: what the cluster has room for.")
    limits: Limits = Field(default=Limits(), description="Of each participant.")
    participants: dict[Name, Limits] = Field(
        default={}, description="Who takes part, with the limits that are not those of everybody."
    )

    def of(self, tenant: str) -> Limits:
        """The limits of a participant; of nobody in particular if `tenant` is empty."""
        if not tenant:
            return Limits()
        own = self.participants.get(tenant, Limits()).model_dump(exclude_unset=True)
        return self.limits.model_copy(update=own)

    def workers_of(self, tenant: str) -> int:
        """How many workers a participant may have at once."""
        return min(self.of(tenant).workers or self.workers, self.workers)

    def usual_workers(self, tenant: str) -> int:
        """How many workers a job gets that does not say."""
        return self.workers_of(tenant) if tenant else min(self.limits.workers or 1, self.workers)

    def check(self, tenant: str) -> None:
        """Raises `UserError` unless `tenant` is one of the participants, or empty."""
        if tenant and tenant not in self.participants:
            raise UserError(
                f"{tenant!r} does not take part in this workshop",
                where="--as",
                fix=did_you_mean(tenant, self.participants) if self.participants else "",
            )


def workshop_folder() -> Path | None:
    """The folder of the workshop's files; None where there is no workshop."""
    named = os.environ.get(VARIABLE)
    return Path(named) if named else None


def read_rules(folder: Path) -> Rules:
    """Reads the rules.

    Raises:
        UserError: They cannot be read.
    """
    path = folder / RULES
    try:
        return Rules.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        said = str(error).strip().splitlines()
        raise UserError(
            f"the workshop's rules cannot be read: {said[0] if said else type(error).__name__}",
            where=str(path),
            fix=f"Whoever runs the cluster sets ${VARIABLE}.",
        ) from error
