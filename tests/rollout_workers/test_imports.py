"""What a process imports: a driver and a worker have no use for TensorFlow, installed or not."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["learner.module", "rollout_workers.env_runner"])
def test_rllib_does_not_import_tensorflow(module: str) -> None:
    code = f"import sys, {module}; print('tensorflow' in sys.modules, 'ray.rllib' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "False True\n", done.stderr
    assert "TensorFlow" not in done.stderr, "RLlib's warning of its switch is of no use to anyone"
