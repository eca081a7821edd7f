"""Bad input: one clear line, exit code 2, and Ray has not been thought of."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

GOOD_REWARD = "def reward_function(params):\n    return 1.0\n"

# One process tries them all, because each would import the same things. It answers with exit
# code, stdout, stderr, and whether Ray or torch was imported for it.
HARNESS = """
import contextlib, io, json, sys
from hairpin.cli import run

answers = []
for args in json.load(sys.stdin):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run(args)
    heavy = sorted({"ray", "torch"} & set(sys.modules))
    answers.append({"code": code, "out": out.getvalue(), "err": err.getvalue(), "heavy": heavy})
print(json.dumps(answers))
"""


def write(path: Path, content: str | dict[str, Any]) -> str:
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    path.write_text(text)
    return str(path)


def route(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[Path], list[str]]:
    """A training on a ring of a route that was changed for the worse."""

    def arguments(folder: Path) -> list[str]:
        angle = np.linspace(0.0, 2.0 * np.pi, 101)
        ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        ring[-1] = ring[0]
        rows = np.concatenate([3.0 * ring, 2.5 * ring, 3.5 * ring], axis=1)
        np.save(folder / "bad.npy", change(rows))
        return ["train", "--track", str(folder / "bad.npy")]

    return arguments


def with_reward(text: str) -> Callable[[Path], list[str]]:
    return lambda folder: ["train", "--reward", write(folder / "bad_reward.py", text)]


def with_job(content: str | dict[str, Any]) -> Callable[[Path], list[str]]:
    return lambda folder: ["train", write(folder / "job.yaml", content)]


def with_nan(rows: np.ndarray) -> np.ndarray:
    rows[7, 2] = np.nan
    return rows


def without_width(rows: np.ndarray) -> np.ndarray:
    rows[:, 4:6] = rows[:, 2:4]
    return rows


def unwritable(folder: Path) -> list[str]:
    write(folder / "file", "")
    return ["train", "--storage", str(folder / "file" / "runs")]


def name_in_use(folder: Path) -> list[str]:
    (folder / "runs" / "taken").mkdir(parents=True)
    write(folder / "runs" / "taken" / "job.json", "{}")
    return ["train", "--run", "taken"]


def fast(*steering_and_speed: list[float]) -> dict[str, Any]:
    return {"actions": {"type": "discrete", "pairs": list(steering_and_speed)}}


# What is typed, and what must be found in the one line.
CASES: dict[str, tuple[Callable[[Path], list[str]], list[str]]] = {
    "missing reward": (
        lambda folder: ["train", "--reward", "nowhere.py"],
        ["nowhere.py", "cannot read the reward function"],
    ),
    "unknown reward": (
        lambda folder: ["train", "--reward", "center_line"],
        ["no reward function 'center_line'", "Did you mean 'centre_line'"],
    ),
    "reward with a syntax error": (
        with_reward("def reward_function(params):\n    return (1.0\n"),
        ["bad_reward.py, line 2", "syntax error", "    return (1.0\n", "^"],
    ),
    "reward without the function": (
        with_reward("def reward(params):\n    return 1.0\n"),
        ["bad_reward.py", "there is no reward_function", "It defines reward"],
    ),
    "reward with wrong arity": (
        with_reward("def reward_function(params, weather):\n    return 1.0\n"),
        ["bad_reward.py, line 1", "exactly one argument"],
    ),
    "reward that fails on import": (
        with_reward("import nothing_of_that_name\n" + GOOD_REWARD),
        ["bad_reward.py, line 1", "ModuleNotFoundError"],
    ),
    "reward is a folder": (lambda folder: ["train", "--reward", str(folder)], ["cannot read"]),
    "missing job": (lambda folder: ["train", "nowhere.yaml"], ["no such job file"]),
    "unknown key": (with_job({"trakc": "oval"}), ["job.yaml, line 1", "'track'"]),
    "malformed job": (with_job("track: [oval"), ["job.yaml, line 1", "not valid YAML"]),
    "unknown track": (lambda folder: ["train", "--track", "ovall"], ["ovall", "'oval'"]),
    "missing route": (lambda folder: ["train", "--track", "no.npy"], ["no.npy"]),
    "bad random track": (lambda folder: ["train", "--track", "random:x"], ["random:"]),
    "route of a wrong shape": (route(lambda rows: rows[:, :4]), ["bad.npy", "(N, 6)"]),
    "route with NaN": (route(with_nan), ["bad.npy, row 7", "NaN"]),
    "route without width": (route(without_width), ["bad.npy"]),
    "route that is no array": (
        lambda folder: ["train", "--track", write(folder / "bad.npy", "hello")],
        ["bad.npy", "not a NumPy array"],
    ),
    "too fast": (
        with_job(fast([0.0, 1.0], [0.0, 4.5])),
        ["actions.pairs[1][1]: 4.5 is above 4", "0.1 to 4 m/s"],
    ),
    "too slow": (with_job(fast([0.0, 0.05])), ["0.05 is below 0.1", "0.1 to 4 m/s"]),
    "too much steering": (
        with_job(fast([-31.0, 1.0])),
        ["actions.pairs[0][0]: -31.0 is below -30", "-30 to 30 degrees"],
    ),
    "name in use": (name_in_use, ["already a run 'taken'", "--run", "--resume taken"]),
    "name that cannot be": (lambda folder: ["train", "--run", "a/b"], ["'a/b'"]),
    "name of a folder beside runs": (
        lambda folder: ["train", "--run", "tenants"],
        ["'tenants' cannot be a run's name", "a workshop has a folder", "--run"],
    ),
    "unwritable folder": (unwritable, ["a folder is needed", "--storage"]),
    "storage of no known kind": (
        lambda folder: ["train", "--storage", "ftp://me:hush@host/x"],
        ["there is no store for ftp://"],
    ),
    "goal that is none": (lambda folder: ["train", "--until", "soon"], ["--until", "lap_time=9.5"]),
    "negative minutes": (lambda folder: ["train", "--minutes", "-1"], ["--minutes: -1.0"]),
    "no number": (lambda folder: ["train", "--steps", "many"], ["--steps", "many"]),
    "no such preset": (lambda folder: ["train", "--preset", "fats"], ["--preset", "fast"]),
    "address of nobody": (
        lambda folder: ["train", "--address", "127.0.0.1:1"],
        ["--address", "nobody answers at 127.0.0.1:1", "ray start --head"],
    ),
    "address without a port": (lambda folder: ["train", "--address", "head"], ["no port"]),
    "address of a dashboard": (
        lambda folder: ["train", "--address", "http://127.0.0.1:8265"],
        ["--address", "ray job submit"],
    ),
    "resume of nothing": (lambda folder: ["train", "--resume", "none"], ["no run 'none'"]),
    "resume with a job": (
        lambda folder: ["train", "job.yaml", "--resume", "taken"],
        ["--resume", "its own job"],
    ),
    "evaluate nothing": (lambda folder: ["evaluate", "none@best"], ["no run 'none'"]),
    "show nothing": (lambda folder: ["show", "none"], ["no run 'none'"]),
    "play nothing": (lambda folder: ["play", "none"], ["no run 'none'"]),
    "unknown command": (lambda folder: ["trian"], ["no command 'trian'", "'train'"]),
    "unknown option": (lambda folder: ["train", "--trakc", "oval"], ["--trakc", "--track"]),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """What the command line answers in each case."""
    here = tmp_path_factory.mktemp("bad")
    typed = []
    for number, (arguments, _) in enumerate(CASES.values()):
        folder = here / str(number)
        folder.mkdir()
        storage = ["--storage", str(folder / "runs")]
        args = arguments(folder)
        typed.append(args if "--storage" in args or args == ["trian"] else [*args, *storage])
    done = subprocess.run(
        [sys.executable, "-c", HARNESS],
        input=json.dumps(typed),
        capture_output=True,
        text=True,
        cwd=here,
        check=True,
    )
    return dict(zip(CASES, json.loads(done.stdout), strict=True))


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_clear_line_and_exit_code_2(
    case: str, answers: dict[str, dict[str, Any]]
) -> None:
    answer, expected = answers[case], CASES[case][1]
    assert answer["code"] == 2
    assert answer["out"] == ""
    assert answer["err"].startswith("error: ")
    lines = answer["err"].rstrip("\n").split("\n")
    assert len(lines) == (3 if "syntax" in case else 1), "a syntax error shows its line and a caret"
    for part in expected:
        assert part in answer["err"]
    assert "Traceback" not in answer["err"]
    assert "hush" not in answer["err"]
    assert answer["heavy"] == [], "Ray must not even be imported"


def test_the_process_itself_exits_with_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hairpin", "train", "--track", "ovall"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "HAIRPIN_STORAGE": str(tmp_path / "runs")},
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert not (tmp_path / "runs").exists(), "nothing was begun"
