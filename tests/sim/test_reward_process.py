"""A reward function in its process: it works, and however it fails costs its own step alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sim.errors import UserError
from sim.params import INPUTS
from sim.reward_process import GOOD_CALLS, MAX_RESTARTS, RewardProcess
from sim.rules import MEMORY, READINGS
from sim.track import Track
from tests.sim.reward_calls import CARS, batch, only_error


def test_rewards_come_back_by_car_and_params_are_those_of_the_contract(
    start: Callable[..., RewardProcess], tracks: tuple[Track, Track]
) -> None:
    process = start("kept.append(params)\nreturn params['x'] + 0.5", before="kept = []")
    assert batch(process) == ([0.5, 1.5, 2.5, 3.5], [])
    told = start("return len(params['waypoints']) if type(params['waypoints'][0]) is tuple else 0")
    assert batch(told)[0] == [float(len(tracks[0].waypoints))] * CARS
    keys = {name for name, _ in INPUTS} - {"waypoint_behind", "waypoint_ahead", "reverse", "active"}
    checks = start(f"return all(key in params for key in {sorted(keys)!r}) and params['steps']")
    assert batch(checks)[0] == [7.0] * CARS
    second = tuple(float(value) for value in tracks[1].waypoints[1])
    reverse = start(f"return params['is_reversed'] + 2 * (params['waypoints'][1] == {second!r})")
    assert batch(reverse)[0][-1] == 3.0
    assert batch(reverse)[0][0] == 0.0


def test_module_state_lives_as_long_as_the_process(start: Callable[..., RewardProcess]) -> None:
    process = start("global n\nn += 1\nreturn n", before="n = 0\nprint('loaded')")
    assert batch(process)[0] == [1.0] * CARS, "each car has a module of its own"
    assert batch(process)[0] == [2.0] * CARS
    assert process.take_prints() == (["loaded"], 0)


def test_what_is_done_to_params_does_not_reach_the_next_call(
    start: Callable[..., RewardProcess],
) -> None:
    process = start("n = len(params['waypoints'])\nparams['waypoints'].clear()\nreturn n")
    assert len(set(batch(process)[0])) == 1
    assert batch(process)[0][0] > 10


@pytest.mark.parametrize("module", ["numpy", "scipy.optimize", "shapely.geometry", "random"])
def test_what_the_contract_allows_to_import_works(
    start: Callable[..., RewardProcess], module: str
) -> None:
    process = start("return 1.0", before=f"import {module}")
    assert batch(process) == ([1.0] * CARS, [])


def test_numpy_computes_in_there(start: Callable[..., RewardProcess]) -> None:
    process = start(
        "return np.linalg.norm(np.array(params['waypoints']))", before="import numpy as np"
    )
    assert batch(process)[0][0] > 0.0


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ("return params['speeed']", "KeyError"),
        ("return 'fast'", "not a number"),
        ("return None", "not a number"),
        ("return float('nan')", "not finite"),
        ("return 1e6", "too large"),
        ("import sys; sys.exit(1)", "SystemExit"),
        ("return reward_function(params)", "RecursionError"),
    ],
)
def test_a_call_that_fails_counts_nothing_and_the_process_lives(
    start: Callable[..., RewardProcess], body: str, kind: str
) -> None:
    process = start(f"if params['x'] != 1: return 1.0\n{body}")
    for _ in range(2):
        assert batch(process) == ([1.0, 0.0, 1.0, 1.0], [1])
    error = only_error(process)
    assert (error.kind, error.count) == (kind, 2)
    assert process.restarts == 0
    assert process.take_errors() == []


# Ways to hang or to end a process; each in the second car's call.
DEADLY = {
    "endless loop": ("while True: pass", "too slow"),
    "a spin in C code": ("sum(itertools.repeat(0))", "too slow"),
    "sleep": ("time.sleep(600)", "too slow"),
    "os._exit": ("os._exit(3)", "exit code 3"),
    "kill itself": ("os.kill(os.getpid(), 9)", "SIGKILL"),
    "crash": ("ctypes.string_at(8)", "SIGSEGV"),
    "nonsense in the pipe": (
        "[os.write(n, b'nonsense' * 9) for n in range(3, 256) if is_pipe(n)]\nos._exit(1)",
        "process ended",
    ),
}
IMPORTS = """
import ctypes, fcntl, itertools, os, stat, time
def is_pipe(n):
    try: return stat.S_ISFIFO(os.fstat(n).st_mode) and fcntl.fcntl(n, fcntl.F_GETFL) & os.O_WRONLY
    except OSError: return False
"""


@pytest.mark.parametrize("name", DEADLY)
def test_a_deadly_call_costs_one_step_and_the_next_car_goes_on(
    start: Callable[..., RewardProcess], name: str
) -> None:
    body, message = DEADLY[name]
    indented = body.replace("\n", "\n    ")
    source = f"if params['x'] == 1:\n    {indented}\nreturn 1.0"
    process = start(source, before=IMPORTS, timeout_s=0.3)
    began = time.monotonic()
    assert batch(process) == ([1.0, 0.0, 1.0, 1.0], [1])
    assert time.monotonic() - began < 20.0
    error = only_error(process)
    assert message in f"{error.kind}: {error.message}"
    assert '"x": 1.0' in error.params_json
    assert process.restarts == 1


def test_one_that_always_hangs_is_given_up_soon(start: Callable[..., RewardProcess]) -> None:
    process = start("while True: pass", timeout_s=0.1)
    for _ in range(50):
        rewards, failed = batch(process)
        assert (rewards, failed) == ([0.0] * CARS, [0, 1, 2, 3])
    assert only_error(process).count == 50 * CARS
    assert process.restarts <= MAX_RESTARTS


def test_rare_deaths_are_never_given_up(start: Callable[..., RewardProcess]) -> None:
    process = start(
        "if params['sim_time'] < 0: os._exit(1)\nreturn 1.0", before="import os", cars=1
    )
    for _ in range(2 * MAX_RESTARTS):
        assert process.call({"sim_time": -1}).error is not None
        for _ in range(GOOD_CALLS):
            outcome = process.call({"sim_time": 1})
        assert outcome.value == 1.0
    assert process.restarts == 2 * MAX_RESTARTS


def test_a_million_prints_do_no_harm(start: Callable[..., RewardProcess]) -> None:
    process = start(
        "for n in range(250_000): print('so many', n)\nreturn 1.0",
        before="print('at import')", timeout_s=30.0,
    )  # fmt: skip
    assert batch(process) == ([1.0] * CARS, [])
    lines, dropped = process.take_prints()
    assert lines[:2] == ["at import", "so many 0"]
    assert len(lines) < 200
    assert len(lines) + dropped == 1_000_001
    assert process.take_prints() == ([], 0)


def test_prints_without_an_end_and_to_the_descriptors(
    start: Callable[..., RewardProcess], capfd: pytest.CaptureFixture[str]
) -> None:
    process = start("print('x' * 10_000_000, end='')\nos.write(1, b'hello')\nprint()\nreturn 1.0",
                    before="import os", timeout_s=30.0)  # fmt: skip
    assert batch(process)[1] == []
    lines, _ = process.take_prints()
    assert all(len(line) < 1000 for line in lines)
    assert capfd.readouterr() == ("", "")


def test_cars_that_do_not_matter_are_not_asked_about(start: Callable[..., RewardProcess]) -> None:
    process = start("print('asked for', params['x'])\nreturn 1.0")
    readings, memory = np.zeros(CARS, READINGS), np.zeros(CARS, MEMORY)
    readings["x"] = np.arange(CARS)
    active = np.array([False, True, False, True])
    process.send(readings, memory, np.zeros((CARS, 2)), 0.0, active)
    assert process.receive()[0].tolist() == [0.0, 1.0, 0.0, 1.0]
    assert process.take_prints()[0] == ["asked for 1.0", "asked for 3.0"]


def test_a_call_with_any_params(start: Callable[..., RewardProcess]) -> None:
    process = start("print(type(params['objects_location'][0]).__name__)\nreturn params['a'] * 2")
    outcome = process.call({"a": 3, "objects_location": [(1.0, 2.0)]})
    assert (outcome.value, outcome.type, outcome.error) == (6.0, "int", None)
    assert process.take_prints() == (["tuple"], 0)
    failed = process.call({"objects_location": [(1.0, 2.0)]})
    assert failed.value is None
    assert failed.error is not None and failed.error.kind == "KeyError"
    assert batch(process)[1] == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("import os\nos._exit(4)\n", "exit code 4"),
        ("import sys\nsys.exit(1)\n", "SystemExit"),
        ("def reward_function(params)\n    return 1\n", "syntax error"),
        ("x = [0] * (1 << 40)\n", "MemoryError"),
    ],
)
def test_a_file_that_cannot_be_imported_is_one_clear_error(
    tmp_path: Path, tracks: tuple[Track, Track], source: str, words: str
) -> None:
    path = tmp_path / "bad.py"
    path.write_text(source)
    process = RewardProcess(str(path), tracks)
    with pytest.raises(UserError, match=words):
        process.wait()


def test_an_endless_import_is_ended(
    tmp_path: Path, tracks: tuple[Track, Track], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.reward_process.LOAD_LIMIT_S", 0.5)
    path = tmp_path / "endless.py"
    path.write_text("while True: pass\n")
    process = RewardProcess(str(path), tracks)
    with pytest.raises(UserError, match="within"):
        process.wait()


def test_calls_are_timed(start: Callable[..., RewardProcess]) -> None:
    process = start("time.sleep(0.01 if params['x'] else 0.03)\nreturn 1.0", before="import time")
    batch(process)
    use = process.take_use()
    assert use.calls == CARS
    assert use.seconds >= 0.06
    assert 0.03 <= use.longest_s <= use.seconds
    assert process.take_use().calls == 0


def test_an_answer_nobody_took_is_not_the_next_ones(start: Callable[..., RewardProcess]) -> None:
    process = start("global n\nn += 1\nreturn n", before="n = 0")
    process.send(np.zeros(CARS, READINGS), np.zeros(CARS, MEMORY), np.zeros((CARS, 2)), 0.0)
    assert batch(process)[0] == [2.0] * CARS


def test_sets_are_gone_through_in_the_same_order_each_time(
    start: Callable[..., RewardProcess],
) -> None:
    body = "return float(''.join(str(ord(c) % 10) for c in set('qwertyuiop'))[:4])"
    first, second = start(body), start(body)
    assert batch(first) == batch(second)
