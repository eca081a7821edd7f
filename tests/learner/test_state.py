"""The training state as files: complete, without pickles, and exact."""

from __future__ import annotations

import json

import numpy as np
import pytest
from safetensors.numpy import load

from learner.config import build_config
from learner.state import OPTIMIZER, STATE, WEIGHTS, adopt, capture, read_weights, restore

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


def test_a_resumed_training_repeats_bit_for_bit(build) -> None:
    straight = build()
    for _ in range(3):
        straight.train()
    files = capture(straight, note=[1, 2])
    for _ in range(3):
        straight.train()
    expected = read_weights(capture(straight))

    resumed = build(seed=99)  # another seed: all that matters must come from the files
    assert restore(resumed, files) == {"note": [1, 2]}
    assert (resumed.steps, resumed.iterations) == (3 * 8 * 32, 3)
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


def test_adopting_keeps_all_weights_but_a_head_of_other_actions(build) -> None:
    algorithm = build()
    before = read_weights(capture(algorithm))
    assert adopt(algorithm, {name: values + 1.0 for name, values in before.items()}) == []
    after = read_weights(capture(algorithm))
    for name, values in before.items():
        np.testing.assert_array_equal(after[name], values + 1.0)
    other = {name: values + 2.0 for name, values in before.items()}
    other["policy.weight"] = other["policy.weight"][:3]
    other["policy.bias"] = other["policy.bias"][:3]
    assert adopt(algorithm, other) == ["policy.bias", "policy.weight"]
    now = read_weights(capture(algorithm))
    np.testing.assert_array_equal(now["hidden.weight"], other["hidden.weight"])
    np.testing.assert_array_equal(now["policy.weight"], after["policy.weight"])
    with pytest.raises(ValueError, match="another network"):
        adopt(algorithm, {**before, "hidden.weight": before["hidden.weight"][:1]})
