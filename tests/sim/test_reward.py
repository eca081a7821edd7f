"""A reward file is checked before anything starts; each mistake is one clear error."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from sim.errors import UserError
from sim.reward import read_reward
from sim.reward_runner import MAX_DISTINCT, RewardFunction, RewardRunner, load_reward


def load(spec: str) -> RewardFunction:
    path, source = read_reward(spec)
    return load_reward(str(path), source)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("def reward_function(params)\n    return 1\n", ["syntax error", "line 1", "^"]),
        ("def rewrd(params):\n    return 1\n", ["no reward_function", "rewrd"]),
        ("x = 1\n", ["no reward_function", "no function"]),
        ("def reward_function():\n    return 1\n", ["exactly one argument", "line 1"]),
        ("def reward_function(a, b):\n    return 1\n", ["exactly one argument"]),
        ("import maths\ndef reward_function(p):\n    return 1\n", ["maths", "line 1"]),
        ("reward_function = 3\n", ["no reward_function"]),
        ("a = 1\nb = a / 0\ndef reward_function(p):\n    return 1\n", ["ZeroDivision", "line 2"]),
    ],
)
def test_a_bad_file_is_one_clear_error(tmp_path: Path, source: str, words: list[str]) -> None:
    path = tmp_path / "reward.py"
    path.write_text(source)
    with pytest.raises(UserError) as caught:
        load(str(path))
    for word in [*words, str(path)]:
        assert word in str(caught.value)


def test_missing_and_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        load(str(tmp_path / "none.py"))
    with pytest.raises(UserError, match="cannot read"):
        load(f"{tmp_path}/")
    binary = tmp_path / "binary.py"
    binary.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(UserError, match="UTF-8"):
        load(str(binary))


def test_an_unknown_name_gets_the_nearest_one() -> None:
    with pytest.raises(UserError, match="Did you mean 'centre_line'"):
        load("center_line")


def test_module_state_lives_on_and_is_not_shared(tmp_path: Path) -> None:
    path = tmp_path / "reward.py"
    path.write_text("n = 0\ndef reward_function(p):\n    global n\n    n += 1\n    return n\n")
    one, other = load(str(path)), load(str(path))
    assert [one({}), one({}), other({})] == [1, 2, 1]


def run(runner: RewardRunner, *params: dict) -> list[tuple[float, int]]:
    return [runner(one) for one in params]


def test_the_runner_accepts_all_that_float_does() -> None:
    import numpy as np

    values = iter([1, True, np.float32(0.5), 1e5, -3.0])
    answers = run(RewardRunner(lambda: lambda params: next(values)), *[{}] * 5)
    assert answers == [(1.0, 0), (1.0, 0), (0.5, 0), (1e5, 0), (-3.0, 0)]


def test_one_record_a_distinct_failure() -> None:
    runner = RewardRunner(lambda: lambda params: params["nope"])
    assert run(runner, {"x": math.pi}, {"x": 2.0}) == [(0.0, 1), (0.0, 1)]
    (error,) = runner.records
    assert error.kind == "KeyError"
    assert '"x": 3.14' in error.params_json


def test_a_message_that_always_differs_is_one_failure() -> None:
    def complain(params: dict) -> float:
        raise ValueError(f"no good: {params}")

    runner = RewardRunner(lambda: complain)
    assert {code for _, code in run(runner, *[{"n": n} for n in range(100)])} == {1}


def test_failures_told_apart_are_bounded() -> None:
    lines = "\n".join(f"    if n == {n}: raise ValueError" for n in range(2 * MAX_DISTINCT))
    source = f"def reward_function(params):\n    n = params['n']\n{lines}\n"
    runner = RewardRunner(lambda: load_reward("many.py", source))
    codes = [code for _, code in run(runner, *[{"n": n} for n in range(2 * MAX_DISTINCT)])]
    assert max(codes) == len(runner.records) == MAX_DISTINCT


def test_leaving_python_is_a_failure_like_any_other() -> None:
    source = "import sys\ndef reward_function(params):\n    sys.exit(3)\n"
    runner = RewardRunner(lambda: load_reward("leave.py", source))
    assert run(runner, {}) == [(0.0, 1)]
    assert runner.records[0].kind == "SystemExit"
