"""The command `hairpin rewards`, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hairpin.cli import run
from sim.reward import reward_names, reward_path
from sim.reward_process import RewardProcess
from sim.reward_runner import load_reward
from sim.reward_states import Pose, StateMaker
from sim.track import Track


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_list_has_a_line_for_each(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rewards", "list"]) == 0
    said = capsys.readouterr().out
    for name in reward_names():
        assert any(line.split()[:1] == [name] for line in said.splitlines())
    assert run(["rewards", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == reward_names()
    assert all(row["teaches"] in said for row in rows)


def test_show_prints_the_source(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["rewards", "show", "stay_inside"]) == 0
    assert capsys.readouterr().out == reward_path("stay_inside").read_text()
    assert run(["rewards", "show", "stay_inside", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["source"] == reward_path("stay_inside").read_text()


def test_copy_writes_the_file_and_replaces_none_unasked(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rewards", "copy", "no_zig_zag"]) == 0
    path = folder / "no_zig_zag.py"
    assert path.read_text() == reward_path("no_zig_zag").read_text()
    assert "hairpin validate no_zig_zag.py" in capsys.readouterr().out
    path.write_text("mine")
    assert run(["rewards", "copy", "no_zig_zag"]) == 2
    said = capsys.readouterr().err
    assert "no_zig_zag.py" in said and "--force" in said and said.count("\n") == 1
    assert path.read_text() == "mine"
    assert run(["rewards", "copy", "no_zig_zag", "--force", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts == {"name": "no_zig_zag", "file": "no_zig_zag.py", "track": None}
    assert path.read_text() == reward_path("no_zig_zag").read_text()


@pytest.mark.parametrize("spec", ["bramble", "crossover", "dash"])
def test_a_racing_line_is_written_into_the_file(
    spec: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rewards", "copy", "racing_line", "reward.py", "--track", spec]) == 0
    maker = StateMaker(Track.load(spec))
    process = RewardProcess("reward.py", maker.tracks)
    try:
        poses = [Pose(0.7 * k, reverse=flag) for k in range(1, 20) for flag in (False, True)]
        outcomes = [process.call(params) for params in maker.params(poses)]
        assert [outcome.error for outcome in outcomes] == [None] * len(poses)
        assert np.mean([outcome.value for outcome in outcomes]) > 0.3
        (other,) = StateMaker(Track.load("oval")).params([Pose(1.0)])
        error = process.call(other).error
    finally:
        process.close()
    assert error is not None and f"of the track {spec}" in error.message


def test_the_written_line_pays_about_as_the_computed_one(folder: Path) -> None:
    assert run(["rewards", "copy", "racing_line", "--track", "needle"]) == 0
    written = load_reward("racing_line.py", (folder / "racing_line.py").read_text())
    source = reward_path("racing_line").read_text()
    computed = load_reward("racing_line", source)
    states = StateMaker(Track.load("needle")).params([Pose(0.5 * k) for k in range(1, 38)])
    pairs = np.array([(written(state), computed(state)) for state in states])
    assert np.corrcoef(pairs.T)[0, 1] > 0.7


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["show", "center_line"], "Did you mean 'centre_line'"),
        (["copy", "nope"], "no reward function 'nope'"),
        (["copy", "stay_inside", "--track", "oval"], "the same on every track"),
        (["copy", "racing_line", "--track", "ovel"], "'oval'"),
        (["copy", "racing_line", "no/such/folder.py"], "cannot write"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rewards", *args]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
