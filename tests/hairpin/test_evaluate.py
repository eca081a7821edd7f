"""A run that races: what is said, what is refused, and the files that DeepRacer's tools read."""

from __future__ import annotations

import csv
import io
import json
import warnings
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import av
import pytest
from click.testing import CliRunner

from hairpin.cli import cli, run
from hairpin.deepracer.evaluation_files import metrics_json, trace_csv, write_evaluation
from hairpin.race_run import race_run
from sim.errors import UserError
from sim.race_film import HOLD_S
from storage import Run

MakeRun = Callable[..., Run]

METRICS = {
    "completion_percentage": int,
    "metric_time": int,
    "start_time": int,
    "elapsed_time_in_milliseconds": int,
    "episode_status": str,
    "crash_count": int,
    "immobilized_count": int,
    "off_track_count": int,
    "reversed_count": int,
    "reset_count": int,
    "trial": int,
}


def answer(sample: Run, *args: str) -> Any:
    """The JSON that the command prints."""
    line = ["evaluate", sample.name, *args, "--storage", sample.store.url, "--json"]
    result = CliRunner().invoke(cli, line)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_run_races_by_the_rules_of_its_job(make_run: MakeRun) -> None:
    sample = make_run()
    job = json.loads(sample.get_file("job.json"))
    job["race"] = {"laps": 2, "continuous": False, "off_track_penalty_s": 1.5, "max_resets": 1}
    sample.put_file("job.json", json.dumps(job).encode())
    found = answer(sample)
    assert found["rules"] | job["race"] == found["rules"]
    assert len(found["laps"]) == 2
    assert found["resets"] == sum(lap["resets"] for lap in found["laps"])
    assert found["total_s"] == pytest.approx(sum(lap["elapsed_s"] for lap in found["laps"]))
    other = answer(
        sample, "--laps", "1", "--continuous", "--max-resets", "0", "--direction", "reversed"
    )
    assert other["rules"]["continuous"] and other["rules"]["max_resets"] == 0
    assert other["rules"]["off_track_penalty_s"] == 1.5
    assert [lap["reverse"] for lap in other["laps"]] == [True]
    assert other["resets"] == 0


def test_a_race_is_said_to_people(make_run: MakeRun) -> None:
    sample = make_run()
    line = ["evaluate", "sample", "--max-resets", "2", "--storage", sample.store.url]
    result = CliRunner().invoke(cli, line)
    assert result.exit_code == 0, result.output
    assert "of 3 laps on oval" in result.stdout
    assert "best 3 in a row" in result.stdout
    assert "0-iteration.csv" in result.stdout


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["--starts", "3", "--laps", "2"], "--starts: it does not go with --laps"),
        (["--starts", "3", "--no-continuous"], "--continuous"),
        (["--direction", "alternating", "--continuous"], "one direction"),
        (["--track", "dash", "--continuous"], "open road"),
        (["--starts", "3", "--video"], "name a file"),
        (["--robust", "--laps", "2"], "--robust: it does not go with --laps"),
        (["--robust", "-o", "x.jpg"], "ends in .png"),
        (["-o", "x.png"], "Add --robust"),
        (["--video", "x.avi"], "ends in .mp4"),
        (["--track", "bowtei"], "Did you mean 'bowtie'"),
        (["--off-track-penalty", "-1"], "0.0<=x<=600.0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    make_run: MakeRun, capsys: pytest.CaptureFixture[str], args: list[str], expected: str
) -> None:
    sample = make_run()
    assert run(["evaluate", "sample", *args, "--storage", sample.store.url]) == 2
    said = capsys.readouterr().err
    assert expected in said
    assert said.count("\n") == 1
    assert not list(Path(sample.locate("job.json")).parent.glob("evaluation-*"))


def test_metrics_have_the_fields_of_the_original(make_run: MakeRun) -> None:
    raced = race_run(make_run(), rules={"continuous": False, "max_resets": 1, "laps": 2})
    content = json.loads(metrics_json(raced))
    assert list(content) == ["metrics"]
    assert len(content["metrics"]) == 2
    for trial, (record, lap) in enumerate(zip(content["metrics"], raced.race.laps, strict=True), 1):
        assert {key: type(value) for key, value in record.items()} == METRICS
        assert record["trial"] == trial
        assert record["episode_status"] == {"off_track": "Off track"}.get(
            lap.end_reason, record["episode_status"]
        )
        assert record["elapsed_time_in_milliseconds"] == round(1000 * lap.elapsed_s)
        assert record["off_track_count"] == lap.off_tracks
        assert record["reset_count"] == lap.resets


def test_a_trace_tells_the_whole_race(make_run: MakeRun) -> None:
    raced = race_run(make_run(), rules={"max_resets": 2, "off_track_penalty_s": 2.0})
    rows = list(csv.DictReader(io.StringIO(trace_csv(raced, 1.8e9).decode())))
    steps = raced.race.steps
    assert len(rows) == len(steps)
    assert len(rows[0]) == 19
    assert (rows[0]["episode_status"], rows[0]["steps"], rows[0]["throttle"]) == (
        "prepare",
        "1",
        "0.00",
    )
    assert [row["episode_status"] for row in rows] == [step.status for step in steps]
    pauses = [row for row in rows if row["episode_status"] == "pause"]
    assert len(pauses) == 30 * raced.race.resets > 0
    assert float(pauses[0]["pause_duration"]) == pytest.approx(2.0 - 1 / 15, abs=0.01)
    assert float(pauses[-1]["pause_duration"]) == 0.0
    assert [row["done"] for row in rows].count("True") == len(raced.race.laps)
    times = [float(row["tstamp"]) for row in rows]
    assert times == sorted(times)


def test_evaluations_of_one_second_are_kept_apart(make_run: MakeRun) -> None:
    sample = make_run()
    raced = race_run(sample, rules={"laps": 1, "max_resets": 0})
    now = datetime(2026, 11, 25, 8, 59, 59, tzinfo=timezone.utc)
    assert write_evaluation(sample, raced, now) == "evaluation-20261125085959"
    assert write_evaluation(sample, raced, now) == "evaluation-20261125090000"


def test_deepracer_utils_reads_an_evaluation(make_run: MakeRun) -> None:
    from deepracer.logs import AnalysisUtils, DeepRacerLog, LogFolderType

    sample = make_run()
    raced = race_run(sample, rules={"continuous": False, "laps": 2, "max_resets": 1})
    name = write_evaluation(sample, raced)
    folder = Path(sample.locate("job.json")).parent
    (folder / "model").mkdir()  # by which it knows a model that was uploaded
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        log = DeepRacerLog(str(folder))
        assert log.fh.type is LogFolderType.DRFC_MODEL_UPLOAD
        log.load_evaluation_trace(ignore_metadata=True)
        frame = log.dataframe()
        found = AnalysisUtils.simulation_agg(frame, firstgroup="stream", is_eval=True)
    assert set(frame["stream"]) == {name.removeprefix("evaluation-")}
    assert len(frame) == len(raced.race.steps)
    for index, (row, lap) in enumerate(zip(found.to_dict("records"), raced.race.laps, strict=True)):
        reached = max(step.progress for step in raced.race.steps if step.lap == index)
        assert row["progress"] == pytest.approx(reached, abs=1e-3)
        # Its time runs from row to row; the last one ends after the finish line, if it was crossed.
        assert row["time"] == pytest.approx(lap.elapsed_s, abs=1 / 15 + 1e-3)
        assert row["off_track"] == lap.off_tracks


def test_an_open_road_is_raced_in_trials(make_run: MakeRun) -> None:
    raced = race_run(make_run(), track="dash", rules={"laps": 1, "max_resets": 0})
    assert not raced.race.settings.continuous
    with pytest.raises(UserError, match="open road"):
        race_run(make_run("other"), track="dash", rules={"continuous": True})


def test_three_videos_of_an_evaluation(make_run: MakeRun) -> None:
    found = answer(make_run(), "--laps", "1", "--max-resets", "1", "--video")
    for view in ("pip", "45degree", "topview"):
        path = Path(found["files"][f"camera-{view}"])
        assert path.parts[-2:] == (f"camera-{view}", "0-video.mp4")
        assert path.parts[-3].startswith("evaluation-")
        with av.open(str(path)) as film:
            stream = film.streams.video[0]
            context = stream.codec_context
            assert (context.name, context.codec_tag) == ("h264", "avc1")
            assert (context.width, context.height, stream.average_rate) == (640, 480, 15)
            frames = sum(1 for _ in film.decode(stream))
        driven_s = found["total_s"] + HOLD_S
        assert frames == pytest.approx(15 * driven_s, abs=2)


def test_how_robust_a_run_is(make_run: MakeRun, tmp_path: Path) -> None:
    sample = make_run()
    picture = tmp_path / "robust.png"
    found = answer(sample, "--robust", "-o", str(picture))
    conditions = found["conditions"]
    assert [(c["direction"], c["noise"]) for c in conditions] == [
        ("forward", 0.0),
        ("reversed", 0.0),
        ("forward", 0.1),
        ("reversed", 0.1),
    ]
    for condition in conditions:
        trials = condition["trials"]
        assert len(trials) == 20
        assert len({round(trial["start_m"], 6) for trial in trials}) == 20
        assert {trial["reverse"] for trial in trials} == {condition["direction"] == "reversed"}
    quiet, noisy = ([trial["progress"] for trial in c["trials"]] for c in conditions[::2])
    assert quiet != noisy
    assert picture.read_bytes().startswith(b"\x89PNG")
