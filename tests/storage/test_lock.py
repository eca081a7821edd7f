"""One writer of a run at a time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage import Run, StorageError, Store, open_store
from storage.lock import EXPIRES_AFTER_S, Lock

CREATE = """
import sys
from storage import Run, open_store
Run.create(open_store(sys.argv[1]), "run", {})
print("created", flush=True)
sys.stdin.read()
"""


def test_a_second_writer_is_refused_while_the_first_lives(store: Store) -> None:
    first = Run.create(store, "run", {})
    second = Run.open(store, "run")
    assert second.is_being_written()
    with pytest.raises(StorageError, match="is writing this run"):
        second.begin_writing()
    first.end_writing()
    assert not second.is_being_written()
    second.begin_writing()
    with pytest.raises(StorageError, match="is writing this run"):
        first.begin_writing()


def test_a_killed_writer_is_followed_at_once(store: Store) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", CREATE, store.url], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"created\n"
        run = Run.open(open_store(store.url), "run")
        with pytest.raises(StorageError, match=f"process {child.pid} on"):
            run.begin_writing()
        child.kill()
        child.wait()
        run.begin_writing()
    assert run.is_being_written()


@pytest.mark.parametrize(("age_s", "alive"), [(0.0, True), (EXPIRES_AFTER_S + 1.0, False)])
def test_a_writer_elsewhere_is_believed_dead_when_silent(
    store: Store, age_s: float, alive: bool
) -> None:
    entry = {"host": "elsewhere", "pid": 1, "process_started": 0, "renewed": time.time() - age_s}
    store.put("run/lock/000001", json.dumps(entry).encode())
    lock = Lock(store, "run/lock")
    assert lock.is_taken() == alive
    if not alive:
        lock.acquire()
        assert lock.held


def test_a_machine_that_follows_another_by_its_name_knows_at_once_that_that_one_is_gone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAIRPIN_HOST", "racing/head")
    gone = {"host": "racing/head", "pid": 1, "process_started": 0, "renewed": time.time()}
    store.put("run/lock/000001", json.dumps(gone).encode())
    lock = Lock(store, "run/lock")
    lock.acquire()
    assert Lock(store, "run/lock").is_taken()


def test_of_many_contenders_one_wins(store: Store) -> None:
    store.put("run/lock/000001", b'{"released": true}')

    def contend(_: int) -> bool:
        try:
            Lock(store, "run/lock").acquire()
        except StorageError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(contend, range(32))).count(True) == 1


def test_a_writer_that_was_taken_over_is_told(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.lock.RENEW_EVERY_S", 0.0)
    run = Run.create(store, "run", {})
    monkeypatch.setattr("storage.uploader.LOOK_EVERY_S", 0.1)  # one in the background looks anew
    run.append_history({})
    open_store(store.url).put("run/lock/000002", b"{}")
    with pytest.raises(StorageError, match="took over"):
        for _ in range(1000):
            run.append_history({})
            time.sleep(0.01)


def test_a_damaged_lock_does_not_block(store: Store) -> None:
    store.put("run/lock/000001", b"half a li")
    Lock(store, "run/lock").acquire()
