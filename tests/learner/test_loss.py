"""The loss against numbers worked out by hand, and its gradient against differences."""

from __future__ import annotations

import math

import pytest
import torch

from learner.loss import STATISTICS, ppo_loss
from learner.settings import PPOSettings

SETTINGS = PPOSettings(clip=0.2, entropy_coefficient=0.0, value_coefficient=0.0)


def batch(ratio: list[float], advantages: list[float], targets: list[float] | None = None):
    """Two equally likely actions, of which the first was taken with probability 0.5 / ratio."""
    count = len(ratio)
    return {
        "actions": torch.zeros(count, dtype=torch.int64),
        "log_probabilities": (0.5 / torch.tensor(ratio)).log(),
        "advantages": torch.tensor(advantages),
        "value_targets": torch.tensor(targets or [0.0] * count),
    }


def loss_of(given, values=None, settings=SETTINGS, logits=None):
    count = len(given["advantages"])
    logits = torch.zeros(count, 2) if logits is None else logits
    values = torch.zeros(count) if values is None else torch.tensor(values)
    loss, statistics = ppo_loss(logits, values, given, settings)
    return float(loss), dict(zip(STATISTICS, statistics.tolist(), strict=True))


@pytest.mark.parametrize(
    ("ratio", "advantage", "surrogate"),
    [
        (1.0, 2.0, 2.0),  # untouched
        (1.5, 2.0, 2.4),  # better and far: cut at 1.2
        (0.5, 2.0, 1.0),  # better but made rarer: the pessimistic one
        (0.5, -2.0, -1.6),  # worse and far: cut at 0.8
        (1.5, -2.0, -3.0),  # worse but made likelier: not cut
    ],
)
def test_the_clipped_surrogate(ratio: float, advantage: float, surrogate: float) -> None:
    loss, statistics = loss_of(batch([ratio], [advantage]))
    assert loss == pytest.approx(-surrogate, rel=1e-5)
    assert statistics["policy_loss"] == pytest.approx(-surrogate, rel=1e-5)
    assert statistics["clip_fraction"] == (abs(ratio - 1.0) > 0.2)
    assert statistics["kl"] == pytest.approx(ratio - 1.0 - math.log(ratio), abs=1e-6)


def test_value_loss_is_quadratic_near_and_linear_far() -> None:
    settings = PPOSettings(value_coefficient=0.5, entropy_coefficient=0.0, huber_delta=2.0)
    given = batch([1.0, 1.0], [0.0, 0.0], [1.0, 10.0])
    loss, statistics = loss_of(given, [0.0, 0.0], settings)
    huber = (0.5 * 1.0 + 2.0 * (10.0 - 1.0)) / 2
    assert statistics["value_loss"] == pytest.approx(huber)
    assert loss == pytest.approx(0.5 * huber)
    squared = PPOSettings(value_loss="mse", value_coefficient=1.0, entropy_coefficient=0.0)
    assert loss_of(given, [0.0, 0.0], squared)[0] == pytest.approx(0.25 * (1.0 + 100.0))


def test_entropy_is_rewarded() -> None:
    settings = PPOSettings(value_coefficient=0.0, entropy_coefficient=0.1)
    loss, statistics = loss_of(batch([1.0], [0.0]), settings=settings)
    assert statistics["entropy"] == pytest.approx(math.log(2.0))
    assert loss == pytest.approx(-0.1 * math.log(2.0))


def test_parts_of_a_minibatch_add_up_to_it() -> None:
    torch.manual_seed(0)
    logits, values = torch.randn(10, 2), torch.randn(10)
    given = batch([1.0] * 10, torch.randn(10).tolist(), torch.randn(10).tolist())
    whole, _ = ppo_loss(logits, values, given, PPOSettings())
    parts = torch.zeros(())
    for rows in (slice(0, 3), slice(3, 10)):
        part = {name: values[rows] for name, values in given.items()}
        parts = parts + ppo_loss(logits[rows], values[rows], part, PPOSettings(), rows=10)[0]
    assert float(parts) == pytest.approx(float(whole), rel=1e-5)


@pytest.mark.parametrize("continuous", [False, True])
def test_the_gradient_equals_finite_differences(continuous: bool) -> None:
    torch.manual_seed(1)
    # Double precision would be cast down by the loss, so the step is coarse and so is the match.
    outputs = torch.randn(6, 4)
    actions = torch.randn(6, 2) if continuous else torch.randint(0, 4, (6,))
    given = {
        "actions": actions,
        "log_probabilities": torch.full((6,), -1.5),
        "advantages": torch.randn(6),
        "value_targets": torch.randn(6),
    }
    outputs.requires_grad_()
    values = torch.randn(6, requires_grad=True)
    settings = PPOSettings(entropy_coefficient=0.05)
    loss, _ = ppo_loss(outputs, values, given, settings)
    gradients = torch.autograd.grad(loss, [outputs, values])
    step = 1e-2
    for tensor, gradient in zip([outputs, values], gradients, strict=True):
        for index in range(tensor.numel()):
            moved = []
            for sign in (1.0, -1.0):
                shift = torch.zeros(tensor.numel())
                shift[index] = sign * step
                changed = tensor.detach() + shift.view_as(tensor)
                both = [changed, values] if tensor is outputs else [outputs, changed]
                moved.append(float(ppo_loss(both[0], both[1], given, settings)[0].detach()))
            slope = (moved[0] - moved[1]) / (2.0 * step)
            assert slope == pytest.approx(float(gradient.flatten()[index]), abs=2e-3)


def test_gaussian_log_probability_and_entropy_equal_torchs() -> None:
    torch.manual_seed(2)
    mean, log_std, actions = torch.randn(5, 2), 0.3 * torch.randn(5, 2), torch.randn(5, 2)
    normal = torch.distributions.Normal(mean, log_std.exp())
    given = {
        "actions": actions,
        "log_probabilities": normal.log_prob(actions).sum(-1),
        "advantages": torch.ones(5),
        "value_targets": torch.zeros(5),
    }
    _, statistics = ppo_loss(torch.cat([mean, log_std], -1), torch.zeros(5), given, SETTINGS)
    named = dict(zip(STATISTICS, statistics.tolist(), strict=True))
    assert named["policy_loss"] == pytest.approx(-1.0, rel=1e-5)
    assert named["entropy"] == pytest.approx(float(normal.entropy().sum(-1).mean()), rel=1e-5)
