"""The main job for real: trained until it laps, killed, resumed, stopped by Ctrl-C."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

pytestmark = pytest.mark.slow

REWARD = """
print("a print at import must not get between the lines of --json")


def reward_function(params):
    if not params["all_wheels_on_track"]:
        return 1e-3
    return max(1e-3, 1.0 - 2.0 * params["distance_from_center"] / params["track_width"])
"""
JOB = {"track": "hairpin", "checkpoint_every_s": 2.0, "stop": {"minutes": 8}, "run": "first"}
RESULT_KEYS = {
    "run", "folder", "steps", "seconds", "steps_per_s", "first_lap_s", "completion", "best_lap_s",
    "laps",
}  # fmt: skip


class Training:
    """A `hairpin train --json` under way."""

    def __init__(self, *args: str) -> None:
        self.events: list[dict[str, Any]] = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hairpin", "train", *args, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until(self, done: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Reads events until `done` says so of all so far."""
        assert self.process.stdout is not None
        while not done(self.events):
            line = self.process.stdout.readline()
            assert line, f"it ended too early: {self.process.communicate()[1]}"
            self.events.append(json.loads(line))

    def to_the_end(self) -> str:
        """Reads the rest of the events, and returns what was said on stderr."""
        out, err = self.process.communicate()
        self.events += [json.loads(line) for line in out.splitlines()]
        return err

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["event"] == kind]


def seen(events: list[dict[str, Any]], kind: str) -> int:
    return sum(event["event"] == kind for event in events)


def saved_after_the_first_lap(events: list[dict[str, Any]]) -> bool:
    kinds = [event["event"] for event in events]
    return "first_lap" in kinds and "checkpoint_saved" in kinds[kinds.index("first_lap") :]


def ask(*args: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "hairpin", *args, "--json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def storage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training") / "runs"


@pytest.fixture(scope="module")
def killed(storage: Path) -> Iterator[Training]:
    """A training that was killed after its first lap."""
    folder = storage.parent / "car"
    folder.mkdir()
    (folder / "reward_function.py").write_text(REWARD)
    (folder / "job.yaml").write_text(yaml.safe_dump(JOB))
    training = Training(str(folder), "--storage", str(storage))
    try:
        training.until(saved_after_the_first_lap)
    finally:
        training.process.kill()
        training.process.communicate()
    yield training


@pytest.fixture(scope="module")
def resumed(storage: Path, killed: Training) -> Iterator[tuple[Training, str]]:
    """The same training, gone on with and then stopped by Ctrl-C; and what it said on stderr."""
    training = Training("--resume", "first", "--storage", str(storage))
    try:
        training.until(lambda events: seen(events, "iteration_done") == 2)
        training.process.send_signal(signal.SIGINT)
        said = training.to_the_end()
    finally:
        training.process.kill()
    yield training, said


def test_it_laps(killed: Training) -> None:
    lap = killed.of("first_lap")[0]
    assert 0 < lap["steps"] <= 150_000
    assert lap["seconds"] > killed.of("started")[0]["seconds"]


def test_after_a_kill_it_goes_on_from_the_last_checkpoint(
    killed: Training, resumed: tuple[Training, str]
) -> None:
    training, _ = resumed
    checkpoint = killed.of("checkpoint_saved")[-1]
    started = training.of("started")[0]
    assert started["resumed_from"] >= checkpoint["name"]  # one more may have been published
    first = training.of("iteration_done")[0]
    assert first["steps"] > checkpoint["steps"]
    assert first["iteration"] > 1
    assert first["seconds"] > checkpoint["seconds"], "the time before counts"


def test_ctrl_c_stops_cleanly_with_a_last_checkpoint(
    storage: Path, resumed: tuple[Training, str]
) -> None:
    training, said = resumed
    assert training.process.returncode == 0
    assert "stopping" in said
    assert "Traceback" not in said
    assert training.of("result") == [training.events[-1]]
    result = training.events[-1]
    assert set(result) >= RESULT_KEYS
    assert result["stop_reason"] == "stopped"
    facts = ask("show", "first", "--storage", str(storage))
    assert facts["state"] == "finished"
    assert facts["steps"] == result["steps"] == facts["checkpoints"][-1]["step"]
    assert {"training.png", "drive.mp4", "result.json"} <= set(facts["files"])


def test_the_result_is_what_evaluating_says(storage: Path, resumed: tuple[Training, str]) -> None:
    training, _ = resumed
    result = training.events[-1]
    found = ask("evaluate", "first@best", "--starts", "20", "--storage", str(storage))
    assert found["completion"] == result["completion"]
    assert found["best_lap_s"] == result["best_lap_s"]


def test_prints_of_the_user_do_not_disturb(resumed: tuple[Training, str]) -> None:
    _, said = resumed
    assert "a print at import" in said
