"""The command `hairpin validate`: what it finds, where, and what it lets pass."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hairpin.cli import run
from hairpin.validation import Finding, Report, validate
from hairpin.validation.source import check_signature, check_source, parse
from sim.reward import reward_names, reward_path
from sim.tracks import names

Check = Callable[..., Report]


@pytest.fixture
def check(tmp_path: Path) -> Check:
    def checked(source: str, track: str = "hairpin", **options: Any) -> Report:
        path = tmp_path / "reward.py"
        path.write_text(source)
        return validate(str(path), track, **options)

    return checked


def function(*lines: str, before: str = "") -> str:
    """A reward function of these lines."""
    return f"{before}def reward_function(params):\n" + "".join(f"    {line}\n" for line in lines)


@pytest.mark.parametrize("name", reward_names())
@pytest.mark.parametrize("track", ["hairpin", "dash"])
def test_ours_are_valid_and_nothing_about_them_is_odd(name: str, track: str) -> None:
    report = validate(name, track)
    # The racing line is computed at the first call; how long that takes is the machine's matter.
    odd = [w for w in report.warnings if w.type not in ("SLOW", "SLOW_FIRST_CALL")]
    assert (report.errors, odd) == ([], [])
    assert report.states > 400 and len(report.rewards) == len(report.seconds) == report.states


@pytest.mark.parametrize(
    ("source", "kind", "words", "place"),
    [
        ("def reward_function(params)\n    return 1\n", "SYNTAX_ERROR", "expected ':'", (1, 28)),
        (function("if True:", "return 1"), "SYNTAX_ERROR", "indented block", (3, 5)),
        (function("return '\0'"), "SYNTAX_ERROR", "null bytes", None),
        (function("return 1", before="import maths\n"), "IMPORT_ERROR", "maths", (1, 1)),
        (function("import torch", "return 1"), "IMPORT_ERROR", "torch", (2, 5)),
        (function("return 1", before="from .x import y\n"), "IMPORT_ERROR", "cannot be", (1, 1)),
        (function("return 1", before="x = 1 / 0\n"), "IMPORT_ERROR", "ZeroDivision", (1, 1)),
        (function("x = open('f')", "return 1"), "TEST_FAILURE", "open()", (2, 9)),
        (function("return eval('1')"), "TEST_FAILURE", "eval()", (2, 12)),
        (
            function("return np.load('x')", before="import numpy as np\n"),
            "TEST_FAILURE",
            "np.load()",
            (3, 12),
        ),
        (
            function("return loadtxt('x')", before="from numpy import loadtxt\n"),
            "TEST_FAILURE",
            "loadtxt()",
            (3, 12),
        ),
        ("def rewrd(params):\n    return 1\n", "TEST_FAILURE", "no reward_function", (1, 1)),
        ("x = 1\n", "TEST_FAILURE", "no reward_function", None),
        ("reward_function = 3\n", "IMPORT_ERROR", "no reward_function", None),
        ("def reward_function():\n    return 1\n", "TEST_FAILURE", "0 arguments", (1, 1)),
        ("def reward_function(a, b):\n    return 1\n", "TEST_FAILURE", "2 arguments", (1, 1)),
        ("async def reward_function(p):\n    return 1\n", "TEST_FAILURE", "async", (1, 1)),
        (function("return params['progres']"), "TEST_FAILURE", "no key 'progres'", (2, 19)),
        (function("return 1 / (params['steps'] - 1)"), "TEST_FAILURE", "ZeroDiv", (2, 5)),
        (function("if params['speed'] > 1:", "    return 1"), "TEST_FAILURE", "without a", (1, 1)),
        (function("return '1.0'"), "TEST_FAILURE", "a text", (1, 1)),
        (function("return {}"), "TEST_FAILURE", "a dict", (1, 1)),
        (function("return float('nan')"), "TEST_FAILURE", "nan", (1, 1)),
        (function("return -float('inf')"), "TEST_FAILURE", "inf", (1, 1)),
        (function("return 100001"), "TEST_FAILURE", "beyond 100000", (1, 1)),
        (function("return reward_function(params)"), "TEST_FAILURE", "RecursionError", (2, 5)),
        (function("raise SystemExit"), "TEST_FAILURE", "SystemExit", (2, 5)),
        (function("yield 1"), "TEST_FAILURE", "generator", (1, 1)),
    ],
)
def test_an_error_has_its_kind_and_place(
    check: Check, source: str, kind: str, words: str, place: tuple[int, int] | None
) -> None:
    report = check(source)
    (error,) = report.errors
    assert (error.type, report.valid) == (kind, False)
    assert words in error.message
    assert (error.line, error.column) == (place or (None, None))


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (["while params['progress'] > 50: pass", "return 1"], "longer than 0.5 s"),
        (["return sum(range(10**12))"], "longer than 0.5 s"),  # inside C code
        (["__import__('os')._exit(3)"], "exit code 3"),
        (["return len(bytearray(10**11))"], "MemoryError"),
    ],
)
def test_what_would_hang_or_kill_is_a_finding(check: Check, body: list[str], words: str) -> None:
    source = function(*body).replace("__import__('os')", "os")
    report = check(f"import os\n{source}", timeout_s=0.5)
    (error,) = report.errors
    assert error.type == "TEST_FAILURE" and words in error.message
    assert error.states >= 1 and "progress" in error.example


@pytest.mark.parametrize(
    "source",
    [
        function("payload = 3", "return float(payload)", before="downloaded = {}\n"),
        function("import math", "return math.exp(-params['distance_from_center'])"),
        function("return 1 if params['speed'] > 1 else 2"),  # an int
        function("return params['all_wheels_on_track']"),  # a bool
        function("return np.float32(params['progress'])", before="import numpy as np\n"),
        function("print(params)", "return params['progress']"),
        function("return params.get('nothing', 1) + params['speed']"),
        function("params['mine'] = 2.0", "return params['mine'] * params['speed']"),
        "def reward_function(params, extra=2):\n    return extra * params['speed']\n",
        "def reward_function(*args):\n    return args[0]['speed']\n",
        "reward_function = lambda params: params['speed']\n",
        "class R:\n    def __call__(self, p):\n        return p['x']\n\nreward_function = R()\n",
        "def load(x):\n    return x\n\ndef open(x):\n    return x\n\n"
        + function("return load(open(params['speed']))"),
        "import dataclasses, collections, shapely.geometry\n" + function("return params['x']"),
    ],
)
def test_what_can_train_is_valid(check: Check, source: str) -> None:
    assert check(source).errors == []


@pytest.mark.parametrize(
    ("source", "kind", "line"),
    [
        (function("return 1"), "CONSTANT_REWARD", None),
        (function("return -params['distance_from_center'] - 1"), "ONLY_NEGATIVE", None),
        (function("return params['distance_from_center']"), "OFF_TRACK_PAYS", None),
        (function("return params.get('progres', 1)"), "UNKNOWN_KEY", 2),
        (function("if params['speed'] > 9:", "    return 5", "return 1"), "UNREACHED_BRANCH", 2),
        (
            function("if params['speed'] < 9:", "    return 1", "else:", "    return 5"),
            "UNREACHED_BRANCH",
            4,
        ),
        (function("if params['speed'] > 9: return lap", "return 1"), "UNDEFINED_NAME", 2),
        (function("return random.random()", before="import random\n"), "NOT_REPEATABLE", 2),
        (function("n.append(1)", "return len(n)", before="n = []\n"), "REMEMBERS_CALLS", 2),
        (function("return 1", before="import socket\n"), "LIMITED_IMPORT", 1),
        (function("return sum(range(20000)) * params['x'] * 0"), "SLOW", 1),
        (
            function("return params['objects_location'][9] if params['objects_location'] else 1"),
            "TEST_FAILURE",
            2,
        ),
    ],
)
def test_a_warning_does_not_make_it_invalid(
    check: Check, source: str, kind: str, line: int | None
) -> None:
    report = check(source)
    assert report.valid
    assert (kind, line) in [(warning.type, warning.line) for warning in report.warnings]


def test_branches_are_only_named_when_unreached_and_outermost(check: Check) -> None:
    report = check(
        function(
            "reward = 1.0",
            "if params['is_offtrack']:",
            "    reward = 0.1",
            "elif params['steps'] > 1e6:",
            "    if params['x'] > 3:",
            "        reward = 2.0",
            "for k in range(0):",
            "    reward = 3.0",
            "try:",
            "    reward += 1",
            "except ValueError:",
            "    reward = 4.0",
            "if params['is_reversed']: reward += 1",
            "return reward",
            before="def unused(x):\n    if x:\n        return 1\n    return 2\n\n",
        )
    )
    assert [(w.type, w.line) for w in report.warnings] == [
        ("UNREACHED_BRANCH", 10),
        ("UNREACHED_BRANCH", 13),
    ]


def test_what_cannot_be_watched_is_valid_all_the_same(check: Check) -> None:
    source = function(
        "sys.settrace(None)", "if params['x'] > 1e6:", "    return 2", "return params['x']"
    )
    assert check(f"import sys\n{source}").valid
    # It looks how long its own file is; the watched one is longer.
    counted = function("return params['speed']", before="import inspect, sys\n")
    counted += "if len(inspect.getsource(sys._getframe())) > 500:\n    raise ValueError\n"
    report = check(counted)
    assert report.valid and report.states > 400


@settings(max_examples=300, deadline=None)
@given(data=st.data())
def test_no_source_breaks_the_reading(data: st.DataObject) -> None:
    """Text of any kind, and our own rewards with a piece cut out and another put in."""
    source = reward_path(data.draw(st.sampled_from(reward_names()))).read_text()
    start = data.draw(st.integers(0, len(source)))
    end = data.draw(st.integers(start, min(len(source), start + 30)))
    words = st.sampled_from(
        [
            "def ",
            "return ",
            "import *",
            "\n",
            "    ",
            "params[",
            "]",
            "lambda: ",
            "x",
            "*",
            "open(",
            "global x\n",
            "from . import y\n",
            "async ",
            "@",
            "yield ",
        ]
    )
    put = data.draw(st.one_of(st.text(max_size=12), st.lists(words, max_size=4).map("".join)))
    source = source[:start] + put + source[end:]
    tree = parse(source, "reward.py")
    if isinstance(tree, Finding):
        assert tree.type == "SYNTAX_ERROR" and tree.message
        return
    errors, warnings = check_source(tree, source, frozenset(["speed"]))
    for finding in (*errors, *warnings, *check_signature(tree)):
        assert finding.message and json.dumps(finding.as_dict())
        assert finding.line is None or 1 <= finding.line <= source.count("\n") + 1 + source.count(
            "\r"
        )


def test_states_tell_where_it_first_failed(check: Check) -> None:
    (error,) = check(function("assert not params['is_reversed']", "return 1")).errors
    assert error.example.endswith("reversed track")
    assert 150 < error.states < 300


def test_the_command_shows_the_line_with_a_caret(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("reward.py").write_text(function("x = params['progres']", "return x"))
    assert run(["validate", "reward.py"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "reward.py:2:16: error: params has no key 'progres' [TEST_FAILURE]"
    assert lines[1] == "    2 |     x = params['progres']"
    assert lines[2].index("^") == lines[1].index("'progres")
    assert "Did you mean 'progress'" in lines[3]
    assert "not valid, 1 error" in lines[-2] and "438 states on the track hairpin" in lines[-1]


def test_a_valid_file_gets_a_summary_and_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["rewards", "copy", "no_zig_zag", "reward.py"]) == 0
    capsys.readouterr()
    assert run(["validate", "reward.py", "--track", "oval"]) == 0
    said = capsys.readouterr().out
    assert said.startswith("reward.py: valid\n")
    assert "us a call" in said and "hairpin train --reward reward.py" in said


def test_json_has_errors_and_warnings_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "reward.py"
    path.write_text(function("x = 1 / (params['progress'] - 100)", "return params.get('wat', x)"))
    assert run(["validate", str(path), "--json"]) == 2
    said = json.loads(capsys.readouterr().out)
    assert said["valid"] is False and said["states"] == 438
    (error,) = said["errors"]
    assert {"type", "message", "line", "column"} <= set(error)
    assert (error["type"], error["line"]) == ("TEST_FAILURE", 2)
    assert [w["type"] for w in said["warnings"]] == ["UNKNOWN_KEY"]
    path.write_text(function("return params['speed']"))
    assert run(["validate", str(path), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["valid"] and said["errors"] == [] and said["reward"]["max"] == 4.0
    assert 0.0 < said["seconds_per_call"]["median"] <= said["seconds_per_call"]["max"]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["none.py"], "cannot read"),
        (["center_line"], "Did you mean 'centre_line'"),
        (["centre_line", "--track", "ovel"], "'oval'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["validate", *args]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1


def test_every_track_gives_states_to_try(check: Check) -> None:
    folder = os.environ.get("HAIRPIN_TEST_ROUTES")
    routes = sorted(map(str, Path(folder).glob("*.npy"))) if folder else []
    for track in (*names(), "random:7", *routes):
        report = check(function("return params['progress'] / params['steps']"), track)
        assert report.errors == [] and report.states > 400


def test_pythons_own_warnings_about_a_source_are_not_shown(
    check: Check, recwarn: pytest.WarningsRecorder
) -> None:
    report = check(function("x = '\\d'", "return 1 if params['speed'] is 2 else len(x)"))
    assert report.valid and len(recwarn) == 0
