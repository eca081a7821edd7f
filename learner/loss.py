"""The loss of PPO: one pure function, used by every way of computing its gradient."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from learner.settings import PPOSettings

STATISTICS = ("policy_loss", "value_loss", "entropy", "kl", "clip_fraction")


def ppo_loss(
    distribution: Tensor,
    values: Tensor,
    batch: Mapping[str, Tensor],
    settings: PPOSettings,
    rows: int | None = None,
) -> tuple[Tensor, Tensor]:
    """Clipped surrogate + value loss - entropy bonus (Schulman et al. 2017, eq. 9).

    Args:
        distribution: (n, A) logits if the actions are integers, else (n, 2 d): means, then the
            logarithms of the standard deviations.
        values: (n,) of the value head.
        batch: ``actions`` (n,) int64 or (n, d), and (n,) float32 ``log_probabilities``,
            ``advantages`` (normalised by the caller) and ``value_targets``.
        settings: The coefficients.
        rows: What sums are divided by; n by default. With the size of the whole minibatch, the
            losses and statistics of its parts add up to the minibatch's.

    Returns:
        The scalar loss, and a detached tensor of the five numbers named in STATISTICS.
    """
    count = rows or len(values)
    distribution, values = distribution.float(), values.float()
    log_probability, entropy = _log_probability_and_entropy(distribution, batch["actions"])
    log_ratio = log_probability - batch["log_probabilities"]
    ratio = log_ratio.exp()
    advantages = batch["advantages"]
    clipped = ratio.clamp(1.0 - settings.clip, 1.0 + settings.clip)
    policy_loss = -torch.minimum(ratio * advantages, clipped * advantages).sum() / count
    if settings.value_loss == "huber":
        errors = functional.huber_loss(
            values, batch["value_targets"], reduction="sum", delta=settings.huber_delta
        )
    else:
        errors = 0.5 * functional.mse_loss(values, batch["value_targets"], reduction="sum")
    value_loss = errors / count
    mean_entropy = entropy.sum() / count
    loss = (
        policy_loss
        + settings.value_coefficient * value_loss
        - settings.entropy_coefficient * mean_entropy
    )
    with torch.no_grad():
        # Never negative and of low variance, unlike the plain mean of -log_ratio.
        kl = (ratio - 1.0 - log_ratio).sum() / count
        clip_fraction = ((ratio - 1.0).abs() > settings.clip).sum() / count
        statistics = torch.stack([policy_loss, value_loss, mean_entropy, kl, clip_fraction])
    return loss, statistics.detach()


def _log_probability_and_entropy(distribution: Tensor, actions: Tensor) -> tuple[Tensor, Tensor]:
    """Of a categorical distribution for integer actions, else of a diagonal Gaussian; both (n,)."""
    if not actions.is_floating_point():
        log_probabilities = torch.log_softmax(distribution, -1)
        chosen = log_probabilities.gather(1, actions[:, None])[:, 0]
        return chosen, -(log_probabilities.exp() * log_probabilities).sum(-1)
    mean, log_std = distribution.chunk(2, -1)
    scaled = (actions - mean) * (-log_std).exp()
    log_probability = (-0.5 * (scaled * scaled + math.log(2.0 * math.pi)) - log_std).sum(-1)
    return log_probability, (log_std + 0.5 * math.log(2.0 * math.pi * math.e)).sum(-1)
