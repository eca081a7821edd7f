"""The numpy policy: the same numbers as the torch module, and honest sampling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces

from learner.loss import ppo_loss
from learner.module import HairpinModule
from learner.settings import PPOSettings
from rollout_workers.network import NETWORKS, Conv, NetworkSpec
from rollout_workers.policy import Policy, log_softmax

DISCRETE = spaces.Discrete(7)
BOX = spaces.Box(-1.0, 1.0, (2,), np.float32)
ODD = NetworkSpec("odd", 19, 23, 2, (Conv(5, 4, 3), Conv(6, 2, 2)), 11)
PATCHES = NetworkSpec("patches", 19, 23, 0, (Conv(5, 4, 4), Conv(6, 2, 1)), 11)
FLAT = NetworkSpec("flat", 6, 7, 1, (), 9)


def module_of(network: NetworkSpec, space: spaces.Space, seed: int = 3) -> HairpinModule:
    box = spaces.Box(0, 255, network.input_shape, np.uint8)
    module = HairpinModule(
        observation_space=box,
        action_space=space,
        model_config={"network": network.to_dict(), "seed": seed},
    )
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            # Biases are not zero in a trained network, and its heads not near zero.
            parameter += 0.05 * torch.randn(parameter.shape, generator=random)
    return module


def policy_of(module: HairpinModule, space: spaces.Space) -> Policy:
    policy = Policy(module.network, space)
    policy.set_weights({name: v.detach().numpy() for name, v in module.state_dict().items()})
    return policy


@pytest.mark.parametrize("space", [DISCRETE, BOX], ids=["discrete", "box"])
@pytest.mark.parametrize(
    "network", [*NETWORKS.values(), ODD, PATCHES, FLAT], ids=lambda network: network.name
)
def test_forward_equals_the_torch_module(network: NetworkSpec, space: spaces.Space) -> None:
    module = module_of(network, space)
    policy = policy_of(module, space)
    random = np.random.default_rng(0)
    for count in (5, 3, 8):  # buffers are kept between calls of other sizes
        obs = random.integers(0, 256, (count, *network.input_shape), np.uint8)
        with torch.no_grad():
            distribution, values = module.outputs(torch.from_numpy(obs))
        outputs, found = policy.forward(obs)
        expected = distribution.numpy()[:, : outputs.shape[1]]
        np.testing.assert_allclose(outputs, expected, atol=1e-4, rtol=1e-4)
        np.testing.assert_allclose(found, values.numpy(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_layout_in_memory_does_not_matter(layout: torch.memory_format) -> None:
    module = module_of(NETWORKS["fast"], DISCRETE).to(memory_format=layout)
    policy = policy_of(module, DISCRETE)
    obs = np.random.default_rng(1).integers(0, 256, (4, 48, 80), np.uint8)
    with torch.no_grad():
        distribution, _ = module.outputs(torch.from_numpy(obs))
    np.testing.assert_allclose(policy.forward(obs)[0], distribution.numpy(), atol=1e-4)


def test_a_new_unit_of_values_changes_no_value() -> None:
    space = spaces.Discrete(4)
    module = module_of(NETWORKS["fast"], space)
    obs = np.random.default_rng(0).integers(0, 256, (3, *NETWORKS["fast"].input_shape), np.uint8)
    _, before = policy_of(module, space).forward(obs)
    module.rescale_values(25.0)
    with torch.no_grad():
        in_units = module.outputs(torch.from_numpy(obs))[1].numpy()
    _, after = policy_of(module, space).forward(obs)
    assert after == pytest.approx(before, abs=1e-5)
    assert in_units * 25.0 == pytest.approx(before, abs=1e-5)


@pytest.mark.parametrize("space", [DISCRETE, BOX], ids=["discrete", "box"])
def test_the_learner_finds_the_log_probabilities_that_were_sampled(space: spaces.Space) -> None:
    module = module_of(ODD, space)
    policy = policy_of(module, space)
    random = np.random.default_rng(2)
    obs = random.integers(0, 256, (64, *ODD.input_shape), np.uint8)
    outputs, _ = policy.forward(obs)
    actions, log_probabilities = policy.sample(outputs, random)
    batch = {
        "actions": torch.from_numpy(actions),
        "log_probabilities": torch.from_numpy(log_probabilities),
        "advantages": torch.zeros(64),
        "value_targets": torch.zeros(64),
    }
    distribution, values = module.outputs(torch.from_numpy(obs))
    _, statistics = ppo_loss(distribution, values, batch, PPOSettings())
    assert float(statistics[3]) == pytest.approx(0.0, abs=1e-6)  # no KL: the ratios are 1


def test_discrete_samples_follow_the_softmax() -> None:
    policy = Policy(ODD, DISCRETE)
    logits = np.array([[2.0, 0.0, -1.0, 1.0, 0.5, -3.0, 0.0]], np.float32).repeat(40_000, 0)
    actions, log_probabilities = policy.sample(logits, np.random.default_rng(0))
    expected = np.exp(log_softmax(logits[:1]))[0]
    shares = np.bincount(actions, minlength=7) / len(actions)
    np.testing.assert_allclose(shares, expected, atol=0.01)
    np.testing.assert_allclose(np.exp(log_probabilities), expected[actions], rtol=1e-5)


def test_e_greedy_takes_the_best_action_but_for_chance() -> None:
    policy = Policy(ODD, DISCRETE)
    logits = np.array([[2.0, 0.0, -1.0, 1.0, 0.5, -3.0, 0.0]], np.float32).repeat(40_000, 0)
    expected = log_softmax(logits[:1])[0]
    for epsilon in (0.0, 0.3, 1.0):
        actions, found = policy.sample(logits, np.random.default_rng(0), epsilon)
        shares = np.bincount(actions, minlength=7) / len(actions)
        chances = np.full(7, epsilon / 7)
        chances[0] += 1.0 - epsilon
        np.testing.assert_allclose(shares, chances, atol=0.01)
        # The policy's own probabilities, which the learner compares with those of the new policy.
        np.testing.assert_allclose(found, expected[actions], rtol=1e-5)


def test_gaussian_samples_have_mean_and_spread() -> None:
    module = module_of(ODD, BOX)
    policy = policy_of(module, BOX)
    outputs = np.array([[0.3, -2.0]], np.float32).repeat(40_000, 0)
    actions, _ = policy.sample(outputs, np.random.default_rng(0))
    np.testing.assert_allclose(actions.mean(0), outputs[0], atol=0.02)
    np.testing.assert_allclose(actions.std(0), np.exp(module.log_std.detach().numpy()), rtol=0.02)


def test_greedy_takes_the_likeliest_and_crops_the_sky() -> None:
    network = NETWORKS["fast"]
    policy = policy_of(module_of(network, DISCRETE), DISCRETE)
    obs = np.random.default_rng(0).integers(0, 256, (6, 60, 80), np.uint8)
    sky = obs.copy()
    sky[:, : network.crop_top] = 0
    outputs, _ = policy.forward(np.ascontiguousarray(obs[:, network.crop_top :]))
    np.testing.assert_array_equal(policy.act(obs), outputs.argmax(1))
    np.testing.assert_array_equal(policy.act(sky), policy.act(obs))


def test_other_action_spaces_are_refused() -> None:
    with pytest.raises(TypeError, match="MultiBinary"):
        Policy(ODD, spaces.MultiBinary(3))


def test_a_spec_survives_json() -> None:
    for network in NETWORKS.values():
        assert NetworkSpec.from_dict(network.to_dict()) == network


def test_an_image_too_small_for_the_network_is_named() -> None:
    small = NetworkSpec("small", 6, 6, 0, (Conv(4, 8, 8),), 8)
    with pytest.raises(ValueError, match="small"):
        _ = small.conv_shapes
