"""The updater: threads change nothing but the time, and it says when something is wrong."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from gymnasium import spaces

from learner.module import HairpinModule
from learner.settings import PPOSettings
from learner.updater import Updater

ROWS = 96


@pytest.fixture
def module(toy) -> HairpinModule:
    return HairpinModule(
        observation_space=spaces.Box(0, 255, toy.network.input_shape, np.uint8),
        action_space=spaces.Discrete(5),
        model_config={"network": toy.network.to_dict(), "seed": 1},
    )


def arrays(seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "obs": random.integers(0, 256, (ROWS, 48, 80), np.uint8),
        "actions": random.integers(0, 5, ROWS),
        "log_probabilities": np.full(ROWS, -np.log(5.0), np.float32),
        "advantages": random.normal(size=ROWS).astype(np.float32),
        "value_targets": random.normal(size=ROWS).astype(np.float32),
    }


def run(module, *, threads: int = 1, epochs: int = 2, given=None, **settings):
    module = copy.deepcopy(module)
    ppo = PPOSettings(threads=threads, **settings)
    optimizer = torch.optim.Adam(module.parameters(), 1e-3)
    updater = Updater(module, optimizer, ppo, device=torch.device("cpu"))
    statistics = updater.run(
        given or arrays(), epochs=epochs, minibatch_size=32, shuffle=np.random.default_rng(7)
    )
    return {name: v.detach().clone() for name, v in module.named_parameters()}, statistics


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_take_the_same_steps(module: HairpinModule, threads: int) -> None:
    alone, one = run(module)
    together, several = run(module, threads=threads)
    for name, values in alone.items():
        torch.testing.assert_close(values, together[name], atol=2e-5, rtol=1e-3)
    assert several == pytest.approx(one, rel=1e-3, abs=1e-5)
    assert one["minibatches"] == 2 * ROWS / 32


def test_the_same_run_gives_the_same_bits(module: HairpinModule) -> None:
    first, _ = run(module, threads=2)
    again, _ = run(module, threads=2)
    for name, values in first.items():
        assert torch.equal(values, again[name]), name


def test_a_target_kl_ends_the_epochs(module: HairpinModule) -> None:
    _, free = run(module, epochs=20)
    _, held = run(module, epochs=20, target_kl=1e-4)
    assert held["minibatches"] < free["minibatches"]


def test_the_gradient_is_clipped(module: HairpinModule) -> None:
    # With SGD in place of Adam the step's length is the gradient's.
    given, limit = arrays(), 1e-3
    before = {name: v.detach().clone() for name, v in module.named_parameters()}
    ppo = PPOSettings(threads=1, grad_clip=limit)
    updater = Updater(
        module, torch.optim.SGD(module.parameters(), 1.0), ppo, device=torch.device("cpu")
    )
    statistics = updater.run(given, epochs=1, minibatch_size=ROWS, shuffle=np.random.default_rng(0))
    moved = torch.cat([(v - before[n]).flatten() for n, v in module.named_parameters()]).norm()
    assert statistics["grad_norm"] > limit
    assert float(moved.detach()) == pytest.approx(limit, rel=1e-2)


def test_a_loss_that_is_not_finite_is_named(module: HairpinModule) -> None:
    given = arrays()
    given["value_targets"][3] = np.nan
    with pytest.raises(FloatingPointError, match="value_loss"):
        run(module, given=given)


def test_the_module_is_reproducible_and_starts_almost_uniform(module: HairpinModule, toy) -> None:
    twin = HairpinModule(
        observation_space=module.observation_space,
        action_space=module.action_space,
        model_config={"network": toy.network.to_dict(), "seed": 1},
    )
    for name, values in module.state_dict().items():
        assert torch.equal(values, twin.state_dict()[name])
    logits, values = module.outputs(torch.from_numpy(arrays()["obs"]))
    assert float(logits.detach().softmax(-1).max()) < 0.25
    assert values.shape == (ROWS,)
