"""Writing in the background: a store that fails holds nobody up, and nothing published is lost."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from storage import NotFoundError, Run, StorageError, UnreachableError, open_store
from storage.spool import SpooledStore
from storage.spools import waiting

URL = "s3://spooled/team"


@pytest.fixture
def server(new_minio, monkeypatch, tmp_path):
    """A MinIO of the test's own and the environment of its user."""
    server = new_minio()
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HAIRPIN_SPOOL", str(tmp_path / "spool"))
    for name in ("FIRST_PAUSE_S", "LONGEST_PAUSE_S", "AGAIN_S"):
        monkeypatch.setattr(f"storage.uploader.{name}", 0.1)
    for name in ("STALLED_S", "SLOW_S"):
        monkeypatch.setattr(f"storage.spool.{name}", 1.0)
    return server


def spooled() -> SpooledStore:
    store = open_store(URL, spool=True)
    assert isinstance(store, SpooledStore)
    return store


def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


def parts(step: int, size: int = 1000) -> dict[str, bytes]:
    return {name: f"{name} {step} ".encode() * size for name in ("weights", "optimizer")}


def there() -> Run:
    return Run.open(open_store(URL), "run")


AWAY = """
import sys
import storage.spool
from storage import Run, open_store
storage.spool.STALLED_S = 1.0
run = Run.create(open_store(sys.argv[1], spool=True), "run", {})
print("created", flush=True)
sys.stdin.readline()
run.write_checkpoint(1, {"weights": b"w" * 100}, {})
run.append_history({"steps": 1})
run.end_writing()
"""


def leave_behind(server) -> str:
    """A process writes a run while the store goes away for good; returns what it said."""
    writer = subprocess.Popen(
        [sys.executable, "-c", AWAY, URL],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "created\n"
        server.stop()
        _, said = writer.communicate("go on\n")
    assert writer.returncode == 0, said
    server.start()
    return said


def test_everything_gets_there(server) -> None:
    run = Run.create(spooled(), "run", {"seed": 1}, {"hairpin": "1"})
    for step in range(1, 6):
        info = run.write_checkpoint(step, parts(step), {})
        run.append_history({"steps": step})
        if step == 2:
            run.set_alias("best", info.name)
    run.put_file("training.png", b"png")
    told: list[tuple[int, int]] = []
    run.end_writing(lambda files, size: told.append((files, size)))
    other = there()
    assert other.job() == {"seed": 1}
    assert other.about()["hairpin"] == "1"
    assert other.checkpoints.names()[0] == other.checkpoints.aliases()["best"]
    assert other.read_checkpoint()[1] == parts(5)
    assert other.read_checkpoint("best")[1] == parts(2)
    assert [record["steps"] for record in other.history()] == [1, 2, 3, 4, 5]
    assert other.get_file("training.png") == b"png"
    assert not other.is_being_written()
    assert other.store.children("run/checkpoints") == other.checkpoints.names()
    assert list(waiting()) == []
    stats = run.store.stats()
    assert (stats.pending, stats.spool_bytes, stats.failures, stats.up) == (0, 0, 0, True)
    assert stats.uploaded >= 10
    assert stats.published_at is not None


def test_a_store_that_stops_is_waited_for(server, caplog) -> None:
    run = Run.create(spooled(), "run", {})
    run.checkpoints.keep_last = 2
    first = run.write_checkpoint(1, parts(1), {})
    run.set_alias("best", first.name)
    until(lambda: run.store.stats().pending == 0)
    server.stop()
    for step in range(2, 6):
        run.write_checkpoint(step, parts(step), {})
        run.append_history({"steps": step})
        run.put_file(f"traces/{step}.csv", b"row\n")
    assert run.read_checkpoint()[1] == parts(5)
    assert run.read_checkpoint("best")[1] == parts(1)
    until(lambda: run.store.stats().retries > 2)
    stats = run.store.stats()
    assert not stats.up
    assert stats.spool_bytes > len(parts(5)["weights"]) * 4
    server.start()
    until(lambda: run.store.stats().pending == 0)
    assert run.store.stats().up
    assert there().read_checkpoint()[1] == parts(5)
    assert there().read_checkpoint("best")[1] == parts(1)
    run.end_writing()
    assert [info.step for info in there().checkpoints.infos()] == [1, 4, 5]
    assert len(there().history()) == 4
    assert caplog.text.count("the store takes nothing") == 1
    assert caplog.text.count("the store is back") == 1


def test_a_store_that_stays_away_leaves_the_spool_to_the_next(server) -> None:
    assert "hairpin storage push" in leave_behind(server)
    (left,) = waiting()
    assert (left.url, left.endpoint, left.run) == (URL, server.endpoint, "run")
    assert left.files >= 5
    with pytest.raises(NotFoundError):
        there().read_checkpoint()
    again = Run.open(spooled(), "run")
    assert again.read_checkpoint()[0].step == 1
    again.begin_writing()
    again.end_writing()
    assert there().read_checkpoint()[1] == {"weights": b"w" * 100}
    assert there().history() == [{"steps": 1}]
    assert list(waiting()) == []


def test_a_store_that_is_down_at_the_start_is_told(server) -> None:
    server.stop()
    with pytest.raises(UnreachableError, match="nothing listens"):
        Run(spooled(), "run").check_name_free()
    with pytest.raises(UnreachableError, match="nothing listens"):
        spooled().check_writable()


def test_between_parts_and_manifest_nothing_is_seen(server, monkeypatch) -> None:
    store = spooled()
    run = Run.create(store, "run", {})
    until(lambda: store.stats().pending == 0)
    sender, put, broken = store._sender, store._sender.put, threading.Event()

    def put_until_manifest(key: str, data: bytes) -> None:
        if key.endswith("manifest.json") and not broken.is_set():
            server.kill()
            broken.set()
        put(key, data)

    monkeypatch.setattr(sender, "put", put_until_manifest)
    run.write_checkpoint(1, parts(1), {})
    assert broken.wait(30.0)
    server.start()
    until(lambda: store.stats().pending == 0)
    run.end_writing()
    assert there().read_checkpoint()[1] == parts(1)


WRITER = """
import sys, time
from storage import Run, open_store
run = Run.open(open_store(sys.argv[1], spool=True), "run")
run.begin_writing()
step = max((info.step for info in run.checkpoints.infos()), default=0)
while True:
    step += 1
    parts = {name: f"{name} {step} ".encode() * 1000 for name in ("weights", "optimizer")}
    run.write_checkpoint(step, parts, {})
    run.append_history({"steps": step})
    print(step, flush=True)
"""


@pytest.mark.parametrize("up", [True, False])
def test_what_a_killed_writer_left_goes_up_with_the_next(server, up: bool) -> None:
    Run.create(open_store(URL), "run", {}).end_writing()
    for steps in (1, 3, 7):
        command = [sys.executable, "-c", WRITER, URL]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            written = int(writer.stdout.readline())
            if not up:
                server.kill()
            for _ in range(steps):
                written = int(writer.stdout.readline())
            writer.kill()
        if not up:
            server.start()
        run = Run.open(spooled(), "run")
        run.begin_writing()
        info, files = run.read_checkpoint()
        assert info.step >= written, "a checkpoint was lost"
        assert files == parts(info.step)
        run.end_writing()
        assert there().read_checkpoint()[1] == parts(info.step)
        assert [record["steps"] for record in there().history()][-1] in (info.step, info.step - 1)
    # The next checkpoint clears away whatever parts the killed ones left.
    run.begin_writing()
    run.write_checkpoint(1000, parts(1000), {})
    run.end_writing()
    assert there().store.children("run/checkpoints") == there().checkpoints.names()


def test_what_another_machine_wrote_meanwhile_wins(server, caplog) -> None:
    leave_behind(server)
    elsewhere = Run.open(open_store(URL), "run")
    elsewhere.begin_writing()
    elsewhere.write_checkpoint(9, parts(9), {})
    elsewhere.end_writing()
    again = Run.open(spooled(), "run")
    again.begin_writing()
    assert again.read_checkpoint()[0].step == 9
    again.end_writing()
    assert [info.step for info in there().checkpoints.infos()] == [9]
    assert "another process has gone on with the run" in caplog.text
    aside = [path for path in spooled().folder.iterdir() if path.name.startswith(".run-")]
    assert list(aside[0].rglob("weights"))


def test_a_writer_that_was_taken_over_sends_no_more(server, monkeypatch) -> None:
    monkeypatch.setattr("storage.uploader.LOOK_EVERY_S", 0.1)
    monkeypatch.setattr("storage.lock.RENEW_EVERY_S", 0.0)
    run = Run.create(spooled(), "run", {})
    open_store(URL).put("run/lock/000002", b"{}")
    with pytest.raises(StorageError, match="took over"):
        for step in range(1, 1000):
            run.append_history({"steps": step})
            time.sleep(0.02)
    run.write_checkpoint(1, parts(1), {})
    run.end_writing()
    assert there().checkpoints.names() == []


def test_the_oldest_checkpoints_are_dropped_when_too_much_waits(
    server, monkeypatch, caplog
) -> None:
    monkeypatch.setenv("HAIRPIN_SPOOL_BYTES", str(4 * sum(map(len, parts(1).values()))))
    run = Run.create(spooled(), "run", {})
    run.checkpoints.keep_last = 100
    server.stop()
    for step in range(1, 9):
        info = run.write_checkpoint(step, parts(step), {})
        if step == 2:
            run.set_alias("best", info.name)
        run.put_file(f"traces/{step}.csv", b"row\n")
    stats = run.store.stats()
    assert stats.spool_bytes <= stats.spool_limit_bytes
    assert stats.dropped_checkpoints >= 4
    kept = [info.step for info in run.checkpoints.infos()]
    assert kept[0] == 2
    assert kept[-1] == 8
    assert caplog.text.count("is dropped: more than") == stats.dropped_checkpoints
    server.start()
    run.end_writing()
    assert [info.step for info in there().checkpoints.infos()] == kept
    assert there().read_checkpoint("best")[0].step == 2


FULL_DISK = """
import resource, sys
from storage import Run, open_store
run = Run.create(open_store(sys.argv[1], spool=True), "run", {})
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))  # no file larger
for step in range(1, 6):
    parts = {name: f"{name} {step} ".encode() * 1000 for name in ("weights", "optimizer")}
    run.write_checkpoint(step, parts, {})
    for line in range(200):
        run.append_history({"steps": step, "line": line})
print(run.store.stats().dropped_checkpoints, flush=True)
run.end_writing()
"""


def test_a_disk_that_takes_no_more_stops_nothing(server) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, URL], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "takes no more files" in done.stderr
    run = there()
    assert run.read_checkpoint()[1] == parts(5)
    assert len(run.history()) == 1000


def test_keys_taken_away_and_given_back(server, monkeypatch) -> None:
    run = Run.create(spooled(), "run", {})
    until(lambda: run.store.stats().pending == 0)
    os.kill(server.pid, signal.SIGSTOP)
    began = time.monotonic()
    for step in range(1, 4):
        run.write_checkpoint(step, parts(step), {})
    took_s = time.monotonic() - began
    os.kill(server.pid, signal.SIGCONT)
    until(lambda: run.store.stats().pending == 0)
    run.end_writing()
    assert there().read_checkpoint()[1] == parts(3)
    assert took_s < 20.0, "writing waited for the store"


def test_a_wrong_bound_is_told(server, monkeypatch) -> None:
    for wrong in ("much", "-1", "inf"):
        monkeypatch.setenv("HAIRPIN_SPOOL_BYTES", wrong)
        with pytest.raises(StorageError, match="HAIRPIN_SPOOL_BYTES"):
            spooled()


def test_a_spool_that_cannot_be_is_told(server, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HAIRPIN_SPOOL", str(tmp_path / "file" / "spool"))
    with pytest.raises(StorageError, match="HAIRPIN_SPOOL"):
        spooled()


def test_no_secret_is_in_the_spool(server) -> None:
    run = Run.create(spooled(), "run", {})
    server.stop()
    run.write_checkpoint(1, parts(1), {})
    run.end_writing()
    texts = [path.read_bytes() for path in spooled().folder.rglob("*") if path.is_file()]
    assert not any(server.secret_key.encode() in text for text in texts)
    assert json.loads((spooled().folder / ".store.json").read_text())["url"] == URL
    assert spooled().folder.stat().st_mode & 0o077 == 0


def test_every_so_manieth_checkpoint_is_kept(server, caplog) -> None:
    run = Run.create(spooled(), "run", {})
    run.checkpoints.keep_last, run.checkpoints.keep_every = 2, 4
    with caplog.at_level(logging.WARNING):
        for step in range(1, 11):
            run.write_checkpoint(step, parts(step, 10), {})
        run.end_writing()
    assert [info.step for info in there().checkpoints.infos()] == [4, 8, 9, 10]
    assert caplog.text == ""
