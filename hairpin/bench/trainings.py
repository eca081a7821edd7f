"""Whole training loops as works to measure, side by side in one Ray."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import torch

from hairpin.bench.timing import Work
from learner.cluster import Cluster
from learner.settings import TrainSettings
from rollout_workers.network import NETWORKS
from sim.errors import UserError


def training(algorithm: Any) -> Work:
    """Iterations of an algorithm: sampling, learning, sending the weights back."""

    def work() -> int:
        algorithm.train()
        return int(algorithm.last.steps)

    return work


def on_threads(count: int, work: Work) -> Work:
    """Torch has one setting for the process, and each contestant its own wish."""

    def with_threads() -> int:
        torch.set_num_threads(count)
        return work()

    return with_threads


@contextlib.contextmanager
def ray_for(settings: TrainSettings, *, workers: int) -> Iterator[None]:
    """Ray on this machine with room for so many workers.

    Raises:
        UserError: The settings' learner is not in the main process.
    """
    if settings.num_learners:
        raise UserError("the benchmark measures a learner in the main process")
    logging.getLogger("ray.rllib").setLevel(logging.CRITICAL)
    batch = settings.workers * settings.cars_per_worker * settings.ppo.fragment_steps
    rows, columns = NETWORKS[settings.network].input_shape
    cluster = Cluster(None, cpus=workers, batch_bytes=batch * rows * columns)
    cluster.start()
    try:
        cluster.wait()
        yield
    finally:
        cluster.stop()
