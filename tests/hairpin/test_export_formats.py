"""Policies as ONNX, torch and TensorFlow: they compute the same, in the programs of others."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest

from hairpin.deepracer.frozen_graph import PolicyGraph, check_policy_graph
from hairpin.deepracer.graph_names import FRONT_CAMERA, POLICY
from hairpin.deepracer.graph_writer import frozen_graph
from hairpin.deepracer.protobuf import field
from hairpin.export.layers import Layers
from hairpin.export.onnx_file import IR_VERSION, OPSET, onnx_model
from hairpin.export.torch_file import torch_program
from rollout_workers.network import NETWORKS, Conv, NetworkSpec
from rollout_workers.policy import Policy, log_softmax
from sim.actions import Actions, make_actions
from sim.errors import UserError
from tests.hairpin.policies import SETTINGS, images_of, policy_of, weights_of

ODD = NetworkSpec("odd", 19, 23, 2, (Conv(5, 4, 3), Conv(6, 2, 2)), 11)
FLAT = NetworkSpec("flat", 6, 7, 1, (), 9)
CLASSIC = [name for name, network in NETWORKS.items() if network.height == 120]
SPECS = [*NETWORKS.values(), ODD, FLAT]


def expected_of(policy: Policy, actions: Actions, images: np.ndarray) -> tuple[Any, Any]:
    """The policy's own output and the commands."""
    outputs, _ = policy.forward(policy.crop(images))
    commands = actions.decode(policy.greedy(outputs))
    return (np.exp(log_softmax(outputs)) if policy.is_discrete else outputs), commands


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("network", SPECS, ids=lambda network: network.name)
def test_onnx_says_what_the_policy_says(network: NetworkSpec, kind: str) -> None:
    actions = make_actions(SETTINGS[kind])
    weights = weights_of(network, actions)
    data = onnx_model(Layers.of(network, weights), actions, {"some": "facts"})
    model = onnx.load_from_string(data)
    assert (model.ir_version, model.opset_import[0].version) == (IR_VERSION, OPSET) == (8, 17)
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["hairpin"]) == {"some": "facts"}
    names = ["command", "probabilities" if kind == "discrete" else "mean"]
    assert [one.name for one in session.get_outputs()] == names
    policy = policy_of(network, actions, weights)
    for count in (7, 1):
        images = images_of(network, count)
        command, own = session.run(names, {"image": images})
        expected, commands = expected_of(policy, actions, images)
        np.testing.assert_allclose(own, expected, atol=2e-5)
        np.testing.assert_allclose(command, commands, atol=1e-3)


@pytest.mark.parametrize("kind", SETTINGS)
def test_torch_needs_nothing_of_ours(kind: str, tmp_path: Path) -> None:
    network, actions = NETWORKS["fast"], make_actions(SETTINGS[kind])
    weights = weights_of(network, actions)
    data = torch_program(Layers.of(network, weights), actions, {"some": "facts"})
    images = images_of(network)
    (tmp_path / "car.pt2").write_bytes(data)
    np.save(tmp_path / "images.npy", images)
    code = """
import json, sys, numpy, torch
extra = {"hairpin.json": ""}
module = torch.export.load("car.pt2", extra_files=extra).module()
assert json.loads(extra["hairpin.json"]) == {"some": "facts"}
outputs = module(torch.from_numpy(numpy.load("images.npy")))
numpy.savez("out.npz", **{name: value.detach().numpy() for name, value in outputs.items()})
assert not {"hairpin", "sim", "learner", "ray"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)
    found = np.load(tmp_path / "out.npz")
    policy = policy_of(network, actions, weights)
    expected, commands = expected_of(policy, actions, images)
    own = "probabilities" if kind == "discrete" else "mean"
    np.testing.assert_allclose(found[own], expected, atol=2e-5)
    np.testing.assert_allclose(found["command"], commands, atol=1e-3)


# TensorFlow and torch do not share a process here. This one runs the graph, and what people look
# at their models with.
TENSORFLOW = """
import os, sys
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy as np
from deepracer.model.visualization import load_session, visualize_gradcam_discrete_ppo

images = np.load("images.npy")
kind = sys.argv[1]
session, x, y = load_session(f"{kind}.pb", log_device_placement=False)
assert x.shape.as_list() == [None, 120, 160, 1] and x.dtype.name == "float32"
np.save("out.npy", session.run(y, {x: images[..., None].astype(np.float32)}))
if kind == "discrete":
    rgb = np.repeat(images[0][..., None], 3, axis=2)
    heat = [
        visualize_gradcam_discrete_ppo(session, rgb, category_index=action, num_of_actions=10)
        for action in (0, 9)
    ]
    np.save("heat.npy", np.stack(heat))
assert "torch" not in sys.modules
"""


@pytest.mark.parametrize(
    ("preset", "kind"),
    [*((name, "discrete") for name in CLASSIC), ("deepracer", "continuous")],
)
def test_tensorflow_and_grad_cam_read_the_graph(preset: str, kind: str, tmp_path: Path) -> None:
    network, actions = NETWORKS[preset], make_actions(SETTINGS[kind])
    images = images_of(network)
    np.save(tmp_path / "images.npy", images)
    weights = weights_of(network, actions)
    data = frozen_graph(Layers.of(network, weights))
    assert check_policy_graph(data, "it") == PolicyGraph(FRONT_CAMERA, 120, 160)
    (tmp_path / f"{kind}.pb").write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", TENSORFLOW, kind], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    expected, _ = expected_of(policy_of(network, actions, weights), actions, images)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=2e-5)
    if kind == "discrete":
        heat = np.load(tmp_path / "heat.npy")
        assert heat.shape == (2, 120, 160, 3) and heat.std() > 1.0
        assert (heat[0] != heat[1]).any(), "each action looks at something else"


@pytest.fixture(scope="module")
def graph() -> bytes:
    small = NetworkSpec("small", 19, 23, 0, (Conv(5, 4, 3), Conv(6, 2, 2)), 11)
    actions = make_actions(SETTINGS["discrete"])
    return frozen_graph(Layers.of(small, weights_of(small, actions)))


def test_graphs_that_are_no_policies_are_refused(graph: bytes) -> None:
    def node(name: str, operation: str, *inputs: str) -> bytes:
        parts = [field(1, name), field(2, operation), *(field(3, one) for one in inputs)]
        return field(1, b"".join(parts))

    bad = {
        "empty": b"",
        "not a TensorFlow graph": b"version https://git-lfs.github.com/spec/v1\n",
        "truncated": graph[: len(graph) // 2],
        "'ReadFile', which no policy needs": graph + node("more", "ReadFile"),
        "takes from 'nowhere'": graph + node("more", "Relu", "nowhere"),
        "no output": graph.replace(POLICY.encode(), POLICY.replace("policy", "polity").encode()),
        "no input": graph.replace(b"network_0", b"network_7"),
        "a policy's graph has not": graph + field(2, field(1, b"function")),
    }
    for said, data in bad.items():
        with pytest.raises(UserError) as raised:
            check_policy_graph(data, "model.pb")
        assert said in str(raised.value)
        assert str(raised.value).startswith("model.pb: ") and "\n" not in str(raised.value)


def test_no_cut_and_no_changed_byte_of_a_graph_makes_a_fault(graph: bytes) -> None:
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(2000):
        data = bytearray(graph[: random.integers(0, len(graph))])
        for place in random.integers(0, max(1, min(len(data), 1500)), 3):
            if data:
                data[place] = random.integers(0, 256)
        try:
            check_policy_graph(bytes(data), "it")
        except UserError:
            refused += 1
    assert refused > 1900
