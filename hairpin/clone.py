"""Starting from the weights of another run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hairpin.job import Job
from hairpin.places import split_reference, storage_url
from hairpin.stored_job import job_of
from learner.state import read_weights
from sim.actions import make_actions
from sim.errors import UserError
from storage import Run, Store, open_store


@dataclass(frozen=True)
class Clone:
    """What a new run starts from.

    Attributes:
        weights: The policy's weights by name.
        origin: The run and checkpoint they are from.
        notes: What should be said about them.
    """

    weights: Mapping[str, NDArray[np.float32]] = field(repr=False)
    origin: str
    notes: list[str]


# What is of one run only, or of the machine it ran on.
OWN = {"run", "storage", "address", "clone", "stop", "workers", "metrics_port"}


def inherited(clone: str, storage: Any) -> dict[str, Any]:
    """What a job that clones a run does not have to say: the values of that run's own job.

    Args:
        clone: The run, perhaps with a checkpoint.
        storage: Where it is, as the job says it.

    Raises:
        UserError: The other run's job is damaged.
        StorageError: There is no such run.
    """
    place = storage_url(storage if isinstance(storage, str) else None)
    other = Run.open(open_store(place), split_reference(clone)[0])
    return job_of(other).model_dump(mode="json", exclude=OWN)


def find_clone(job: Job, store: Store) -> Clone | None:
    """The weights that the job wants to start from, if any.

    Args:
        job: The new job.
        store: Where it and the other run are.

    Raises:
        UserError: The other run has another network.
        StorageError: There is no such run or checkpoint, or it is damaged.
    """
    if job.clone is None:
        return None
    name, checkpoint = split_reference(job.clone)
    other = Run.open(store, name)
    theirs = job_of(other)
    if theirs.preset != job.preset:
        raise UserError(
            f"{name} has the network {theirs.preset!r}, and this job {job.preset!r}",
            where=f"--clone {job.clone}",
            fix=f"Leave preset out or say {theirs.preset}, or leave --clone out.",
        )
    info, files = other.read_checkpoint(checkpoint or "best")
    notes = []
    ours_space, their_space = make_actions(job.actions), make_actions(theirs.actions)
    if ours_space.space != their_space.space:
        notes.append(
            f"the actions are others than those of {name}: all of its network is kept but the "
            "policy head, which begins anew"
        )
    elif job.actions != theirs.actions:
        notes.append(
            f"the actions are as many as those of {name} but mean other angles or speeds; its "
            "policy head is kept"
        )
    return Clone(read_weights(files), f"{name}@{info.name}", notes)
