"""What can be read of a DeepRacer model's folder: its action space."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sim.errors import UserError

METADATA_NAME = "model_metadata.json"
DEEPRACER_FILES = (METADATA_NAME, "hyperparameters.json")


def read_deepracer_folder(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """Reads model_metadata.json's action space, in our own job's words.

    Returns:
        Job values, and notes on what is there but not used.

    Raises:
        UserError: The file is there but malformed.
    """
    notes = []
    hyperparameters = folder / "hyperparameters.json"
    if hyperparameters.exists():
        notes.append(f"{hyperparameters} is not read; its numbers go under ppo in a job.yaml")
    metadata = folder / METADATA_NAME
    if not metadata.exists():
        return {}, notes
    try:
        content = json.loads(metadata.read_text(encoding="utf-8"))
        actions = _actions(content["action_space"])
    except OSError as error:
        raise UserError(f"cannot read it: {error.strerror}", where=str(metadata)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(
            "there is no valid action_space in it",
            where=str(metadata),
            fix="It is a list of steering_angle and speed, or low and high of each.",
        ) from error
    notes.append(f"of {metadata} only the action space is used")
    return {"actions": actions}, notes


def _actions(space: Any) -> dict[str, Any]:
    if isinstance(space, list):
        pairs = [[float(action["steering_angle"]), float(action["speed"])] for action in space]
        return {"type": "discrete", "pairs": pairs}
    bounds = {
        ours: [float(space[theirs]["low"]), float(space[theirs]["high"])]
        for ours, theirs in (("steering_deg", "steering_angle"), ("speed_mps", "speed"))
    }
    return {"type": "continuous", **bounds}
