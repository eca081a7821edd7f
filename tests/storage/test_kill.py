"""A writer killed at any moment, and readers beside it: nobody ever sees half a checkpoint."""

from __future__ import annotations

import subprocess
import sys

import pytest

from storage import NotFoundError, Run, Store, open_store

# Each part says which checkpoint it belongs to. Every write of the store is announced, so that
# the killer can choose between which two writes to strike.
WRITER = """
import sys
from storage import Run, open_store

store = open_store(sys.argv[1])
run = Run.open(store, "run")
run.begin_writing()
for method in ("put", "delete", "delete_all", "append"):
    def announced(*args, _original=getattr(store, method)):
        print("write", flush=True)
        _original(*args)
    setattr(store, method, announced)
step = max((info.step for info in run.checkpoints.infos()), default=0)
while True:
    step += 1
    parts = {name: f"{name} {step} ".encode() * 5000 for name in ("weights", "optimizer")}
    info = run.write_checkpoint(step, parts, {"step": step})
    if step % 5 == 0:
        run.set_alias("best", info.name)
    run.append_history({"steps": step})
"""


def check_whole(run: Run) -> int:
    """Reads what there is and returns its step."""
    try:
        info, files = run.read_checkpoint()
    except NotFoundError:
        # Published between the two looks, or else a published one cannot be read.
        return check_whole(run) if run.checkpoints.names() else 0
    assert set(files) == {"weights", "optimizer"}
    for name, data in files.items():
        assert data == f"{name} {info.step} ".encode() * 5000
    assert info.meta == {"step": info.step}
    return info.step


@pytest.fixture
def reader(store: Store) -> Run:
    Run.create(store, "run", {}).end_writing()
    return Run.open(open_store(store.url), "run")


def start_writer(store: Store) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WRITER, store.url], stdout=subprocess.PIPE)


def test_killed_between_and_amid_writes(store: Store, reader: Run, caplog) -> None:
    steps = []
    for writes in (1, 2, 3, 4, 5, 6, 7, 11, 16, 25, 33, 42):
        with start_writer(store) as writer:
            assert writer.stdout is not None
            for _ in range(writes):
                assert writer.stdout.readline() == b"write\n"
            writer.kill()
        steps.append(check_whole(reader))
    assert steps == sorted(steps), "a published checkpoint was lost"
    assert steps[-1] > 5
    assert [record["steps"] for record in reader.history()] == sorted(
        {record["steps"] for record in reader.history()}
    )
    assert "damaged" not in caplog.text
    # One more writer clears away whatever the killed ones left.
    reader.begin_writing()
    reader.write_checkpoint(10_000, {"part": b""}, {})
    assert store.children("run/checkpoints") == reader.checkpoints.names()


def test_a_reader_beside_a_writer_never_sees_half(store: Store, reader: Run, caplog) -> None:
    with start_writer(store) as writer:
        assert writer.stdout is not None
        steps = []
        for _ in range(60):
            writer.stdout.readline()
            steps.append(check_whole(reader))
        writer.kill()
    assert steps == sorted(steps)
    assert steps[-1] > 1
    assert "damaged" not in caplog.text
