"""Training steps a second, against the limit that the parts set and against other PPOs."""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from gymnasium.spaces import Discrete
from numpy.typing import NDArray

from hairpin.bench.machine import describe, usable_cores
from hairpin.bench.peers import peer
from hairpin.bench.timing import Work, interleaved, median_ratio, warm_up
from hairpin.bench.trainings import on_threads, ray_for, training
from hairpin.job import Job
from learner.config import build_config
from learner.settings import TrainSettings
from rollout_workers.network import NETWORKS
from sim.actions import make_actions

OURS, SAMPLING, RAW = "hairpin", "hairpin sampling only", "hairpin learner only"
RLLIB, SB3 = "rllib PPO", "stable-baselines3 PPO"


@dataclass(frozen=True)
class TrainResult:
    """Rates of all contestants and how ours compares."""

    steps_per_s: float
    """Ours: env steps sampled and learned from."""
    ratio_limit: float
    """Ours to 1 / (1 / sampling + epochs / raw learning), what the parts allow in turn."""
    ratio_rllib: float
    """Ours to RLlib's own PPO."""
    ratio_sb3: float
    """Ours to Stable-Baselines3's PPO."""
    sampling_steps_per_s: float
    """Env steps of all our workers when nothing is learned."""
    raw_samples_per_s: float
    """Samples through gradient and optimiser step when nothing is sampled."""
    epochs: int
    """How often each sample is learned from."""
    rates: dict[str, float]
    """Median rate of every contestant."""
    rounds: int
    """How often each was measured; rates and ratios are medians over the rounds."""
    machine: dict[str, object]


def run(
    *,
    rounds: int = 3,
    seconds: float = 3.0,
    report: Callable[[str], None] = lambda doing: None,
) -> TrainResult:
    """Builds all contestants on the default job and measures them in turn, several times over.

    Args:
        rounds: How often each contestant is measured.
        seconds: How long each time; an iteration that was begun is finished.
        report: Told what is being done.

    Raises:
        UserError: A package to compare with is missing, or the default job learns elsewhere.
    """
    peer("stable_baselines3")
    from hairpin.bench.rllib_peer import RllibPeer
    from hairpin.bench.sb3_peer import Sb3Peer

    settings = Job().train_settings()
    epochs = settings.ppo.epochs
    with contextlib.ExitStack() as stack:
        report("starting Ray and building the contestants")
        # Twice the workers: RLlib's own idle beside ours while the others are measured.
        stack.enter_context(ray_for(settings, workers=2 * settings.workers))
        algorithm = build_config(settings).build_algo()
        stack.callback(algorithm.stop)
        rllib, sb3 = RllibPeer(settings), Sb3Peer(settings)
        stack.callback(rllib.close)
        stack.callback(sb3.close)
        threads, precision = algorithm.learner_facts()
        cores = len(usable_cores())
        works = {
            SAMPLING: _sampling(algorithm),
            RAW: on_threads(1, raw_learning(settings, precision)),
            OURS: on_threads(1, training(algorithm)),
            RLLIB: on_threads(cores, rllib.iterate),
            SB3: on_threads(cores, sb3.iterate),
        }
        report("warming up")
        warm_up(works.values())
        report(f"measuring {rounds} rounds")
        rates = interleaved(works, rounds, seconds)
    limits = [
        1.0 / (1.0 / sampling + epochs / raw)
        for sampling, raw in zip(rates[SAMPLING], rates[RAW], strict=True)
    ]
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return TrainResult(
        steps_per_s=medians[OURS],
        ratio_limit=median_ratio({OURS: rates[OURS], "limit": limits}, OURS, "limit"),
        ratio_rllib=median_ratio(rates, OURS, RLLIB),
        ratio_sb3=median_ratio(rates, OURS, SB3),
        sampling_steps_per_s=medians[SAMPLING],
        raw_samples_per_s=medians[RAW],
        epochs=epochs,
        rates=medians,
        rounds=rounds,
        machine={
            **describe("hairpin", "ray", "torch", "stable-baselines3", "gymnasium", "numpy"),
            "workers": settings.workers,
            "learner_threads": threads,
            "precision": precision,
        },
    )


def raw_learning(settings: TrainSettings, precision: str) -> Work:
    """Gradient and optimiser steps of the same network, threads and minibatches on random data.

    Args:
        settings: Whose learner.
        precision: float32 or bfloat16.
    """
    from learner.module import HairpinModule
    from learner.updater import Updater

    network, ppo = NETWORKS[settings.network], settings.ppo
    actions = make_actions(settings.world.actions).space
    assert isinstance(actions, Discrete), "the default job's actions are a list"
    module = HairpinModule(
        observation_space=None,
        action_space=actions,
        model_config={"network": network.to_dict(), "seed": settings.seed},
    ).to(memory_format=torch.channels_last)
    updater = Updater(
        module,
        torch.optim.Adam(module.parameters(), lr=ppo.learning_rate, fused=True),
        ppo,
        device=torch.device("cpu"),
        dtype=getattr(torch, precision),
    )
    rng = np.random.default_rng(settings.seed)
    rows = settings.workers * settings.cars_per_worker * ppo.fragment_steps
    batch: dict[str, NDArray[Any]] = {
        "obs": rng.integers(0, 256, (rows, *network.input_shape), np.uint8),
        "actions": rng.integers(int(actions.n), size=rows),
        "log_probabilities": np.full(rows, -np.log(float(actions.n)), np.float32),
        "advantages": rng.standard_normal(rows, np.float32),
        "value_targets": rng.standard_normal(rows, np.float32),
    }

    def work() -> int:
        updater.run(batch, epochs=1, minibatch_size=ppo.minibatch_size, shuffle=rng)
        return rows

    return work


def _sampling(algorithm: Any) -> Work:
    def work() -> int:
        fragments = algorithm.env_runner_group.foreach_env_runner("sample", local_env_runner=False)
        return sum(len(fragment) for fragment in fragments)

    return work
