"""A reward function in its process: it works, and whatever it does stays in there."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from sim.errors import UserError
from sim.params import INPUTS
from sim.reward import RewardError
from sim.reward_process import GOOD_CALLS, MAX_RESTARTS, RewardProcess
from sim.reward_room import remove_stale_folders
from sim.rules import MEMORY, READINGS
from sim.settings import WorldSettings
from sim.track import Track
from sim.world import World

CARS = 4
SECRET = "hunter2-of-the-bucket"
linux = pytest.mark.skipif(sys.platform != "linux", reason="the walls are those of Linux")


@pytest.fixture(scope="module")
def tracks() -> tuple[Track, Track]:
    track = Track.load("oval")
    return track, track.turned()


@pytest.fixture
def start(tmp_path: Path, tracks: tuple[Track, Track]) -> Iterator[Callable[..., RewardProcess]]:
    """Starts a process for a reward function given by its body (or a whole source)."""
    started: list[RewardProcess] = []

    def make(body: str, *, before: str = "", cars: int = CARS, **limits: Any) -> RewardProcess:
        path = tmp_path / f"reward{len(started)}.py"
        indented = "\n".join(f"    {line}" for line in body.splitlines())
        path.write_text(f"{before}\ndef reward_function(params):\n{indented}\n")
        process = RewardProcess(str(path), tracks, cars, **limits)
        started.append(process)
        process.wait()
        return process

    yield make
    for process in started:
        process.close()


def batch(process: RewardProcess, cars: int = CARS) -> tuple[list[float], list[int]]:
    """One batch of cars whose x is 0, 1, 2, ..., the last of them driving in reverse."""
    readings, memory = np.zeros(cars, READINGS), np.zeros(cars, MEMORY)
    readings["x"] = np.arange(cars)
    memory["steps"] = 7
    memory["reverse"][-1] = 1
    process.send(readings, memory, np.tile([15.0, 2.5], (cars, 1)), 4.5)
    rewards, failed = process.receive()
    return rewards.tolist(), failed.tolist()


def only_error(process: RewardProcess) -> RewardError:
    (error,) = process.take_errors()
    return error


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


def test_memory_is_bounded(start: Callable[..., RewardProcess]) -> None:
    process = start("if params['x'] == 1: x = bytearray(10 << 30)\nreturn 1.0", memory_mb=1024)
    assert batch(process) == ([1.0, 0.0, 1.0, 1.0], [1])
    assert only_error(process).kind == "MemoryError"


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


PEEPS = {
    "environment": "return found(repr(dict(os.environ)))",
    "the parent's environment": "return found(read(f'/proc/{os.getppid()}/environ'))",
    "its own first environment": "return found(read('/proc/self/environ'))",
    "the parent's memory map": "return 1.0 if read(f'/proc/{os.getppid()}/maps') else 0.0",
    "a file of credentials": "return found(read(PLANTED))",
    "a listing of that folder": "return 1.0 if listing(os.path.dirname(PLANTED)) else 0.0",
    "the home folder": "return 1.0 if listing(HOME) else 0.0",
    "inherited descriptors": "return found(''.join(text_of(n) for n in range(3, 256)))",
    "a file outside": "return write(PLANTED + '.new')",
    "the temporary folder": "return write(os.path.join(TMP, 'hairpin-was-here'))",
}
TOOLS = f"""
import os
def read(path):
    try:
        with open(path, 'rb') as file: return file.read().decode(errors='replace')
    except OSError: return ''
def found(text): return 1.0 if {SECRET!r} in text else 0.0
def listing(path):
    try: return os.listdir(path)
    except OSError: return []
def text_of(n):
    try: return os.pread(n, 1000, 0).decode(errors='replace')
    except OSError: return ''
def write(path):
    try:
        with open(path, 'w') as file: file.write('x')
        return 1.0
    except OSError: return 0.0
"""


@linux
@pytest.mark.parametrize("name", PEEPS)
def test_nothing_leaks_into_the_room(
    start: Callable[..., RewardProcess],
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    planted = tmp_path_factory.mktemp("aws") / "credentials"
    planted.write_text(f"aws_secret_access_key = {SECRET}\n")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    handle = os.open(planted, os.O_RDONLY)
    os.set_inheritable(handle, True)
    places = f"PLANTED, HOME, TMP = {str(planted)!r}, {os.path.expanduser('~')!r}, "
    places += repr(tempfile.gettempdir())
    try:
        process = start(PEEPS[name], before=f"{TOOLS}\n{places}")
        assert "files" in process.walls
        assert batch(process) == ([0.0] * CARS, []), process.take_errors()
    finally:
        os.close(handle)
    assert not (Path(tempfile.gettempdir()) / "hairpin-was-here").exists()


@linux
def test_the_network_is_closed(start: Callable[..., RewardProcess]) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        process = start(f"socket.create_connection(('127.0.0.1', {port}), timeout=0.2)\nreturn 1.0",
                        before="import socket")  # fmt: skip
        assert "network" in process.walls
        assert batch(process)[1] == [0, 1, 2, 3]
        assert only_error(process).kind in ("OSError", "PermissionError")


@linux
def test_other_processes_cannot_be_signalled(start: Callable[..., RewardProcess]) -> None:
    process = start("os.kill(os.getppid(), 0)\nreturn 1.0", before="import os")
    batch(process)
    assert only_error(process).kind == "PermissionError"


def test_its_own_folder_is_empty_and_goes_with_it(start: Callable[..., RewardProcess]) -> None:
    process = start("print(os.getcwd())\nopen('notes', 'w').write('x')\nreturn len(os.listdir())",
                    before="import os")  # fmt: skip
    assert batch(process)[0] == [1.0] * CARS
    folder = Path(process.take_prints()[0][0])
    assert folder.exists()
    process.close()
    assert not folder.exists()


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


def test_hundreds_of_restarts_leave_nothing_behind(
    start: Callable[..., RewardProcess], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    process = start("if params['die']: os._exit(0)\nreturn 1.0", before="import os", cars=1)
    me = psutil.Process()

    def traces() -> tuple[int, int, int]:
        folders = len(list(Path(tempfile.gettempdir()).glob("hairpin-reward-*")))
        return me.num_fds(), len(me.children()), folders

    before = traces()
    for _ in range(100):
        process._good_calls = GOOD_CALLS  # as if it died rarely
        assert process.call({"die": True}).error is not None
        assert process.call({"die": False}).value == 1.0
    assert process.restarts == 100
    assert traces() == before


def test_a_world_ends_its_process(tmp_path: Path) -> None:
    before = {child.pid for child in psutil.Process().children()}
    world = World(WorldSettings(track="oval"), num_cars=2)
    (child,) = (c for c in psutil.Process().children() if c.pid not in before)
    world.close()
    assert not child.is_running()


def test_calls_are_timed(start: Callable[..., RewardProcess]) -> None:
    process = start("time.sleep(0.01 if params['x'] else 0.03)\nreturn 1.0", before="import time")
    batch(process)
    use = process.take_use()
    assert use.calls == CARS
    assert use.seconds >= 0.06
    assert 0.03 <= use.longest_s <= use.seconds
    assert process.take_use().calls == 0


@linux
@pytest.mark.parametrize(
    "body",
    [
        "os.fork()",
        "subprocess.run(['/bin/true'])",
        "os.posix_spawn('/bin/true', ['true'], {})",
        "resource.prlimit(os.getppid(), resource.RLIMIT_NOFILE)",
        "os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)",
        "os.sched_setaffinity(os.getppid(), {0})",
    ],
)
def test_no_processes_of_its_own_and_no_say_in_others(
    start: Callable[..., RewardProcess], body: str
) -> None:
    process = start(f"{body}\nreturn 1.0", before="import os, resource, subprocess")
    if "processes" not in process.walls:
        pytest.skip("this kernel has no seccomp filters for us")
    assert batch(process) == ([0.0] * CARS, list(range(CARS)))
    assert only_error(process).kind == "PermissionError"
    assert process.restarts == 0


def test_shared_memory_cannot_be_cut_short(start: Callable[..., RewardProcess]) -> None:
    process = start(
        "for descriptor in range(3, 64):\n"
        "    with contextlib.suppress(OSError):\n"
        "        os.ftruncate(descriptor, 0)\n"
        "return 1.0",
        before="import contextlib, os",
    )
    assert batch(process)[1] == []
    assert batch(process)[0] == [1.0] * CARS


def test_half_an_answer_is_not_waited_for_longer_than_a_call(
    start: Callable[..., RewardProcess],
) -> None:
    process = start(
        "for descriptor in range(3, 64):\n"
        "    with contextlib.suppress(OSError):\n"
        "        os.write(descriptor, bytes([16, 0, 0]))\n"
        "while True:\n"
        "    pass",
        before="import contextlib, os",
        cars=1,
        timeout_s=0.2,
    )
    assert batch(process, 1) == ([0.0], [0])
    assert only_error(process).kind in ("too slow", "process ended")


def test_an_answer_nobody_took_is_not_the_next_ones(start: Callable[..., RewardProcess]) -> None:
    process = start("global n\nn += 1\nreturn n", before="n = 0")
    process.send(np.zeros(CARS, READINGS), np.zeros(CARS, MEMORY), np.zeros((CARS, 2)), 0.0)
    assert batch(process)[0] == [2.0] * CARS


def test_it_outlives_the_thread_that_started_it(start: Callable[..., RewardProcess]) -> None:
    with ThreadPoolExecutor(1) as pool:
        process = pool.submit(start, "return 1.0").result()
    assert batch(process) == ([1.0] * CARS, [])
    assert process.restarts == 0


PARENT = """
import sys, time
from sim.reward_process import RewardProcess
from sim.track import Track
process = RewardProcess(sys.argv[1], (Track.load("oval"),) * 2)
process.wait()
print(process._child._process.pid, process._child.folder, flush=True)
process.call({})
"""


def test_a_killed_parent_leaves_no_process_and_no_folder_for_long(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    path = tmp_path / "reward.py"
    path.write_text("def reward_function(params):\n    while True: sum(range(10**9))\n")
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert parent.stdout is not None
    pid, folder = parent.stdout.readline().split()
    child = psutil.Process(int(pid))
    parent.kill()
    parent.communicate()
    child.wait(30)
    assert Path(folder).is_dir(), "nobody was left to remove it"
    remove_stale_folders(0.0)
    assert not Path(folder).exists()


def test_the_folder_of_a_living_process_is_not_stale(
    start: Callable[..., RewardProcess], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    process = start("open('note', 'w').close()\nreturn 1.0")
    assert batch(process)[1] == []
    remove_stale_folders(0.0)
    assert batch(process) == ([1.0] * CARS, [])


def test_sets_are_gone_through_in_the_same_order_each_time(
    start: Callable[..., RewardProcess],
) -> None:
    body = "return float(''.join(str(ord(c) % 10) for c in set('qwertyuiop'))[:4])"
    first, second = start(body), start(body)
    assert batch(first) == batch(second)
