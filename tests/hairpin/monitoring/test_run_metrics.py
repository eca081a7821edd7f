"""Events as values: what each metric says after a training that is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from dashboards.catalog import BY_NAME, METRICS, PHASES
from hairpin.job import Job
from hairpin.monitoring.monitor import folder_of
from hairpin.monitoring.run_metrics import RunMetrics
from hairpin.monitoring.series import Series, Snapshot
from hairpin.monitoring.sources import disk, driver, uploads, video
from learner.events import (
    CheckpointSaved,
    Ended,
    Event,
    Measured,
    Rollout,
    Started,
    WorkerLost,
    WorkerRestored,
)
from learner.session import train
from learner.settings import StopSettings
from sim.reward import RewardUse
from storage import LocalStore, Run


def values(snapshot: Snapshot) -> dict[tuple[str, ...], object]:
    """Values by name without the prefix, and labels."""
    return {
        (family["name"].removeprefix("hairpin_"), *labels): value
        for family in snapshot
        for labels, value in family["samples"]
    }


def fresh(**changes) -> RunMetrics:
    about = {"track": "oval", "actions": "discrete", "checkpoint_every_s": 60.0}
    return RunMetrics(**(about | changes))


def measured(number: int, *, calls: int = 100, failed: int = 0) -> Measured:
    rollouts = {1: Rollout(2000, 1e9 + number, 5000, 1.5 * number), 2: Rollout(2096, 1e9, 6000, 2)}
    phase_s = {"physics": 1.0, "learning": 2.0, "other": 0.5}
    use = RewardUse(calls, 0.001 * calls, 0.04)
    return Measured(number, 4096 * number, 20.0, 4096, phase_s, rollouts, 2, use, failed)


def test_the_catalogue_is_kept_to() -> None:
    series = Series()
    with pytest.raises(KeyError):
        series.set("no_such_metric", 1.0)
    with pytest.raises(ValueError, match="worker"):
        series.set("worker_memory_bytes", 1.0)
    assert series.snapshot() == []


def test_a_histogram_counts_what_is_at_most_its_bound() -> None:
    series = Series()
    series.observe("lap_time_seconds", 4.0, 4.001, 9.5, 500.0, labels=("training",))
    ((_, (buckets, total)),) = series.snapshot()[0]["samples"]
    counts = dict(buckets)
    assert counts["4.0"] == 1.0
    assert counts["5.0"] == counts["9.0"] == 2.0
    assert counts["10.0"] == counts["120.0"] == 3.0
    assert counts["+Inf"] == 4.0
    assert list(counts)[-1] == "+Inf" and len(counts) == 21
    assert total == pytest.approx(517.501)


def test_from_the_beginning_counters_are_zero_and_what_is_unknown_is_absent() -> None:
    found = values(fresh().snapshot())
    assert found["run_info", "oval", "discrete"] == 1.0
    for name in ("env_steps_total", "reward_errors_total", "worker_losses_total"):
        assert found[(name,)] == 0.0
    assert all(found["phase_seconds_total", phase] == 0.0 for phase in PHASES)
    assert found["episodes_total", "off_track"] == 0.0
    absent = {"episode_return", "checkpoint_last_time_seconds", "learner_kl_nats", "run_ended"}
    assert not absent & {key[0] for key in found}


def test_a_training_that_is_known(training: list[Event]) -> None:
    metrics = fresh()
    for event in training:
        metrics.note(event)
    found = values(metrics.snapshot())
    assert found[("iterations_total",)] == 6.0
    assert found[("run_env_steps",)] == 6 * 4096
    assert found["episodes_total", "lap_complete"] == 10.0
    assert found["episodes_total", "off_track"] == 6.0
    laps, evaluation_laps = (
        found["lap_time_seconds", phase][0][-1] for phase in ("training", "evaluation")
    )
    assert laps == ("+Inf", 10.0)
    assert evaluation_laps == ("+Inf", 6.0)
    assert found[("best_lap_time_seconds",)] == pytest.approx(11.5)
    assert found[("evaluations_total",)] == 3.0
    assert found[("evaluation_completion_ratio",)] == 1.0
    assert found[("evaluation_laps_ratio",)] == pytest.approx(3 / 20)
    assert found[("learner_policy_loss",)] == -0.01
    assert math.isnan(found[("learner_kl_nats",)])
    assert found["phase_seconds_total", "evaluation"] == pytest.approx(1.2)


def test_what_an_iteration_cost() -> None:
    metrics = fresh()
    for event in (Started(1.0, {}, 3, 2, "float32"), measured(1), measured(2, failed=3)):
        metrics.note(event)
    found = values(metrics.snapshot())
    assert found[("env_steps_total",)] == 8192.0
    assert found["worker_env_steps_total", "2"] == 4192.0
    assert found["worker_last_fragment_time_seconds", "1"] == 1e9 + 2
    assert found["worker_memory_bytes", "1"] == 5000.0
    assert found["worker_cpu_seconds_total", "1"] == 3.0
    assert found["phase_seconds_total", "learning"] == 4.0
    assert (found[("workers_wanted",)], found[("workers_healthy",)]) == (3.0, 2.0)
    assert found[("reward_calls_total",)] == 200.0
    assert found[("reward_errors_total",)] == 3.0
    buckets, total = found[("reward_call_seconds",)]
    assert dict(buckets)["0.001"] == dict(buckets)["+Inf"] == 2.0
    assert total == pytest.approx(0.002)
    assert found[("reward_call_longest_seconds",)] == 0.04


def test_workers_come_and_go() -> None:
    metrics = fresh()
    for event in (Started(1.0, {}, 2, 2, "float32"), measured(1), WorkerLost(1, 1.0, 1, 1)):
        metrics.note(event)
    found = values(metrics.snapshot())
    assert found[("workers_healthy",)] == found[("worker_losses_total",)] == 1.0
    assert ("worker_memory_bytes", "1") not in found
    assert ("worker_last_fragment_time_seconds", "1") in found, "its age goes on"
    metrics.note(WorkerRestored(1, 1.0, 1, 2))
    found = values(metrics.snapshot())
    assert (found[("workers_healthy",)], found[("worker_restarts_total",)]) == (2.0, 1.0)


def test_checkpoints_and_the_end() -> None:
    metrics = fresh()
    metrics.note(CheckpointSaved("a", 100, 9.0, True, 0.25, 5000))
    metrics.note(CheckpointSaved("b", 200, 9.0, False, 0.5, 6000))
    metrics.note(Ended(200, 10.0, "nan"))
    found = values(metrics.snapshot())
    assert found[("checkpoints_total",)] == 2.0
    assert found[("checkpoint_size_bytes",)] == 6000.0
    assert found[("checkpoint_duration_seconds",)] == 0.5
    best, last = found[("checkpoint_best_time_seconds",)], found[("checkpoint_last_time_seconds",)]
    assert best < last
    assert found["run_ended", "nan"] == 1.0


def test_a_resumed_run_knows_its_best() -> None:
    metrics = fresh()
    started = Started(1.0, {}, 2, 2, "float32", "x", best_completion=0.8, best_lap_s=9.5)
    started = replace(started, damaged_checkpoints=2)
    metrics.note(started)
    found = values(metrics.snapshot())
    assert found[("best_evaluation_completion_ratio",)] == 0.8
    assert found[("best_lap_time_seconds",)] == 9.5
    assert found[("checkpoints_damaged_total",)] == 2.0


def test_a_source_that_fails_hides_nothing_else() -> None:
    def failing() -> Iterator[tuple[str, float, tuple[str, ...]]]:
        raise OSError("the disk is gone")
        yield

    found = values(fresh(sources=[failing, driver]).snapshot())
    assert found[("driver_memory_bytes",)] > 1e6
    assert found[("iterations_total",)] == 0.0


def test_video_streams_are_told_by_name() -> None:
    streams = {"eval": SimpleNamespace(up=True, frames=90, dropped=3, connects=2)}
    found = values(fresh(sources=[video(lambda: streams)]).snapshot())
    assert found["video_up", "eval"] == 1.0
    assert found["video_frames_total", "eval"] == 90.0
    assert found["video_frames_dropped_total", "eval"] == 3.0
    assert found["video_connects_total", "eval"] == 2.0


@pytest.mark.slow
def test_a_real_training_has_every_metric_that_always_is(tmp_path: Path) -> None:
    run = Run.create(LocalStore(tmp_path), "first", {})
    metrics = fresh(sources=[driver, disk(folder_of(run)), uploads(run)])
    events: list[Event] = []

    def note(event: Event) -> None:
        events.append(event)
        metrics.note(event)

    job = Job(track="oval", workers=2, cars_per_worker=8, stop=StopSettings(steps=12_000))
    result = train(job.train_settings(), run, on_event=note)
    snapshot = metrics.snapshot()
    names = {family["name"] for family in snapshot}
    assert {metric.name for metric in METRICS if metric.always} - names == set()
    for family in snapshot:
        metric = BY_NAME[family["name"]]
        assert family["labels"] == metric.labels
        assert all(len(labels) == len(metric.labels) for labels, _ in family["samples"])
    found = values(snapshot)
    assert found[("env_steps_total",)] == found[("run_env_steps",)] == result.steps
    steps = [found["worker_env_steps_total", worker] for worker in ("1", "2")]
    assert sum(steps) == result.steps
    assert found[("reward_calls_total",)] == result.steps
    assert found["run_ended", "steps"] == 1.0
    assert found["worker_memory_bytes", "1"] > 50e6
    assert found["worker_cpu_seconds_total", "2"] > 0.5
    phases = {phase: found["phase_seconds_total", phase] for phase in PHASES}
    told_s = result.seconds - events[0].seconds
    assert sum(phases.values()) == pytest.approx(told_s, rel=0.02, abs=0.1)
    assert min(phases[phase] for phase in PHASES if phase != "video") > 0.0
    assert isinstance(events[-1], Ended)
