"""Runs: names, files, history."""

from __future__ import annotations

import json
import math
import pickle

import pytest

from storage import DamagedError, NotFoundError, Run, StorageError, Store, list_runs

JOB = {"track": "oval", "seed": 3}


def test_a_run_is_found_again(store: Store) -> None:
    Run.create(store, "first", JOB, about={"hairpin": "1.2.3"})
    run = Run.open(store, "first")
    assert run.job() == JOB
    assert run.about()["hairpin"] == "1.2.3"
    assert run.about()["created"].endswith("Z")
    assert run.url == store.locate("first")


def test_a_name_in_use_is_refused(store: Store) -> None:
    Run.create(store, "first", JOB)
    with pytest.raises(StorageError, match=r"already a run 'first'.*--run.*--resume first"):
        Run.create(store, "first", {})
    with pytest.raises(StorageError, match="already"):
        Run(store, "first").check_name_free()
    Run(store, "second").check_name_free()
    assert Run.open(store, "first").job() == JOB


@pytest.mark.parametrize("name", ["", "a/b", "..", ".x", "a b", "x" * 101])
def test_names_that_cannot_be_are_refused(store: Store, name: str) -> None:
    with pytest.raises(StorageError):
        Run.create(store, name, JOB)
    with pytest.raises(StorageError):
        Run(store, name).check_name_free()


@pytest.mark.parametrize("name", ["tenants", "workshop"])
def test_folders_beside_runs_are_no_runs(store: Store, name: str) -> None:
    with pytest.raises(StorageError, match=f"'{name}' cannot be a run's name.* with --run"):
        Run.create(store, name, JOB)
    assert store.children() == []


def test_a_missing_run_names_those_there_are(store: Store) -> None:
    with pytest.raises(NotFoundError, match="There are no runs here"):
        Run.open(store, "none")
    Run.create(store, "some", JOB)
    with pytest.raises(NotFoundError, match=r"no run 'none'.*some"):
        Run.open(store, "none")


def test_lists_runs_by_age_and_nothing_else(store: Store) -> None:
    for name, created in [("b", "2031-01-01T00:00:00Z"), ("a", "2031-01-02T00:00:00Z")]:
        Run.create(store, name, JOB, about={"created": created})
    store.put("unrelated/notes.txt", b"")
    store.put("file", b"")
    assert [run.name for run in list_runs(store)] == ["b", "a"]


def test_a_removed_run_frees_its_name(store: Store) -> None:
    run = Run.create(store, "first", JOB)
    run.write_checkpoint(1, {"part": b""}, {})
    run.remove()
    run.end_writing()
    assert store.keys() == []
    Run.create(store, "first", JOB)


def test_keeps_files(store: Store) -> None:
    run = Run.create(store, "run", JOB)
    run.put_file("training.png", b"\x89PNG")
    assert Run.open(store, "run").get_file("training.png") == b"\x89PNG"
    run.write_checkpoint(1, {"part": b""}, {})
    assert run.file_names() == ["job.json", "run.json", "training.png"]
    run.delete_file("training.png")
    run.delete_file("drive.mp4")
    with pytest.raises(NotFoundError):
        run.get_file("training.png")


def test_damaged_json_is_named(store: Store) -> None:
    run = Run.create(store, "run", JOB)
    for content in (b"{", b"[1]", b"\xff"):
        run.put_file("result.json", content)
        with pytest.raises(DamagedError, match=r"result\.json"):
            run.read_json("result.json")


def test_history_is_kept_in_order(store: Store) -> None:
    run = Run.create(store, "run", JOB)
    assert run.history() == []
    records = [{"steps": n, "completion": n / 3} for n in range(5)]
    for record in records:
        run.append_history(record)
    assert Run.open(store, "run").history() == records


@pytest.mark.parametrize("kept", range(1, 13))
def test_a_torn_last_line_of_history_is_left_out(store: Store, kept: int) -> None:
    run = Run.create(store, "run", JOB)
    run.append_history({"steps": 1})
    store.append("run/history.jsonl", b'{"steps": 2}\n'[:kept])
    whole = [{"steps": 1}] if kept < 12 else [{"steps": 1}, {"steps": 2}]
    assert Run.open(store, "run").history() == whole
    resumed = Run.open(store, "run")
    resumed.append_history({"steps": 3})
    resumed.append_history({"steps": 4})
    assert resumed.history() == [*whole, {"steps": 3}, {"steps": 4}]


def test_history_is_plain_json_lines(store: Store) -> None:
    run = Run.create(store, "run", JOB)
    with pytest.raises(ValueError, match="JSON"):
        run.append_history({"loss": math.nan})
    run.append_history({"loss": None})
    assert [json.loads(line) for line in run.get_file("history.jsonl").splitlines()] == [
        {"loss": None}
    ]


@pytest.mark.parametrize("kind", [StorageError, NotFoundError, DamagedError])
def test_errors_survive_pickling(kind: type[StorageError]) -> None:
    error = pickle.loads(pickle.dumps(kind("broken", where="a/b", fix="Mend it.")))
    assert type(error) is kind
    assert str(error) == "a/b: broken. Mend it."
