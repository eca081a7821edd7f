"""A DeepRacer model's folder: its three files, read as the values of a job."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hairpin.deepracer.foreign import unknown_keys
from hairpin.deepracer.hyperparameters import HYPERPARAMETERS_NAME, read_hyperparameters
from hairpin.deepracer.metadata import (
    METADATA_NAME,
    NETWORKS,
    SHALLOW,
    LidarConfig,
    ModelMetadata,
    read_metadata,
)
from hairpin.deepracer.small_file import read_bytes, read_json
from sim.errors import UserError

REWARD_NAME = "reward_function.py"
MODEL_FILES = (REWARD_NAME, METADATA_NAME, HYPERPARAMETERS_NAME)
PLACES = ("", "model", "ip")  # where in a model's folder they are, the first one wins
LARGE_MAX_STEPS = 3000  # of an iteration, with the two larger networks; else it is our default
Way = tuple[str, ...]  # the keys that lead to a value of a job


@dataclass(frozen=True)
class ModelFolder:
    """What a folder's files say.

    Attributes:
        values: Values of a job.
        sources: The file and the key that say a value, by the way to it.
        notes: What should be said to the user.
    """

    values: dict[str, Any] = field(default_factory=dict)
    sources: dict[Way, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def source(self, way: Sequence[str | int]) -> str | None:
        """The file and key that say the value at `way`, if one does."""
        for length in range(len(way), 0, -1):
            found = self.sources.get(tuple(str(part) for part in way[:length]))
            if found:
                return found
        return None


def read_model_folder(folder: Path) -> ModelFolder:
    """Reads what is there of reward_function.py, model_metadata.json and hyperparameters.json.

    Raises:
        UserError: One of them cannot be read or is malformed.
    """
    found = ModelFolder()
    paths = {name: find_file(folder, name, found.notes) for name in MODEL_FILES}
    unused: list[str] = []
    continuous = False
    reward, metadata, hyperparameters = (paths[name] for name in MODEL_FILES)
    if reward:
        found.values["reward"] = os.path.abspath(reward)
        found.sources[("reward",)] = str(reward)
    if metadata:
        continuous = _take_metadata(metadata, found, unused)
    if hyperparameters:
        _take_hyperparameters(hyperparameters, continuous, found, unused)
    if unused:
        found.notes.append(f"not used of {folder}: " + "; ".join(unused))
    if metadata or hyperparameters:
        missing = [name for name, path in paths.items() if path is None]
        if missing:
            found.notes.append(
                f"{folder} has no {' and no '.join(missing)}; defaults of ours stand in"
            )
    return found


def find_file(folder: Path, name: str, notes: list[str] | None = None) -> Path | None:
    """The file `name` of a model's folder, at its top or where DeepRacer's tools put it.

    Args:
        folder: The folder.
        name: The file's name.
        notes: Gets a sentence if there are several that differ.
    """
    there = [folder / place / name for place in PLACES if os.path.lexists(folder / place / name)]
    if notes is not None and len(there) > 1:
        first = read_bytes(there[0])
        for other in there[1:]:
            if read_bytes(other) != first:
                notes.append(f"{there[0]} and {other} differ; the first one is used")
    return there[0] if there else None


def _take_metadata(path: Path, found: ModelFolder, unused: list[str]) -> bool:
    metadata = read_metadata(path)
    found.values["actions"] = metadata.actions()
    found.sources[("actions",)] = f"{path}: action_space"
    preset = NETWORKS[metadata.neural_network]
    found.values["preset"] = preset
    found.sources[("preset",)] = f"{path}: neural_network"
    found.notes.append(
        f"{path} asks for {metadata.neural_network}, which is preset {preset}; --preset fast is "
        "the quick one for laptops"
    )
    unused += _unused_of(metadata)
    unused += unknown_keys(read_json(path), ModelMetadata.model_fields)
    return metadata.action_space_type == "continuous"


def _unused_of(metadata: ModelMetadata) -> list[str]:
    unused = [
        f"sensor {name} (the simulator has the front camera)"
        for name in metadata.sensor
        if name not in ("observation", "FRONT_FACING_CAMERA", "LEFT_CAMERA")
    ]
    if metadata.lidar_config != LidarConfig():
        unused.append("lidar_config (the simulator has no lidar)")
    if metadata.training_algorithm == "sac":
        unused.append("training_algorithm sac (this trains with PPO)")
    if metadata.version < 3:
        unused.append(
            f"version {metadata.version} (the simulated car is that of versions 3 to 6, "
            "with smaller wheels)"
        )
    return unused


def _take_hyperparameters(
    path: Path, continuous: bool, found: ModelFolder, unused: list[str]
) -> None:
    values, without_effect = read_hyperparameters(path)
    if values.exploration_type == "e-greedy" and continuous:
        raise UserError(
            "'e-greedy' does not go with a continuous action space",
            where=f"{path}: exploration_type",
            fix="Write categorical, which draws from the policy's distribution there.",
        )
    found.values["ppo"] = {}
    for ours, theirs, value in values.ppo():
        given = theirs in values.model_fields_set
        found.values["ppo"][ours] = value
        found.sources[("ppo", ours)] = (
            f"{path}: {theirs}" if given else f"{path} has no {theirs}, DeepRacer's default"
        )
    if found.values.get("preset") not in (None, NETWORKS[SHALLOW]):
        found.values["ppo"]["max_iteration_steps"] = LARGE_MAX_STEPS
        found.sources[("ppo", "max_iteration_steps")] = "DeepRacer's limit for its larger networks"
    unused += without_effect
