"""Ray actors on the head that belong to no driver: they outlive drivers, and Ray restarts them."""

from __future__ import annotations

from typing import Any

import ray

NAMESPACE = "hairpin"
ON_THE_HEAD = {"node:__internal_head__": 0.001}


def find_or_start(name: str, kind: type, *arguments: object) -> Any:
    """The cluster's actor of that name, as a handle; one that is not there is started.

    Args:
        name: Its name among Hairpin's.
        kind: Its class.
        arguments: Of the class, if it is started.
    """
    actor = ray.remote(kind).options(
        name=name,
        namespace=NAMESPACE,
        get_if_exists=True,
        lifetime="detached",
        max_restarts=-1,
        num_cpus=0,
        resources=ON_THE_HEAD,
    )
    return actor.remote(*arguments)
