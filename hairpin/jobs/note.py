"""What a driver writes on its own Ray job, for whoever lists the jobs of the cluster."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping

# Of a job's metadata.
RUN_KEY, TENANT_KEY = "hairpin_run", "hairpin_tenant"
PLACE_KEY, WAITING_KEY = "hairpin_place", "hairpin_waiting"
USED_KEY, ALLOWED_KEY = "hairpin_used_minutes", "hairpin_allowed_minutes"

_CONFIG_VARIABLE = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # with which Ray starts a job's driver
_ID_KEY = "job_submission_id"
_RECORD = "_ray_internal_job_info_{}"  # where Ray keeps what it knows of a job
_NAMESPACE = b"job"


def job_metadata() -> dict[str, str]:
    """The metadata of the Ray job that this process is the driver of; empty if it is none."""
    try:
        found = json.loads(os.environ.get(_CONFIG_VARIABLE, "{}")).get("metadata")
    except ValueError:
        return {}
    return {str(key): str(value) for key, value in (found or {}).items()}


def submission_id() -> str | None:
    """Ray's name of the job that this process is the driver of; None if it is none."""
    return job_metadata().get(_ID_KEY)


def write_note(values: Mapping[str, str]) -> None:
    """Puts values into the metadata of this process's job; Ray must be there.

    Only a job's supervisor writes there too: before the driver starts, and after it has ended.
    Ray has no public call for it; where it keeps jobs otherwise, nothing is written.
    """
    from ray.experimental.internal_kv import _internal_kv_get, _internal_kv_put

    name = submission_id()
    if name is None:
        return
    key = _RECORD.format(name).encode()
    record = _internal_kv_get(key, namespace=_NAMESPACE)
    if not record:
        return
    info = json.loads(record)
    info["metadata"] = {**(info.get("metadata") or {}), **values}
    _internal_kv_put(key, json.dumps(info).encode(), namespace=_NAMESPACE)
