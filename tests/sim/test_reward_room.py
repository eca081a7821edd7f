"""A reward process as its parent holds it: it ends with whom it served, and leaves nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from sim.reward_process import GOOD_CALLS, RewardProcess
from sim.reward_room import remove_stale_folders
from sim.settings import WorldSettings
from sim.world import World
from tests.sim.reward_calls import CARS, batch, only_error


def test_its_own_folder_is_empty_and_goes_with_it(start: Callable[..., RewardProcess]) -> None:
    process = start("print(os.getcwd())\nopen('notes', 'w').write('x')\nreturn len(os.listdir())",
                    before="import os")  # fmt: skip
    assert batch(process)[0] == [1.0] * CARS
    folder = Path(process.take_prints()[0][0])
    assert folder.exists()
    process.close()
    assert not folder.exists()


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
