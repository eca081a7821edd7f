"""The sidecar of an export: everything a car needs to know of the file, as JSON."""

from __future__ import annotations

import hashlib
import importlib.metadata
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from hairpin import __version__
from hairpin.deepracer.metadata import metadata_of
from hairpin.job import Job
from rollout_workers.network import NETWORKS
from sim.actions import ContinuousActions, make_actions
from sim.camera import CAMERAS
from storage import CheckpointInfo, Run

FORMAT = 1
_PACKAGES = ("numpy", "torch", "onnx", "onnxruntime", "tensorflow-cpu", "tensorflow")


@dataclass(frozen=True)
class Layout:
    """How a format takes the image and names its outputs.

    Attributes:
        input_name: What the input is called in the file.
        layout: The order of its axes.
        dtype: The type of its numbers, always 0 to 255.
        outputs: Each output's name and what it is.
    """

    input_name: str
    layout: str
    dtype: str
    outputs: dict[str, str]


def describe(run: Run, job: Job, info: CheckpointInfo, layout: Layout) -> dict[str, Any]:
    """Everything but the check's result and the files' sums, as JSON-able values.

    It begins with what model_metadata.json says, under the same keys.
    """
    camera = CAMERAS[job.camera]
    size = {"N": "batch", "H": camera.height, "W": camera.width, "C": 1}
    return {
        **metadata_of(job),
        "format": FORMAT,
        "input": {
            "name": layout.input_name,
            "layout": layout.layout,
            "shape": [size[axis] for axis in layout.layout],
            "dtype": layout.dtype,
            "colour": "gray",
            "gray": "0.299 R + 0.587 G + 0.114 B",
            "range": [0, 255],
            "scaling": "inside; give the pixels as they are",
        },
        "outputs": layout.outputs,
        "camera": {
            "width_px": camera.width,
            "height_px": camera.height,
            "horizontal_fov_deg": round(math.degrees(camera.horizontal_fov_rad), 3),
            "pitch_down_deg": round(math.degrees(camera.pitch_rad), 3),
            "mount_m": list(camera.mount_m),
            "mount": "forward, left, up from the car's origin on the ground",
        },
        "actions": _describe_actions(job),
        "control_hz": job.control_hz,
        "network": asdict(NETWORKS[job.preset]),
        "training": {
            "run": run.name,
            "checkpoint": info.name,
            "step": info.step,
            "created": info.created,
            "track": Path(job.track).name,
            "direction": job.direction,
        },
        # What else our simulator must know to drive it as it was trained.
        "world": {
            key: getattr(job, key) for key in ("control_hz", "physics_hz", "friction", "episode_s")
        },
        "versions": {"hairpin": __version__, **_versions()},
    }


def sums(files: dict[str, bytes]) -> dict[str, Any]:
    """Size and SHA-256 of each file."""
    return {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
    }


def _describe_actions(job: Job) -> dict[str, Any]:
    actions = make_actions(job.actions)
    said: dict[str, Any] = {"type": job.actions.type, "steering": "degrees, left positive"}
    if isinstance(actions, ContinuousActions):
        steering, speed = zip(actions.low.tolist(), actions.high.tolist(), strict=True)
        return {
            **said,
            "steering_deg": list(steering),
            "speed_mps": list(speed),
            "scaling": "clip the mean to [-1, 1], then -1 is the lower bound and 1 the upper",
        }
    return {
        **said,
        "table": [
            {"index": index, "steering_deg": steering, "speed_mps": speed}
            for index, (steering, speed) in enumerate(actions.pairs.tolist())
        ],
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
