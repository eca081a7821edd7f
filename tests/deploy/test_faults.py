"""The fault drill on real servers, with two faults of seconds; ``deploy/faults`` itself has all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FAULTS = Path(__file__).resolve().parents[2] / "deploy" / "faults"
TRIED = ("store-stopped", "driver-killed")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_training_goes_on_through_faults() -> None:
    chosen = [word for name in TRIED for word in ("--only", name)]
    done = subprocess.run(
        [str(FAULTS), "--hold", "8", "--patience", "10", "--json", *chosen],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    outcomes = {each["name"]: each for each in map(json.loads, done.stdout.splitlines())}
    assert tuple(outcomes) == TRIED, done.stderr
    for name, outcome in outcomes.items():
        assert outcome["went_on"] is not False, outcome
        assert outcome["checkpoints_lost"] == 0, outcome
        # How fast it is again depends on what else this machine does, so that is not judged here.
        assert [each for each in outcome["faults"] if "full speed" not in each] == [], (
            name,
            outcome,
            done.stderr,
        )


def test_a_fault_that_there_is_none_of_is_refused_by_name() -> None:
    done = subprocess.run(
        [str(FAULTS), "--only", "store-stoped"],
        env={**os.environ, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "store-stopped" in done.stderr
