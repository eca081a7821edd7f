"""What deepracer-utils, the analysts' library, reads of a run of ours: its README's tour."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt
from deepracer.logs import (
    ActionBreakdownUtils,
    AnalysisUtils,
    DeepRacerLog,
    EvaluationUtils,
    NewRewardUtils,
    PlottingUtils,
    SimulationLogsIO,
    TrainingMetrics,
)
from deepracer.logs.misc import LogFolderType
from deepracer.tracks import TrackIO

from hairpin.bench.inline_reward import InlineReward
from hairpin.deepracer.recorder import Recorder
from hairpin.job import Job
from learner.events import Driven, DrivenEpisodes
from sim.episode import Episode
from sim.trace import as_csv
from sim.track import Track
from sim.world import World
from storage import Run, open_store

CARS, ITERATIONS, STEPS = 6, 5, 60
JOB = {"track": "oval", "cars_per_worker": CARS, "control_hz": 15}


def recorded(folder: Path, workers: int) -> Path:
    """A run whose cars were driven by chance, in a folder that is a model folder."""
    job = Job.model_validate({**JOB, "workers": workers, "run": "model"})
    run = Run.create(open_store(str(folder)), "model", {})
    worlds = [
        World(job.world_settings(), num_cars=CARS, seed=w, reward=InlineReward)
        for w in range(workers)
    ]
    traces = [world.start_trace() for world in worlds]
    firsts = [0] * workers
    random = np.random.default_rng(5)
    with Recorder(job, run, say=print) as recorder:
        for iteration in range(1, ITERATIONS + 1):
            driven = {}
            for index, (world, trace) in enumerate(zip(worlds, traces, strict=True)):
                episodes: list[Episode] = []
                for _ in range(STEPS):
                    episodes += world.step(random.integers(0, 10, CARS)).episodes
                rows = [rows for _, rows in trace.take()]
                spans = [(float(r["tstamp"][0]), float(r["tstamp"][-1])) for r in rows]
                text = as_csv(rows, firsts[index])
                driven[index + 1] = DrivenEpisodes(firsts[index], episodes, spans, [text])
                firsts[index] += len(episodes)
            recorder.note(Driven(iteration, 0, 0.0, "training", driven))
            evaluated = {1: DrivenEpisodes(firsts[0], driven[1].episodes, [], [])}
            recorder.note(Driven(iteration, 0, 0.0, "evaluation", evaluated))
    for world in worlds:
        world.close()
    run.end_writing()
    return folder / "model"


def trained(folder: Path, workers: int) -> Path:
    """A run of the command itself, which takes a while longer."""
    job = {**JOB, "workers": workers, "stop": {"steps": 8000}, "run": "model"}
    (folder / "job.json").write_text(json.dumps({**job, "storage": str(folder)}))
    command = [sys.executable, "-m", "hairpin", "train", "--json", str(folder / "job.json")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder / "model"


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recorded(tmp_path_factory.mktemp("single"), 1)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("several"), 2)


@pytest.fixture(scope="module")
def log(single: Path) -> DeepRacerLog:
    log = DeepRacerLog(model_folder=str(single))
    log.load_training_trace()
    return log


@pytest.fixture(autouse=True)
def _closed_figures() -> Iterator[None]:
    yield
    plt.close("all")


@pytest.fixture
def route(tmp_path: Path) -> Any:
    track = Track.load("oval")
    np.save(tmp_path / "oval.npy", track.route)
    return TrackIO(str(tmp_path)).load_track("oval")


def test_the_folder_of_one_worker(log: DeepRacerLog) -> None:
    assert log.fh.type is LogFolderType.DRFC_MODEL_SINGLE_WORKERS
    df = log.dataframe()
    assert set(df["worker"]) == {0}
    assert df["iteration"].min() == 0
    assert df["iteration"].nunique() > 3


def test_the_folder_of_several_workers(several: Path) -> None:
    log = DeepRacerLog(model_folder=str(several))
    assert log.fh.type is LogFolderType.DRFC_MODEL_MULTIPLE_WORKERS
    log.load()
    df = log.dataframe()
    assert set(df["worker"]) == {0, 1}
    assert df["unique_episode"].notna().all()
    agg = AnalysisUtils.simulation_agg(df, secondgroup="unique_episode")
    assert len(agg) > 10
    assert len(log.stability.analyze()) == len(df.groupby(["worker", "iteration"]))
    for _, frame in df.groupby("worker"):
        assert sorted(frame["episode"].unique()) == list(range(frame["episode"].max() + 1))
    listed = json.loads((several / "model" / "deepracer_checkpoints.json").read_bytes())
    assert {"best_checkpoint", "last_checkpoint"} <= set(listed)
    assert (several / "reward_function.py").is_file()


def test_columns_and_their_types(log: DeepRacerLog) -> None:
    df = log.dataframe()
    kinds = {
        "episode": "i",
        "steps": "i",
        "x": "f",
        "y": "f",
        "yaw": "f",
        "steering_angle": "f",
        "speed": "f",
        "action": "i",
        "reward": "f",
        "done": "b",
        "on_track": "b",
        "progress": "f",
        "closest_waypoint": "i",
        "track_len": "f",
        "tstamp": "f",
        "pause_duration": "f",
        "wall_clock": "f",
    }
    assert {name: df[name].dtype.kind for name in kinds} == kinds
    assert not df[list(kinds)].isna().any().any()
    assert {"prepare", "in_progress", "off_track"} <= set(df["episode_status"])


def test_episodes_are_whole(log: DeepRacerLog) -> None:
    df = log.dataframe()
    assert sorted(df["episode"].unique()) == list(range(df["episode"].max() + 1))
    for _, rows in df.groupby("episode"):
        assert rows["iteration"].nunique() == 1
        assert rows["steps"].tolist() == list(range(1, len(rows) + 1))
        assert rows["episode_status"].iloc[0] == "prepare"
        assert rows["done"].tolist() == [False] * (len(rows) - 1) + [True]
        assert np.allclose(np.diff(rows["tstamp"]), 1 / 15, atol=2e-4)


def test_aggregates(log: DeepRacerLog) -> None:
    df = log.dataframe().copy()
    agg = AnalysisUtils.simulation_agg(df, add_tstamp=True, add_perf=True)
    assert len(agg) == df["episode"].nunique()
    assert np.allclose(agg["reward"], df.groupby("episode")["reward"].sum(), atol=1e-6)
    AnalysisUtils.analyze_training_progress(agg, title="progress")
    AnalysisUtils.scatter_aggregates(agg, "scatter")
    AnalysisUtils.scatter_by_groups(agg, title="groups")
    SimulationLogsIO.normalize_rewards(df)
    assert (df["reward"].min(), df["reward"].max()) == (0.0, 1.0)


def test_plots(log: DeepRacerLog, route: Any) -> None:
    df = log.dataframe().copy()
    agg = AnalysisUtils.simulation_agg(df)
    PlottingUtils.plot_selected_laps(agg.nlargest(2, "progress"), df, route)
    PlottingUtils.plot_evaluations(df.assign(stream="1"), route)
    PlottingUtils.plot_grid_world(df[df["episode"] == 0], route)
    PlottingUtils.plot_track(df, route)
    PlottingUtils.plot_laps([0, 1], df, route)
    PlottingUtils.plot_laps([0, 1], df, route, style="modern", single_plot=True)
    PlottingUtils.plot_trackpoints(route)
    EvaluationUtils.analyse_single_evaluation(df[df["episode"] < 2], route)
    ActionBreakdownUtils.action_breakdown(df, route)
    assert len(ActionBreakdownUtils.determine_action_names(df)) == df["action"].max() + 1


def test_rewards_anew(log: DeepRacerLog, route: Any) -> None:
    df = log.dataframe().copy()
    NewRewardUtils.new_reward(df, route.center_line, "tests.hairpin.flat_reward")
    assert (df["new_reward"] == 2.0).all()


def test_stability(log: DeepRacerLog) -> None:
    table = log.stability.analyze()
    assert len(table) == log.dataframe()["iteration"].nunique()
    assert table["avg_ms"].mean() == pytest.approx(1000 / 15, abs=0.1)
    log.stability.print_summary()


def test_facts(log: DeepRacerLog) -> None:
    assert log.hyperparameters()["batch_size"] == 512
    assert log.hyperparameters()["loss_type"] == "huber"
    assert log.action_space()[0]["index"] == 0
    assert log.agent_and_network()["sensor_list"] == ["FRONT_FACING_CAMERA"]


def test_metrics(single: Path, several: Path) -> None:
    for folder, names in (
        (single, ["TrainingMetrics.json"]),
        (several, ["TrainingMetrics.json", "TrainingMetrics_1.json"]),
    ):
        found = sorted(path.name for path in (folder / "metrics").iterdir())
        assert found == names
        first = str(folder / "metrics" / names[0])
        metrics = TrainingMetrics("bucket", region="us-east-1", fname=first, profile=None)
        for worker, name in enumerate(names[1:], 1):
            file = str(folder / "metrics" / name)
            metrics.addRound("model", fname=file, training_round=1, worker=worker)
        assert len(metrics.getTraining()) > 10
        assert len(metrics.getEvaluation()) >= 20
        summary = metrics.getSummary()
        assert {"train_reward", "eval_completion"} <= set(summary.columns)
        metrics.plotProgress()
        content = json.loads(Path(first).read_bytes())
        assert content["version"] == 2.0
        assert content["best_model_metric"] == "progress"
        assert isinstance(content["metrics"][0]["reward_score"], int)


def test_metrics_and_trace_agree(single: Path, log: DeepRacerLog) -> None:
    entries = json.loads((single / "metrics" / "TrainingMetrics.json").read_bytes())["metrics"]
    training = [entry for entry in entries if entry["phase"] == "training"]
    last = log.dataframe().groupby("episode").last()
    assert [entry["episode"] for entry in training] == [number + 1 for number in last.index]
    found = [entry["completion_percentage"] for entry in training]
    assert np.allclose(found, np.floor(last["progress"].to_numpy()), atol=1)


def test_lines_of_a_log(single: Path, tmp_path: Path, log: DeepRacerLog) -> None:
    from sim.trace import as_log

    text = b"".join(
        as_log(
            (single / "training-simtrace" / f"{n}-iteration.csv").read_bytes().split(b"\n", 1)[1]
        )
        for n in range(2)
    )
    (tmp_path / "simulation.log").write_bytes(text)
    read = SimulationLogsIO.load_pandas(str(tmp_path / "simulation.log"))
    frame = log.dataframe()
    expected = frame[frame["iteration"] < 2].sort_values(["episode", "steps"])
    assert isinstance(read, pd.DataFrame)
    assert read["progress"].tolist() == expected["progress"].tolist()
