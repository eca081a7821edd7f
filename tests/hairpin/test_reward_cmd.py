"""The command `hairpin reward show`, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hairpin.cli import run

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_show_draws_and_says_what_it_drew(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["reward", "show", "centre_line", "--track", "oval", "--speed", "3"]) == 0
    said = capsys.readouterr().out
    assert "centre_line on oval, at 3 m/s: 0.001 to 1, mean" in said
    assert "picture: centre_line-oval.png" in said
    assert (folder / "centre_line-oval.png").read_bytes().startswith(PNG)


def test_show_of_a_file_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.py").write_text(
        "def reward_function(params):\n"
        "    return params['speed'] + params['steering_angle'] + 50 * params['is_reversed']\n"
    )
    args = ["--steering", "-10", "--direction", "reversed", "-o", "a.png", "--json"]
    assert run(["reward", "show", "mine.py", *args]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["looking_ahead"] == {"min": 42.0, "mean": 42.0, "max": 42.0}
    assert (facts["picture"], facts["track"], facts["failures"]) == ("a.png", "hairpin", 0)
    assert facts["calls"] > 10_000 and (folder / "a.png").exists()


def test_calls_that_fail_are_counted(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "mine.py").write_text(
        "def reward_function(params):\n    return 1 / params['all_wheels_on_track']\n"
    )
    assert run(["reward", "show", "mine.py"]) == 0
    said = capsys.readouterr().out
    assert "calls failed: ZeroDivisionError" in said
    assert "hairpin validate mine.py --track hairpin" in said


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["none.py"], "cannot read"),
        (["center_line"], "Did you mean 'centre_line'"),
        (["centre_line", "--track", "ovel"], "'oval'"),
        (["centre_line", "--speed", "9"], "--speed"),
        (["centre_line", "-o", "no/such.png"], "cannot write the picture"),
        (["broken.py"], "no call gave a reward: KeyError: 'nope'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    args: list[str], message: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "broken.py").write_text("def reward_function(params):\n    return params['nope']\n")
    assert run(["reward", "show", *args]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
