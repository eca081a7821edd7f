"""The walls of a reward function's process: what it cannot read, write, reach or end."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from sim.reward_process import RewardProcess
from tests.sim.reward_calls import CARS, batch, only_error

SECRET = "hunter2-of-the-bucket"
linux = pytest.mark.skipif(sys.platform != "linux", reason="the walls are those of Linux")


def test_memory_is_bounded(start: Callable[..., RewardProcess]) -> None:
    process = start("if params['x'] == 1: x = bytearray(10 << 30)\nreturn 1.0", memory_mb=1024)
    assert batch(process) == ([1.0, 0.0, 1.0, 1.0], [1])
    assert only_error(process).kind == "MemoryError"


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
