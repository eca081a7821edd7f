"""The start of a run: torch and RLlib are imported while Ray starts, then everything is built."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from learner.cluster import Cluster
from learner.settings import TrainSettings

if TYPE_CHECKING:
    from learner.ppo import HairpinPPO


def build_algorithm(
    settings: TrainSettings, cluster: Cluster, world_factory: Callable[..., Any] | None
) -> tuple[HairpinPPO, dict[str, float]]:
    """Builds workers and learner as soon as Ray is there.

    Args:
        settings: What to train.
        cluster: Started; it is waited for.
        world_factory: What the workers step through, instead of `sim.world.World`.

    Returns:
        The algorithm, and the seconds that the parts of the start took.
    """
    began = time.perf_counter()
    # RLlib warns of its new API, of deprecations in its own code, and of restarts we report.
    for name in ("ray.rllib", "ray.rllib.algorithms.algorithm_config"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    import torch

    import learner.torch_learner  # noqa: F401  (while Ray starts, so that building needs no import)
    from learner.config import build_config

    imported = time.perf_counter()
    cluster.wait()
    waited = time.perf_counter()
    torch.manual_seed(settings.seed)
    algorithm: HairpinPPO = build_config(settings, world_factory=world_factory).build_algo()
    parts = {
        **cluster.seconds,
        "import torch and rllib": imported - began,
        "wait for ray": waited - imported,
        "build workers and learner": time.perf_counter() - waited,
    }
    return algorithm, parts
