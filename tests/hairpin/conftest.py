"""Runs and events as a training would leave them, made without one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from hairpin.job import Job
from hairpin.job_source import load_job
from hairpin.preflight import create_run, prepare
from hairpin.records import as_record
from learner.events import Evaluated, Event, FirstLap, IterationDone, Started
from learner.state import WEIGHTS
from rollout_workers.network import NETWORKS
from sim.episode import Episode
from storage import Run

SHARES = {
    "physics": 0.2,
    "camera": 0.2,
    "reward": 0.05,
    "inference": 0.15,
    "learning": 0.35,
    "sync": 0.01,
    "other": 0.04,
}


def episode(progress: float = 40.0, lap_time_s: float | None = None) -> Episode:
    reason = "off_track" if lap_time_s is None else "lap_complete"
    return Episode(12.5, 80, progress, lap_time_s, reason, 0, 0.0, False)


def iteration(number: int, *episodes: Episode) -> IterationDone:
    return IterationDone(
        iteration=number,
        steps=4096 * number,
        seconds=20.0 + 1.5 * number,
        steps_per_s=2730.6,
        shares=SHARES,
        episodes=list(episodes),
        return_mean=12.5 if episodes else None,
        completion_mean=sum(e.progress for e in episodes) / 100.0 / len(episodes)
        if episodes
        else None,
        losses={"policy_loss": -0.01, "kl": float("nan")},
    )


def evaluated(number: int, completion: float, *lap_times_s: float, best: bool = True) -> Evaluated:
    return Evaluated(
        iteration=number,
        steps=4096 * number,
        seconds=20.4 + 1.5 * number,
        took_s=0.4,
        completion=completion,
        laps=len(lap_times_s),
        trials=20,
        lap_times_s=list(lap_times_s),
        best=best,
        return_mean=100.0 * completion,
    )


@pytest.fixture
def training() -> list[Event]:
    """Events of a training that gets better: no laps at first, then more and faster ones."""
    return make_training()


def make_training(iterations: int = 6) -> list[Event]:
    events: list[Event] = [Started(20.0, {}, 2, 2, "float32")]
    for number in range(1, iterations + 1):
        share = number / iterations
        laps = [episode(100.0, 14.0 - 2.0 * share)] * (number - 2)
        if number == 3:
            events.append(FirstLap(4096 * number, 20.0 + 1.5 * number))
        events.append(iteration(number, episode(100.0 * share), *laps))
        if number % 2 == 0:
            times = [13.5 - 2.0 * share] * (number // 2)
            events.append(evaluated(number, share, *times))
    return events


def random_weights(job: Job, seed: int = 0) -> dict[str, np.ndarray]:
    """Weights of an untrained policy, by the names of the learner's module."""
    random = np.random.default_rng(seed)
    network = NETWORKS[job.preset]
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 1
    for index, conv in enumerate(network.convs):
        shapes[f"convs.{index}.weight"] = (conv.filters, channels, conv.kernel, conv.kernel)
        shapes[f"convs.{index}.bias"] = (conv.filters,)
        channels = conv.filters
    shapes |= {
        "hidden.weight": (network.hidden, network.flat_size),
        "hidden.bias": (network.hidden,),
        "policy.weight": (10, network.hidden),
        "policy.bias": (10,),
        "value.weight": (1, network.hidden),
        "value.bias": (1,),
        "value_scale": (),
    }
    return {
        name: np.asarray(0.1 * random.standard_normal(shape), dtype=np.float32)
        for name, shape in shapes.items()
    }


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., Run]:
    """Makes a run with a history and one checkpoint of an untrained policy."""

    def make(
        name: str = "sample",
        track: str = "oval",
        reward: str | None = None,
        storage: str | None = None,
    ) -> Run:
        options = {
            ("run",): name,
            ("storage",): storage or str(tmp_path / "runs"),
            ("track",): track,
            ("reward",): reward,
        }
        prepared = prepare(load_job(None, options).job)
        run = create_run(prepared)
        for event in make_training():
            run.append_history(as_record(event))
        weights = save(random_weights(prepared.job))
        info = run.write_checkpoint(24576, {WEIGHTS: weights}, {"completion": 0.9})
        run.set_alias("best", info.name)
        run.end_writing()
        return run

    return make
