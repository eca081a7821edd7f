"""Runs that exist: listed, shown, evaluated, played, and found again with their own job."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner

from hairpin.cli import cli, run
from hairpin.finish import next_commands
from hairpin.history import Curves
from hairpin.job_source import load_job
from hairpin.places import split_reference, storage_url
from hairpin.preflight import new_run_name, prepare
from hairpin.resume import job_to_resume
from hairpin.stored_job import job_of
from sim.errors import UserError
from storage import Run, StorageError

MakeRun = Callable[..., Run]


def answer(*args: str) -> Any:
    """The JSON that a command line prints."""
    result = CliRunner().invoke(cli, [*args, "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_runs_are_listed(make_run: MakeRun, tmp_path: Path) -> None:
    storage = str(tmp_path / "runs")
    assert answer("runs", "--storage", storage) == []
    assert "hairpin train" in CliRunner().invoke(cli, ["runs", "--storage", storage]).stdout
    make_run("first")
    make_run("second", track="bowtie")
    found = {summary["run"]: summary for summary in answer("runs", "--storage", storage)}
    assert set(found) == {"first", "second"}
    assert found["second"]["track"] == "bowtie"
    assert found["first"]["steps"] == 6 * 4096
    assert found["first"]["completion"] == 1.0
    assert found["first"]["state"] == "stopped"
    table = CliRunner().invoke(cli, ["runs", "--storage", storage]).stdout
    assert "24,576" in table
    assert "11.50 s" in table


def test_a_run_is_shown(make_run: MakeRun) -> None:
    sample = make_run()
    storage = sample.store.url
    facts = answer("show", "sample", "--storage", storage)
    assert facts["checkpoints"][0]["aliases"] == ["best", "latest"]
    assert facts["files"]["job.json"] == sample.locate("job.json")
    assert facts["made_with"]["hairpin"]
    text = CliRunner().invoke(cli, ["show", "sample", "--storage", storage]).stdout
    assert "00001-step-24576" in text
    assert "best, latest" in text


def test_the_storage_may_come_from_the_environment(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    sample = make_run()
    monkeypatch.setenv("HAIRPIN_STORAGE", sample.store.url)
    assert [summary["run"] for summary in answer("runs")] == ["sample"]
    assert storage_url("other") == "other"
    monkeypatch.delenv("HAIRPIN_STORAGE")
    assert storage_url(None) == "runs"


def test_a_run_keeps_what_it_was_made_of(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    angle = np.linspace(0.0, 2.0 * np.pi, 101)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    ring[-1] = ring[0]
    np.save(tmp_path / "my ring.npy", np.concatenate([3 * ring, 2.5 * ring, 3.5 * ring], axis=1))
    (tmp_path / "mine.py").write_text("def reward_function(params):\n    return 2.0\n")
    sample = make_run(track=str(tmp_path / "my ring.npy"), reward=str(tmp_path / "mine.py"))
    (tmp_path / "my ring.npy").unlink()
    (tmp_path / "mine.py").unlink()
    job = job_of(Run.open(sample.store, "sample"))
    assert job.track == sample.locate("my-ring.npy")
    assert Path(job.reward).read_text().endswith("return 2.0\n")
    # The folder's job.json is itself a job, wherever it is copied.
    copied = tmp_path / "copied"
    (tmp_path / "runs" / "sample").rename(copied)
    again = load_job(str(copied / "job.json")).job
    assert again.track == str(copied / "my-ring.npy")
    prepare(again.model_copy(update={"run": "other", "storage": str(tmp_path / "more")}))


def test_a_job_of_another_version_is_said(make_run: MakeRun) -> None:
    sample = make_run()
    sample.put_file("job.json", b'{"trakc": "oval"}')
    with pytest.raises(UserError, match=r"job\.json.*Another version of Hairpin") as caught:
        job_of(sample)
    assert "unknown key" in str(caught.value)


def test_evaluating_needs_neither_ray_nor_torch_and_says_everything(make_run: MakeRun) -> None:
    sample = make_run()
    found = answer("evaluate", "sample", "--starts", "4", "--storage", sample.store.url)
    assert {"completion", "lap_times_s", "best_lap_s", "off_tracks", "trials"} <= set(found)
    assert len(found["trials"]) == found["starts"] == 4
    assert 0.0 <= found["completion"] < 1.0, "it is an untrained policy"
    assert found["best_lap_s"] is None
    assert found["checkpoint"] == "00001-step-24576"
    again = answer("evaluate", "sample@latest", "--starts", "4", "--storage", sample.store.url)
    assert again == found, "greedy driving is deterministic"


def test_evaluating_on_another_track(make_run: MakeRun) -> None:
    storage = make_run().store.url
    args = ["evaluate", "sample", "--starts", "2", "--track", "bowtie", "--storage", storage]
    result = CliRunner().invoke(cli, args)
    assert result.exit_code == 0
    assert "of 2 laps" in result.stdout
    assert run([*args[:-3], "bowtei", *args[-2:]]) == 2


def test_a_damaged_checkpoint_is_named_and_the_one_before_drives(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = make_run()
    _, files = sample.read_checkpoint()
    sample.begin_writing()
    second = sample.write_checkpoint(30000, files, {})
    sample.set_alias("best", second.name)
    sample.end_writing()
    path = Path(sample.locate(f"checkpoints/{second.name}/policy.safetensors"))
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    assert run(["evaluate", "sample", "--starts", "1", "--storage", sample.store.url]) == 0
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert f"warning: checkpoint {second.name} of run sample is damaged" in said.err
    assert "00001-step-24576" in said.out


def test_without_a_whole_checkpoint_the_run_is_named(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str]
) -> None:
    sample = make_run()
    Path(sample.locate("checkpoints/00001-step-24576/policy.safetensors")).unlink()
    assert run(["evaluate", "sample", "--storage", sample.store.url]) == 2
    assert "is damaged, and so are all before it" in capsys.readouterr().err


def test_playing_writes_a_video(make_run: MakeRun, tmp_path: Path) -> None:
    storage = make_run().store.url
    film = tmp_path / "film.mp4"
    args = ["play", "sample", "-o", str(film), "--starts", "1", "--storage", storage]
    result = CliRunner().invoke(cli, args)
    assert result.exit_code == 0, result.output
    assert str(film) in result.stdout
    with av.open(str(film)) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.width) == ("h264", 640)
        assert sum(1 for _ in container.decode(stream)) > 10


@pytest.mark.parametrize(("name", "expected"), [("x.avi", "ends in .mp4"), ("no/x.mp4", "no such")])
def test_a_video_that_cannot_be_is_refused_before_driving(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str, expected: str
) -> None:
    storage = make_run().store.url
    assert run(["play", "sample", "-o", str(tmp_path / name), "--storage", storage]) == 2
    assert expected in capsys.readouterr().err


def test_a_run_goes_on_with_its_own_job_and_a_new_goal(make_run: MakeRun) -> None:
    sample = make_run()
    options = {("storage",): sample.store.url}
    job, found = job_to_resume("sample", None, options)
    assert (found.name, job.track) == ("sample", "oval")
    assert job.stop.until == "completion=1.0"
    job, _ = job_to_resume("sample", None, {**options, ("stop", "minutes"): 3.0, ("workers",): 1})
    assert (job.stop.minutes, job.stop.until, job.workers) == (3.0, None, 1)
    job_to_resume("sample", None, {**options, ("track",): "oval", ("seed",): 0})


@pytest.mark.parametrize(
    ("way", "value"),
    [("track", "bowtie"), ("seed", 7), ("preset", "deepracer"), ("reward", "x.py"), ("run", "x")],
)
def test_what_cannot_change_is_refused(make_run: MakeRun, way: str, value: object) -> None:
    sample = make_run()
    with pytest.raises(UserError, match=f"--{way}: cannot change from"):
        job_to_resume("sample", None, {("storage",): sample.store.url, (way,): value})


def test_a_run_that_ended_needs_a_new_goal(make_run: MakeRun) -> None:
    sample = make_run()
    options = {("storage",): sample.store.url}
    sample.put_file("result.json", b'{"stop_reason": "goal"}')
    with pytest.raises(UserError, match="its goal is reached"):
        job_to_resume("sample", None, options)
    job_to_resume("sample", None, {**options, ("stop", "steps"): 50000})
    sample.put_file("result.json", b'{"stop_reason": "stopped"}')
    job_to_resume("sample", None, options)


def test_a_run_without_a_checkpoint_cannot_go_on(make_run: MakeRun) -> None:
    sample = make_run()
    sample.store.delete_all("sample/checkpoints")
    with pytest.raises(StorageError, match="None has been written yet"):
        job_to_resume("sample", None, {("storage",): sample.store.url})


def test_names_are_made_up_of_track_and_time() -> None:
    assert new_run_name("oval").startswith("oval-2")
    assert new_run_name("random:7").startswith("random-7-2")
    assert new_run_name("/a b/my track.npy").startswith("my-track-2")
    assert new_run_name("oval") != new_run_name("oval")


def test_references_name_run_and_checkpoint() -> None:
    assert split_reference("a") == ("a", None)
    assert split_reference("a@best") == ("a", "best")


def test_the_next_commands_name_a_storage_that_is_not_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HAIRPIN_STORAGE", raising=False)
    outcome = {
        "run": "a",
        "folder": str(tmp_path / "runs" / "a"),
        "seconds": 130.0,
        "evaluation": {},
    }
    assert next_commands(outcome) == ["hairpin train --resume a --minutes 13"]
    outcome["folder"] = str(tmp_path / "my runs" / "a")
    assert next_commands(outcome)[0].endswith(f"--storage '{tmp_path / 'my runs'}'")


def test_the_curves_of_a_sample_are_whole(make_run: MakeRun) -> None:
    assert Curves.of(make_run().history()).last_step == 6 * 4096
