"""The training state as files: complete, without pickles, and exact."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load

from learner.config import build_config
from learner.state import OPTIMIZER, STATE, WEIGHTS, adopt, capture, read_weights, restore
from sim.settings import WorldSettings

pytestmark = pytest.mark.usefixtures("local_ray")


@pytest.fixture
def build(toy):
    built = []

    def make(**changes):
        settings = toy.settings(**changes)
        config = build_config(settings, network=toy.network, world_factory=toy.world)
        built.append(config.build_algo())
        return built[-1]

    yield make
    for algorithm in built:
        algorithm.stop()


EXPLORING = {"exploration": "e_greedy", "epsilon_steps": 1000}


@pytest.mark.parametrize(
    "ppo", [{}, {"episodes_per_iteration": 11} | EXPLORING], ids=["fragments", "episodes"]
)
def test_a_resumed_training_repeats_bit_for_bit(build, ppo) -> None:
    straight = build(ppo=ppo)
    for _ in range(3):
        straight.train()
    files = capture(straight, note=[1, 2])
    for _ in range(3):
        straight.train()
    expected = read_weights(capture(straight))

    resumed = build(seed=99, ppo=ppo)  # another seed: all that matters must come from the files
    assert restore(resumed, files) == {"note": [1, 2]}
    steps = 11 * 16 if ppo else 8 * 32
    assert (resumed.steps, resumed.iterations) == (3 * steps, 3)
    for _ in range(3):
        resumed.train()
    found = read_weights(capture(resumed))
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(values, found[name], err_msg=name)
    assert resumed.last.losses["learning_rate"] == straight.last.losses["learning_rate"]
    assert [e.return_ for e in resumed.last.episodes] == [e.return_ for e in straight.last.episodes]


def test_the_files_are_safetensors_and_json(build) -> None:
    algorithm = build()
    algorithm.train()
    files = capture(algorithm)
    assert set(files) == {WEIGHTS, OPTIMIZER, STATE}
    assert load(files[WEIGHTS])["convs.0.weight"].shape == (4, 1, 16, 16)
    moments = load(files[OPTIMIZER])
    assert {name.rsplit("/", 1)[1] for name in moments} == {"step", "exp_avg", "exp_avg_sq"}
    state = json.loads(files[STATE])
    assert state["steps"] == 256
    assert set(state["workers"]) == {"1"}


def test_a_newer_format_is_refused(build) -> None:
    algorithm = build()
    files = capture(algorithm)
    state = json.loads(files[STATE]) | {"format": 99}
    with pytest.raises(ValueError, match="format 99"):
        restore(algorithm, files | {STATE: json.dumps(state).encode()})


def test_anothers_weights_are_taken_up_with_a_fresh_optimiser(build) -> None:
    other = build()
    for _ in range(2):
        other.train()
    files = capture(other)
    weights = read_weights(files)
    fresh = build(seed=5)
    assert adopt(fresh, weights) == []
    found = capture(fresh)
    for name, values in read_weights(found).items():
        np.testing.assert_array_equal(values, weights[name], err_msg=name)
    assert fresh.steps == fresh.iterations == 0
    assert load(found[OPTIMIZER]) == {}
    # The workers drive with them as well.
    version = fresh.env_runner_group.foreach_env_runner(_bias, local_env_runner=False)[0]
    np.testing.assert_array_equal(version[:-1], weights["policy.bias"])


def test_of_other_actions_everything_is_kept_but_the_head(build) -> None:
    other = build()
    other.train()
    weights = read_weights(capture(other))
    world = {"actions": {"type": "discrete", "steering_deg": [-20, 0, 20], "speed_mps": [1.0]}}
    fresh = build(seed=5, world=WorldSettings.model_validate(world))
    before = read_weights(capture(fresh))
    assert adopt(fresh, weights) == ["policy.bias", "policy.weight"]
    for name, values in read_weights(capture(fresh)).items():
        expected = before if name.startswith("policy") else weights
        np.testing.assert_array_equal(values, expected[name], err_msg=name)


def test_weights_of_another_network_are_refused(build) -> None:
    algorithm = build()
    weights = read_weights(capture(algorithm))
    del weights["convs.1.bias"]
    with pytest.raises(ValueError, match=r"another network: convs\.1\.bias"):
        adopt(algorithm, weights)


def _bias(worker):
    return worker.policy._heads[1]
