"""Policies of every kind, with weights that have opinions, and images for them to judge."""

from __future__ import annotations

from typing import Any

import numpy as np

from rollout_workers.network import NetworkSpec
from rollout_workers.policy import Policy
from sim.actions import Actions
from sim.settings import ContinuousActionSettings, DiscreteActionSettings

SETTINGS = {
    "discrete": DiscreteActionSettings(),
    "continuous": ContinuousActionSettings(type="continuous", steering_deg=(-20.0, 25.0)),
}


def weights_of(network: NetworkSpec, actions: Actions, seed: int = 0) -> dict[str, Any]:
    """Weights of a policy that has opinions: its actions differ from image to image."""
    from learner.module import HairpinModule

    module = HairpinModule(
        observation_space=None,
        action_space=actions.space,
        model_config={"network": network.to_dict(), "seed": seed},
    )
    weights = {name: value.detach().numpy().copy() for name, value in module.state_dict().items()}
    random = np.random.default_rng(seed)
    for name, value in weights.items():
        if name.endswith("bias"):
            weights[name] = (0.1 * random.standard_normal(value.shape)).astype(np.float32)
    weights["policy.weight"] *= 200.0 if "log_std" not in weights else 50.0
    return weights


def policy_of(network: NetworkSpec, actions: Actions, weights: dict[str, Any]) -> Policy:
    policy = Policy(network, actions.space)
    policy.set_weights(weights)
    return policy


def images_of(network: NetworkSpec, count: int = 7) -> np.ndarray:
    random = np.random.default_rng(1)
    coarse = random.integers(0, 256, (count, 1 + network.height // 8, 1 + network.width // 8))
    fine = coarse.repeat(8, 1).repeat(8, 2)[:, : network.height, : network.width]
    return np.clip(fine + random.integers(-20, 20, fine.shape), 0, 255).astype(np.uint8)
