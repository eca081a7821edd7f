"""Rewards that misbehave, in the real training: it goes on, or ends with the right message."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

pytestmark = pytest.mark.slow

JOB = {"track": "oval", "workers": 1, "run": "trouble"}
SECRET = "hunter2-of-the-bucket"


def train(folder: Path, reward: str, **job: Any) -> tuple[int, list[dict[str, Any]], str]:
    """Trains with a reward function; returns exit code, events, and what was said on stderr."""
    (folder / "reward.py").write_text(reward)
    path = folder / "job.yaml"
    path.write_text(yaml.safe_dump(JOB | {"reward": str(folder / "reward.py")} | job))
    done = subprocess.run(
        [sys.executable, "-m", "hairpin", "train", str(path), "--json"],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "HAIRPIN_STORAGE": str(folder / "runs"),
            "AWS_SECRET_ACCESS_KEY": SECRET,
        },
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert "Traceback (most recent call last)" not in done.stderr
    return done.returncode, events, done.stderr


def of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


def test_an_endless_loop_ends_the_run_soon_with_a_last_checkpoint(tmp_path: Path) -> None:
    source = "def reward_function(params):\n    while True:\n        sum(range(10**8))\n"
    code, events, said = train(
        tmp_path, source, reward_timeout_s=0.2, stop={"minutes": 10}, episode_s=4.0
    )
    assert code == 2
    result = events[-1]
    assert (result["event"], result["stop_reason"]) == ("result", "reward")
    last = said.strip().splitlines()[-1]
    assert last.startswith("error: the reward function failed in ")
    assert "longer than 0.2 s" in last
    assert len(of(events, "iteration_done")) == 1, "it is given up within one"
    assert len(of(events, "reward_failed")) == 1
    assert of(events, "checkpoint_saved"), "what was learned before is kept"


def test_a_rare_crash_costs_a_step_and_prints_are_heard(tmp_path: Path) -> None:
    source = (
        "import os\n"
        "calls = 0\n"
        "print('imported with', os.environ.get('AWS_SECRET_ACCESS_KEY'))\n"
        "print('lives', os.getpid(), os.getcwd())\n"
        "def reward_function(params):\n"
        "    global calls\n"
        "    calls += 1\n"
        "    if calls == 200:\n"
        "        os._exit(7)\n"
        "    return 1.0 - params['distance_from_center']\n"
    )
    code, events, said = train(tmp_path, source, stop={"steps": 9000}, episode_s=10.0)
    assert code == 0, said
    assert events[-1]["stop_reason"] == "steps"
    assert events[-1]["steps"] >= 9000
    (failed,) = of(events, "reward_failed")
    assert "exit code 7" in failed["error"]["message"]
    assert '"waypoints"' in failed["error"]["params_json"]
    printed = [line for event in of(events, "reward_printed") for line in event["lines"]]
    assert printed.count("imported with None") >= 2, "the process was started again"
    assert "reward 1: imported with None" in said
    assert SECRET not in said
    for _, pid, folder in (line.split() for line in printed if line.startswith("lives ")):
        assert not psutil.pid_exists(int(pid)), "no process is left"
        assert not Path(folder).exists(), "and no folder"
