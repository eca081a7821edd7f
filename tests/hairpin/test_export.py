"""Exports: they compute what the policy does, run by the programs that others run them with."""

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
from safetensors.numpy import save

from hairpin.cli import run
from hairpin.deepracer.frozen_graph import PolicyGraph, check_policy_graph
from hairpin.deepracer.graph_names import FRONT_CAMERA, POLICY
from hairpin.deepracer.graph_writer import frozen_graph
from hairpin.deepracer.protobuf import field
from hairpin.export.check import TOLERANCE, compare
from hairpin.export.drive import load_model
from hairpin.export.exporter import export_run
from hairpin.export.layers import Layers
from hairpin.export.onnx_file import IR_VERSION, OPSET, onnx_model
from hairpin.export.torch_file import torch_program
from hairpin.job_source import load_job
from hairpin.preflight import create_run, prepare
from learner.state import WEIGHTS
from rollout_workers.network import NETWORKS, Conv, NetworkSpec
from rollout_workers.policy import Policy, log_softmax
from sim.actions import Actions, make_actions
from sim.errors import UserError
from sim.settings import ContinuousActionSettings, DiscreteActionSettings
from sim.trial import run_trials, start_points
from sim.world import World
from storage import Run

SETTINGS = {
    "discrete": DiscreteActionSettings(),
    "continuous": ContinuousActionSettings(type="continuous", steering_deg=(-20.0, 25.0)),
}
ODD = NetworkSpec("odd", 19, 23, 2, (Conv(5, 4, 3), Conv(6, 2, 2)), 11)
FLAT = NetworkSpec("flat", 6, 7, 1, (), 9)
CLASSIC = [name for name, network in NETWORKS.items() if network.height == 120]
SPECS = [*NETWORKS.values(), ODD, FLAT]


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


def test_a_difference_fails_the_check() -> None:
    expected = np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2]], np.float32)
    assert compare(expected, expected.copy(), is_discrete=True).passed
    tied = expected + np.array([[0.0, 0.0, 0.0], [-1e-7, 1e-7, 0.0]], np.float32)
    assert compare(expected, tied, is_discrete=True).passed
    assert compare(expected, tied, is_discrete=True).ties == 1
    for change in (np.nan, 2.0 * TOLERANCE):
        other = expected.copy()
        other[0, 2] += change
        assert not compare(expected, other, is_discrete=True).passed
        assert not compare(expected, other, is_discrete=False).passed
    other = np.array([[0.45, 0.35, 0.2], [0.39995, 0.40005, 0.2]], np.float32)
    near = np.array([[0.5, 0.3, 0.2], [0.40003, 0.39997, 0.2]], np.float32)
    result = compare(near, other, is_discrete=True)
    assert result.same_action == 1 and not result.passed


def stored_run(folder: Path, preset: str, kind: str, **broken: float) -> Run:
    options = {
        ("run",): f"{preset}-{kind}",
        ("storage",): str(folder / "runs"),
        ("track",): "oval",
        ("preset",): preset,
        ("actions",): SETTINGS[kind].model_dump(),
    }
    job = load_job(None, options).job
    made = create_run(prepare(job))
    weights = weights_of(NETWORKS[preset], make_actions(job.actions))
    for name, value in broken.items():
        weights[name.replace("_", ".")][0] = value
    made.write_checkpoint(24576, {WEIGHTS: save(weights)}, {})
    made.end_writing()
    return made


def drives_alike(path: Path, made: Run, preset: str, kind: str) -> None:
    """Drives with the file and with the policy, from the same starts: step by step the same."""
    model = load_model(path)
    settings = model.world_settings(None)
    actions = make_actions(SETTINGS[kind])
    assert (settings.track, settings.camera) == ("oval", preset)
    weights = weights_of(NETWORKS[preset], actions)
    policy = policy_of(NETWORKS[preset], actions, weights)
    world = World(settings, num_cars=4)
    seen = 0

    def both(images: np.ndarray) -> np.ndarray:
        nonlocal seen
        own, other = policy.act(images), model.act(images)
        if kind == "discrete":
            np.testing.assert_array_equal(own, other)
        else:
            np.testing.assert_allclose(own, other, atol=TOLERANCE)
        seen += len(own)
        return other

    driven = [trial.episode for trial in run_trials(world, both, start_points(4))]
    if kind == "discrete":
        alone = [trial.episode for trial in run_trials(world, policy.act, start_points(4))]
        assert driven == alone
    world.close()
    assert seen > 40


@pytest.mark.parametrize(
    ("preset", "kind", "made_as"),
    [
        ("fast", "discrete", "onnx"),
        ("fast", "continuous", "torch"),
        ("deepracer", "discrete", "onnx"),
    ],
)
def test_an_export_is_checked_described_and_drives(
    preset: str, kind: str, made_as: Any, tmp_path: Path
) -> None:
    made = stored_run(tmp_path, preset, kind)
    done = export_run(made, "latest", made_as, tmp_path)
    assert done.check.frames == done.check.same_action == 1000
    assert done.check.max_difference <= TOLERANCE
    about = json.loads(done.sidecar.read_text())
    assert done.sidecar == tmp_path / (done.path.name + ".json")
    assert about["check"] == done.check.as_dict()
    assert about["files"][done.path.name]["size"] == done.path.stat().st_size
    assert about["input"]["dtype"] == "uint8" and about["control_hz"] == 15
    assert about["action_space_type"] == kind and about["camera"]["horizontal_fov_deg"] == 64.744
    assert about["training"]["step"] == 24576 and about["training"]["run"] == made.name
    assert {path.name for path in tmp_path.iterdir()} == {"runs", done.path.name, done.sidecar.name}
    drives_alike(done.path, made, preset, kind)


TF_DRIVE = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
import numpy as np
from hairpin.export.drive import load_model
model = load_model(Path(sys.argv[2]))
np.save("actions.npy", model.act(np.load("images.npy")))
assert "torch" not in sys.modules
"""


def test_a_deepracer_archive(tmp_path: Path) -> None:
    made = stored_run(tmp_path, "deepracer", "discrete")
    done = export_run(made, "latest", "deepracer", tmp_path / "car.tar.gz")
    assert done.check.passed
    import tarfile

    with tarfile.open(done.path) as archive:
        assert archive.getnames() == ["agent/model.pb", "model_metadata.json"]
        metadata = archive.extractfile("model_metadata.json")
        assert metadata is not None
        content = json.load(metadata)
        archive.extractall(tmp_path / "model", filter="data")
    about = json.loads(done.sidecar.read_text())
    assert {key: about[key] for key in content} == content, "the sidecar is a superset"
    network, actions = NETWORKS["deepracer"], make_actions(SETTINGS["discrete"])
    images = images_of(network, 20)
    np.save(tmp_path / "images.npy", images)
    expected = policy_of(network, actions, weights_of(network, actions)).act(images)
    for path in (done.path, tmp_path / "model" / "agent" / "model.pb"):
        root = str(Path(__file__).resolve().parents[2])
        subprocess.run([sys.executable, "-c", TF_DRIVE, root, path], cwd=tmp_path, check=True)
        np.testing.assert_array_equal(np.load(tmp_path / "actions.npy"), expected)


def test_a_policy_that_cannot_be_checked_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = stored_run(tmp_path, "fast", "discrete", policy_bias=float("nan"))
    target = tmp_path / "car.onnx"
    arguments = ["export", f"{made.name}@latest", "--storage", made.store.url, "-o", str(target)]
    assert run(arguments) == 1
    assert "same action on" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_what_cannot_be_exported_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = stored_run(tmp_path, "fast", "discrete")
    start = ["export", f"{made.name}@latest", "--storage", made.store.url]
    assert run([*start, "--format", "deepracer"]) == 2
    assert "--preset deepracer" in capsys.readouterr().err
    assert run([*start, "-o", str(tmp_path / "car.pb")]) == 2
    assert ".onnx" in capsys.readouterr().err
    assert run([*start, "-o", str(tmp_path / "no" / "car.onnx")]) == 2
    assert "no such folder" in capsys.readouterr().err


def test_files_that_cannot_drive_are_refused(tmp_path: Path) -> None:
    (tmp_path / "foreign.onnx").write_bytes(b"nothing")
    (tmp_path / "torn.tar.gz").write_bytes(b"\\x1f\\x8b nothing")
    (tmp_path / "alone.pb").write_bytes(b"nothing")
    (tmp_path / "none.pt2").write_bytes(b"nothing")
    (tmp_path / "model.h5").write_bytes(b"nothing")
    for path in [*sorted(tmp_path.iterdir()), tmp_path / "absent.onnx"]:
        with pytest.raises(UserError) as raised:
            load_model(path)
        assert str(raised.value).startswith(str(path)) and "\n" not in str(raised.value)


def test_the_command_says_what_it_did(tmp_path: Path) -> None:
    made = stored_run(tmp_path, "fast", "discrete")
    arguments = ["export", f"{made.name}@latest", "--storage", made.store.url]
    arguments += ["-o", str(tmp_path), "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "hairpin", *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert Path(said["file"]).is_file() and said["check"]["same_action"] == 1000
    assert "checkpoint" in done.stderr


def test_a_file_is_evaluated_as_its_run_is(tmp_path: Path) -> None:
    made = stored_run(tmp_path, "fast", "discrete")
    target = tmp_path / "car.onnx"
    export_run(made, "latest", "onnx", target)

    def said(*arguments: str) -> Any:
        command = [sys.executable, "-m", "hairpin", "evaluate", *arguments, "--starts", "3"]
        done = subprocess.run([*command, "--json"], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    by_run = said(f"{made.name}@latest", "--storage", made.store.url)
    by_file = said("--model", str(target))
    returns = [trial.pop("return") for one in (by_run, by_file) for trial in one["trials"]]
    assert len(returns) == 6
    assert by_file == {**by_run, "run": "car.onnx"}


def test_an_evaluation_has_one_driver(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["evaluate"], ["evaluate", "some-run", "--model", "car.onnx"]):
        assert run(arguments) == 2
        assert "one driver" in capsys.readouterr().err
    assert run(["evaluate", "--model", "car.onnx", "--laps", "2"]) == 2
    assert "does not race" in capsys.readouterr().err
