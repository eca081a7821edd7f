"""Exports of runs: checked, described, and driving as the run's policy does."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save

from hairpin.cli import run
from hairpin.export.check import TOLERANCE, compare
from hairpin.export.drive import load_model
from hairpin.export.exporter import export_run
from hairpin.job_source import load_job
from hairpin.preflight import create_run, prepare
from learner.state import WEIGHTS
from rollout_workers.network import NETWORKS
from sim.actions import make_actions
from sim.errors import UserError
from sim.trial import run_trials, start_points
from sim.world import World
from storage import Run
from tests.hairpin.policies import SETTINGS, images_of, policy_of, weights_of


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
