"""What a training leaves as a model folder: limits, going on after a kill, logs."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deepracer.logs import DeepRacerLog, SimulationLogsIO

from hairpin.deepracer.hyperparameters import read_hyperparameters
from hairpin.deepracer.metadata import parse_metadata
from hairpin.deepracer.metrics import MAX_ENTRIES, Metrics
from hairpin.deepracer.recorder import DROPPED, Recorder
from hairpin.deepracer.trace_files import HEADER
from hairpin.deepracer.training_log import LOG
from hairpin.job import Job
from learner.events import CheckpointSaved, Driven, DrivenEpisodes, Evaluated
from sim.episode import Episode
from sim.trace import PREPARE, ROWS, Rows, as_csv
from storage import Run, StorageError, open_store

STEPS = 20


def episode(steps: int = STEPS, lap_time_s: float | None = None) -> Episode:
    reason = "off_track" if lap_time_s is None else "lap_complete"
    progress = 12.9 if lap_time_s is None else 100.0
    return Episode(3.4, steps, progress, lap_time_s, reason, 0, 0.0, False)


def rows_of(count: int) -> Rows:
    rows = np.zeros(count, ROWS)
    rows["steps"] = np.arange(1, count + 1)
    rows["tstamp"] = np.arange(count) / 15
    rows["status"][0] = PREPARE
    rows["throttle"][1:] = 1.0
    rows["wall_clock"] = 1.7e9 + rows["tstamp"]
    return rows


def driven(iteration: int, firsts: dict[int, int], count: int = 2) -> Driven:
    """An iteration in which every worker ended `count` episodes; `firsts` is moved on."""
    workers = {}
    for worker, first in firsts.items():
        text = as_csv([rows_of(STEPS + 1)] * count, first)
        episodes = [episode() for _ in range(count)]
        workers[worker] = DrivenEpisodes(first, episodes, [(1.0, 1.0 + STEPS / 15)] * count, [text])
        firsts[worker] = first + count
    losses = {"policy_loss": -0.01, "kl": 0.002, "entropy": 2.5, "learning_rate": 3e-4}
    return Driven(iteration, 100 * iteration, 1.0, "training", workers, losses)


def job_of(workers: int = 1, **trace: Any) -> Job:
    return Job.model_validate({"track": "oval", "workers": workers, "trace": trace})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(open_store(str(tmp_path)), "model", {})


def record(job: Job, run: Run, iterations: range, firsts: dict[int, int]) -> list[str]:
    said: list[str] = []
    with Recorder(job, run, say=said.append) as recorder:
        for iteration in iterations:
            recorder.note(driven(iteration, firsts))
    return said


def traces(run: Run) -> list[str]:
    return [name for name in run.tree() if "simtrace" in name]


def test_facts_of_the_training_are_read_back(run: Run, tmp_path: Path) -> None:
    job = job_of()
    record(job, run, range(1, 2), {1: 0})
    path = tmp_path / "model" / "ip" / "hyperparameters.json"
    values, _ = read_hyperparameters(path)
    ppo = {name: value for name, _, value in values.ppo()}
    for name in ("minibatch_size", "epochs", "learning_rate", "gamma", "value_loss", "exploration"):
        assert ppo[name] == getattr(job.ppo, name), name
    metadata = parse_metadata(run.read_json("model/model_metadata.json"), "it")
    assert metadata.action_space_type == "discrete"
    assert b"WORLD_NAME: oval" in run.get_file("training_params.yaml")


def test_the_oldest_traces_go_but_the_first_stays(run: Run) -> None:
    size = len(HEADER + driven(1, {1: 0}).workers[1].trace[0])
    firsts = {1: 0}
    said = record(job_of(max_mb=3.5 * size / 1e6), run, range(1, 9), firsts)
    assert traces(run) == [f"training-simtrace/{n}-iteration.csv" for n in (0, 6, 7)]
    assert len(said) == 1
    assert "trace.max_mb" in said[0]
    told = run.read_json(DROPPED)
    assert told["trace_files"] == 5
    assert 0.9 * 5 * size < told["trace_bytes"] < 1.1 * 5 * size


def test_compressed_traces_hold_the_same(run: Run) -> None:
    record(job_of(compress=True), run, range(1, 2), {1: 0})
    assert traces(run) == ["training-simtrace/0-iteration.csv.gz"]
    text = gzip.decompress(run.get_file(traces(run)[0]))
    assert text == HEADER + driven(1, {1: 0}).workers[1].trace[0]


def test_nothing_is_written_when_switched_off(run: Run) -> None:
    before = run.tree()
    record(job_of(enabled=False), run, range(1, 3), {1: 0})
    assert run.tree() == before


def test_going_on_forgets_lost_work(run: Run, tmp_path: Path) -> None:
    job = job_of(workers=2)
    record(job, run, range(1, 7), {1: 0, 2: 0})
    # The checkpoint was after three iterations: episodes 0 to 5 of each worker.
    record(job, run, range(4, 6), {1: 6, 2: 6})
    names = [f"{w}/training-simtrace/{n}-iteration.csv" for w in (0, 1) for n in range(5)]
    assert traces(run) == names
    log = DeepRacerLog(model_folder=str(tmp_path / "model"))
    log.load_training_trace()
    # With as many episodes in every iteration, deepracer-utils tells them all apart.
    assert log.dataframe()["unique_episode"].nunique() == 20
    for _, frame in log.dataframe().groupby("worker"):
        assert sorted(frame["episode"].unique()) == list(range(10))
    for name in ("metrics/TrainingMetrics.json", "metrics/TrainingMetrics_1.json"):
        entries = run.read_json(name)["metrics"]
        assert [entry["episode"] for entry in entries] == list(range(1, 11))


def test_going_on_with_more_workers_keeps_one_shape(run: Run) -> None:
    record(job_of(workers=1), run, range(1, 3), {1: 0})
    record(job_of(workers=2), run, range(3, 4), {1: 4, 2: 0})
    assert traces(run) == [
        "0/training-simtrace/0-iteration.csv",
        "0/training-simtrace/1-iteration.csv",
        "0/training-simtrace/2-iteration.csv",
        "1/training-simtrace/2-iteration.csv",
    ]
    record(job_of(workers=1), run, range(4, 5), {1: 6})
    assert "0/training-simtrace/3-iteration.csv" in traces(run)


def test_ten_workers_are_read_and_those_after_them_kept_apart(run: Run, tmp_path: Path) -> None:
    record(job_of(workers=12), run, range(1, 3), dict.fromkeys(range(1, 13), 0))
    assert "9/training-simtrace/1-iteration.csv" in traces(run)
    assert "more/11/training-simtrace/1-iteration.csv" in traces(run)
    log = DeepRacerLog(model_folder=str(tmp_path / "model"))
    log.load_training_trace()
    assert sorted(log.dataframe()["worker"].unique()) == list(range(10))
    record(job_of(workers=12), run, range(2, 3), dict.fromkeys(range(1, 13), 2))
    assert len(traces(run)) == 24


def test_checkpoints_are_listed(run: Run) -> None:
    with Recorder(job_of(), run, say=print) as recorder:
        recorder.note(Evaluated(3, 300, 9.0, 1.0, 0.25, 0, 20, [], True, 4.0))
        recorder.note(CheckpointSaved("step-300", 300, 9.0, True, 0.1, 1000))
        recorder.note(CheckpointSaved("step-400", 400, 9.0, False, 0.1, 1000))
    listed = run.read_json("model/deepracer_checkpoints.json")
    assert listed["best_checkpoint"]["name"] == "step-300"
    assert listed["last_checkpoint"]["name"] == "step-400"
    assert listed["best_checkpoint"]["avg_eval_metric"] == 25.0


def test_entries_of_metrics() -> None:
    metrics = Metrics("lap_time")
    one = DrivenEpisodes(4, [episode(), episode(150, 9.876)], [(2.0, 3.333), (2.5, 12.5)], [])
    metrics.note(one, "training", 15)
    metrics.note(DrivenEpisodes(6, [episode(150, 9.5)], [], []), "evaluation", 15)
    content = json.loads(metrics.as_json())
    assert content["best_model_metric"] == "laptime"
    first, second, greedy = content["metrics"]
    assert first == {
        "reward_score": 3,
        "metric_time": 2000 + 1333,
        "start_time": 2000,
        "elapsed_time_in_milliseconds": 1333,
        "episode": 5,
        "trial": 1,
        "phase": "training",
        "completion_percentage": 12,
        "episode_status": "Off track",
    }
    assert second["elapsed_time_in_milliseconds"] == 9876
    assert (second["episode"], second["trial"]) == (6, 2)
    assert second["episode_status"] == "Lap complete"
    assert (greedy["phase"], greedy["episode"], greedy["trial"]) == ("evaluation", 6, 1)


def test_metrics_are_bounded() -> None:
    metrics = Metrics()
    for first in range(0, MAX_ENTRIES + 3000, 1000):
        metrics.note(DrivenEpisodes(first, [episode()] * 1000, [], []), "training", 15)
    entries = json.loads(metrics.as_json())["metrics"]
    assert len(entries) == MAX_ENTRIES
    assert metrics.dropped == 3000
    assert entries[-1]["episode"] == MAX_ENTRIES + 3000


def test_the_log_is_read_by_deepracer_utils(run: Run, tmp_path: Path) -> None:
    record(job_of(log=True), run, range(1, 4), {1: 0})
    path = tmp_path / "model" / LOG
    frame = SimulationLogsIO.load_pandas(str(path))
    assert len(frame) == 3 * 2 * (STEPS + 1)
    lines = path.read_text().splitlines()
    assert (
        "Training> Name=main_level/agent, Worker=0, Episode=3, Total reward=3.40, Steps=20, "
        "Training iteration=1" in lines
    )
    assert (
        "Policy training> Surrogate loss=-0.01, KL divergence=0.002, Entropy=2.5, "
        "training epoch=2, learning_rate=0.0003" in lines
    )
    # As a console download: the same log beside a folder sim-trace.
    console = tmp_path / "console"
    (console / "sim-trace" / "training" / "training-simtrace").mkdir(parents=True)
    os.symlink(tmp_path / "model" / "logs", console / "logs")
    log = DeepRacerLog(model_folder=str(console))
    log.load()
    assert len(log.dataframe()) == len(frame)
    assert log.hyperparameters()["batch_size"] == 512
    assert log.agent_and_network()["world"] == "oval"
    assert log.action_space()[0]["index"] == 0


def test_a_full_log_gives_way(run: Run, tmp_path: Path) -> None:
    size = len(driven(1, {1: 0}).workers[1].trace[0])
    said = record(job_of(log=True, max_mb=8 * size / 1e6), run, range(1, 21), {1: 0})
    names = [name for name in run.tree() if name.startswith("logs/")]
    assert names == [LOG, LOG + ".1"]
    frame = SimulationLogsIO.load_pandas(str(tmp_path / "model" / LOG))
    assert frame["episode"].max() == 39
    assert frame["episode"].is_monotonic_increasing
    assert run.read_json(DROPPED)["logs"] > 0
    assert said


def test_a_store_that_refuses_is_told(run: Run, tmp_path: Path) -> None:
    with pytest.raises(StorageError), Recorder(job_of(), run, say=print) as recorder:
        (tmp_path / "model" / "training-simtrace").write_bytes(b"")  # no folder can be made here
        recorder.note(driven(1, {1: 0}))
