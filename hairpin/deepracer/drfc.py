"""deepracer-for-cloud's settings in the words of a job."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hairpin.deepracer.drfc_job import DrfcJob
from hairpin.deepracer.drfc_keys import TAKEN, flag, reason_of
from hairpin.deepracer.env_file import EnvValue, read_env
from sim.errors import UserError

ENV_NAMES = ("system.env", "run.env")  # the later one wins, as it is there
_PARAMS = {  # names of a training_params.yaml and of run.env
    "WORLD_NAME": "DR_WORLD_NAME",
    "RACE_TYPE": "DR_RACE_TYPE",
    "CHANGE_START_POSITION": "DR_TRAIN_CHANGE_START_POSITION",
    "ALTERNATE_DRIVING_DIRECTION": "DR_TRAIN_ALTERNATE_DRIVING_DIRECTION",
    "REVERSE_DIR": "DR_TRAIN_REVERSE_DIRECTION",
    "START_POSITION_OFFSET": "DR_TRAIN_START_POSITION_OFFSET",
    "ROUND_ROBIN_ADVANCE_DIST": "DR_TRAIN_ROUND_ROBIN_ADVANCE_DIST",
    "MIN_EVAL_TRIALS": "DR_TRAIN_MIN_EVAL_TRIALS",
    "BEST_MODEL_METRIC": "DR_TRAIN_BEST_MODEL_METRIC",
}


def read_env_files(folder: Path) -> dict[str, EnvValue]:
    """The values of a folder's system.env and run.env.

    Raises:
        UserError: There is neither, or one is malformed.
    """
    values: dict[str, EnvValue] = {}
    found = [folder / name for name in ENV_NAMES if (folder / name).exists()]
    if not found:
        raise UserError(
            "has neither run.env nor system.env",
            where=str(folder),
            fix="Name the folder of deepracer-for-cloud that has them.",
        )
    for path in found:
        values.update(read_env(path))
    return values


def job_of_env(values: Mapping[str, EnvValue]) -> DrfcJob:
    """Takes over what a job can say, and gives the reason for all that it cannot.

    Raises:
        UserError: A value that matters is malformed or out of range.
    """
    job = DrfcJob()
    for key, value in values.items():
        if "$" in value.text:
            reason = f"not used: variables are not filled in, so {value.text[:40]} is no value"
            job.drop(key, value, reason if key in TAKEN else reason_of(key))
        elif not value.text:
            job.drop(key, value, "empty")
        elif key in TAKEN:
            TAKEN[key](job, key, value)
        else:
            job.drop(key, value, reason_of(key))
    _directions(job, values)
    return job


def env_of_training_params(data: Mapping[str, Any], path: Path) -> dict[str, EnvValue]:
    """A training_params.yaml's values under the names that run.env has for them."""
    return {
        _PARAMS[key]: EnvValue(str(value), f"{path}: {key}")
        for key, value in data.items()
        if key in _PARAMS and isinstance(value, str | int | float | bool)
    }


def _directions(job: DrfcJob, values: Mapping[str, EnvValue]) -> None:
    """Direction: two flags there, one word here."""
    alternating = values.get("DR_TRAIN_ALTERNATE_DRIVING_DIRECTION")
    reverse = values.get("DR_TRAIN_REVERSE_DIRECTION")
    for value, word in ((reverse, "reversed"), (alternating, "alternating")):
        if value and value.text and "$" not in value.text and flag(value):
            job.values[("direction",)] = word
            job.sources[("direction",)] = value.where
