"""The commands on runs in a bucket, and `hairpin storage` on a folder and on a bucket."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hairpin.cli import cli, run
from hairpin.job_source import load_job
from hairpin.preflight import prepare
from hairpin.resume import job_to_resume
from storage import Run, open_store
from storage.spool import SpooledStore

_numbers = itertools.count()


@pytest.fixture
def bucket(minio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """A place in a bucket, with the environment of its user."""
    for name, value in minio.env().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HAIRPIN_SPOOL", str(tmp_path / "spool"))
    monkeypatch.chdir(tmp_path)
    return f"s3://hairpin/commands-{next(_numbers)}"


@pytest.fixture(params=["folder", "bucket"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return str(tmp_path / "runs")
    return str(request.getfixturevalue("bucket"))


def answer(*args: str, code: int = 0) -> Any:
    result = CliRunner().invoke(cli, [*args, "--json"], standalone_mode=False)
    assert (result.return_value or 0) == code, result.output
    assert result.exception is None, result.output
    return json.loads(result.stdout)


def add(made: Run, steps: int) -> str:
    _, files = made.read_checkpoint()
    made.begin_writing()
    info = made.write_checkpoint(steps, files, {})
    made.end_writing()
    return info.name


def test_commands_find_a_run_in_a_bucket(
    bucket: str, make_run: Callable[..., Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_run(storage=bucket)
    assert isinstance(made.store, SpooledStore)
    (listed,) = answer("runs", "--storage", bucket)
    assert (listed["run"], listed["folder"]) == ("sample", f"{bucket}/sample")
    shown = answer("show", "sample", "--storage", bucket)
    assert shown["checkpoints"][0]["name"] == "00001-step-24576"
    assert shown["files"]["reward_function.py"] == f"{bucket}/sample/reward_function.py"
    monkeypatch.setenv("HAIRPIN_STORAGE", bucket)
    raced = answer("evaluate", "sample", "--laps", "1", "--max-resets", "0")
    again = open_store(bucket)
    for name in ("trace", "metrics"):
        assert again.exists(raced["files"][name].removeprefix(f"{bucket}/")), name
    assert run(["play", "sample", "--starts", "1", "-o", "film.mp4"]) == 0
    assert (tmp_path / "film.mp4").stat().st_size > 1000
    assert run(["export", "sample@latest", "-o", str(tmp_path / "car.onnx")]) == 0
    assert (tmp_path / "car.onnx").stat().st_size > 1000


def test_a_run_in_a_bucket_is_cloned_and_gone_on_with(
    bucket: str, make_run: Callable[..., Run]
) -> None:
    make_run(storage=bucket)
    prepared = prepare(load_job(None, {("clone",): "sample", ("storage",): bucket}).job)
    assert prepared.cloned_from == "sample@00001-step-24576"
    assert prepared.clone
    job, found = job_to_resume("sample", None, {("storage",): bucket, ("stop", "minutes"): 1.0})
    assert Path(job.reward).read_bytes() == found.get_file("reward_function.py")


def test_a_storage_is_listed(place: str, make_run: Callable[..., Run]) -> None:
    make_run(storage=place)
    (row,) = answer("storage", "ls", "--storage", place)
    assert (row["name"], row["checkpoints"]) == ("sample", 1)
    files = answer("storage", "ls", "sample", "--storage", place)
    assert sum(file["size_bytes"] for file in files) == row["size_bytes"] > 0
    assert "checkpoints/00001-step-24576/policy.safetensors" in [file["name"] for file in files]
    said = CliRunner().invoke(cli, ["storage", "ls", "--storage", place]).stdout
    assert "1 checkpoints" in said
    assert run(["storage", "ls", "other", "--storage", place]) == 2


def test_a_checkpoint_is_copied(place: str, make_run: Callable[..., Run], tmp_path: Path) -> None:
    _, files = make_run(storage=place).read_checkpoint()
    target = tmp_path / "copy"
    got = answer("storage", "get", "sample@best", "-o", str(target), "--storage", place)
    assert got["files"] == ["policy.safetensors"]
    assert (target / "policy.safetensors").read_bytes() == files["policy.safetensors"]
    assert json.loads((target / "manifest.json").read_text())["name"] == got["checkpoint"]


def test_damage_is_named(place: str, make_run: Callable[..., Run]) -> None:
    made = make_run(storage=place)
    other = add(made, 30000)
    whole = {"checkpoints": 2, "damaged": []}
    assert answer("storage", "verify", "sample", "--storage", place) == whole
    key = f"sample/checkpoints/{other}/policy.safetensors"
    store = open_store(place)
    store.put(key, store.get(key)[:-1])
    found = answer("storage", "verify", "--all", "--storage", place, code=1)
    assert len(found["damaged"]) == 1
    assert store.locate(key) in found["damaged"][0]
    assert run(["storage", "verify", "--storage", place]) == 2


def test_a_run_is_pruned(place: str, make_run: Callable[..., Run]) -> None:
    made = make_run(storage=place)
    names = [add(made, steps) for steps in (30000, 40000, 50000)]
    args = ["storage", "prune", "sample", "--keep-last", "1", "--storage", place]
    assert answer(*args, "--dry-run") == names[:2]
    assert len(Run.open(open_store(place), "sample").checkpoints.names()) == 4
    assert answer(*args) == names[:2]
    left = Run.open(open_store(place), "sample").checkpoints.names()
    assert left == ["00001-step-24576", names[2]], "best and the newest stay"


def test_a_run_is_removed_unless_somebody_writes_it(
    place: str, make_run: Callable[..., Run]
) -> None:
    made = make_run(storage=place)
    args = ["storage", "rm", "sample", "--storage", place]
    (row,) = answer("storage", "ls", "--storage", place)
    assert answer(*args, "--dry-run") == row
    made.begin_writing()
    assert run(args) == 2
    made.end_writing()
    assert answer(*args)["checkpoints"] == 1
    assert open_store(place).entries() == {}
    assert run(args) == 2


LEAVES = """
import sys
import storage.spool
from storage import Run, open_store
storage.spool.STALLED_S = 0.5
run = Run.create(open_store(sys.argv[1], spool=True), "left", {})
print("created", flush=True)
sys.stdin.readline()
run.write_checkpoint(1, {"weights": b"w" * 100}, {})
run.end_writing()
"""


def test_what_waits_is_pushed(bucket: str, new_minio, monkeypatch: pytest.MonkeyPatch) -> None:
    assert answer("storage", "push") == []
    server = new_minio()
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    command = [sys.executable, "-c", LEAVES, bucket]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        server.stop()
        writer.communicate(b"go on\n")
    assert "nothing listens there" in answer("storage", "push", code=1)[0]["error"]
    server.start()
    (sent,) = answer("storage", "push")
    assert sent["left"] == 0
    assert sent["files"] >= 3
    assert Run.open(open_store(bucket), "left").read_checkpoint()[0].step == 1
    assert answer("storage", "push") == []
