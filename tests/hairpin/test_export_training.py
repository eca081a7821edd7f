"""A DeepRacer policy for real: trained, exported, driven back by TensorFlow and onnxruntime."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow


def hairpin(folder: Path, *arguments: str) -> Any:
    """Runs the command in `folder` and returns the last line of what it said, as JSON."""
    done = subprocess.run(
        [sys.executable, "-m", "hairpin", *arguments, "--json"],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_exports_drive_as_the_run_does(tmp_path: Path) -> None:
    training = ["--preset", "deepracer", "--track", "oval", "--steps", "4096", "--run", "car"]
    hairpin(tmp_path, "train", *training)
    by_run = hairpin(tmp_path, "evaluate", "car@latest", "--starts", "5")
    for trial in by_run["trials"]:
        trial.pop("return")  # of the run's own reward, which a file does not have
    for kind, name in (("deepracer", "car.tar.gz"), ("onnx", "car.onnx")):
        said = hairpin(tmp_path, "export", "car@latest", "--format", kind)
        assert said["check"]["same_action"] == said["check"]["frames"] == 1000
        by_file = hairpin(tmp_path, "evaluate", "--model", name, "--starts", "5")
        for trial in by_file["trials"]:
            trial.pop("return")
        assert by_file == {**by_run, "run": name}
