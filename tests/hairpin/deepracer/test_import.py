"""hairpin import: folders and archives of all shapes, and what an archive must not do."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from deepracer.logs.handler import FSFileHandler

from hairpin.cli import run
from hairpin.deepracer import archive
from hairpin.deepracer.importing import import_model, write_import
from hairpin.deepracer.worlds import NAMES, find_route, route_name
from hairpin.job_source import load_job
from sim.errors import UserError
from sim.track import Track

REWARD = "def reward_function(params):\n    return 1.0\n"
METADATA = {
    "action_space": [{"steering_angle": -20, "speed": 0.8}, {"steering_angle": 20, "speed": 1}],
    "sensor": ["FRONT_FACING_CAMERA"],
    "neural_network": "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW",
    "version": "5",
}
HYPERPARAMETERS = {"batch_size": 128, "num_epochs": 7, "stack_size": 1}
TRACE = "training-simtrace/0-iteration.csv"
SHAPES = {  # kind: what deepracer-utils calls it, and the files that make it one
    "console model with logs": (
        "CONSOLE_MODEL_WITH_LOGS",
        [f"sim-trace/training/{TRACE}", "logs/training/training-20250101-x-robomaker.log"],
    ),
    "deepracer-on-aws model with logs": (
        "DROA_SOLUTION_LOGS",
        [f"sim-trace/training/2026-03-01T10:00:00/{TRACE}", "logs/training/x-simulation.log"],
    ),
    "deepracer-for-cloud model of one worker": (
        "DRFC_MODEL_SINGLE_WORKERS",
        [TRACE, "metrics/TrainingMetrics.json"],
    ),
    "deepracer-for-cloud model of several workers": (
        "DRFC_MODEL_MULTIPLE_WORKERS",
        [f"0/{TRACE}", f"1/{TRACE}"],
    ),
    "deepracer-for-cloud upload": ("DRFC_MODEL_UPLOAD", ["model/model_7.pb"]),
}


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def make_model(tmp_path: Path) -> Callable[..., Path]:
    """Makes a model's folder of one of `SHAPES`."""

    def make(kind: str = "deepracer-for-cloud model of one worker", name: str = "model_x") -> Path:
        folder = tmp_path / name
        write(folder / "reward_function.py", REWARD)
        write(folder / "model" / "model_metadata.json", json.dumps(METADATA))
        write(folder / "ip" / "hyperparameters.json", json.dumps(HYPERPARAMETERS))
        for other in (*SHAPES[kind][1], "model/7_Step-300.ckpt.index", "model/.coach_checkpoint"):
            write(folder / other, "")
        return folder

    return make


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("packed", [False, True])
def test_all_shapes_become_jobs(make_model: Callable[..., Path], kind: str, packed: bool) -> None:
    folder = make_model(kind)
    handler = FSFileHandler(str(folder))
    assert handler.determine_root_folder_type().name == SHAPES[kind][0]
    source = pack(folder) if packed else folder
    result = import_model(source, None)
    assert result.kind == kind
    target = folder.parent / "job"
    write_import(result, target)
    assert (target / "reward_function.py").read_text() == REWARD
    assert json.loads((target / "model_metadata.json").read_text()) == METADATA
    assert json.loads((target / "hyperparameters.json").read_text()) == HYPERPARAMETERS
    job = load_job(str(target)).job
    assert job.ppo.minibatch_size == 128
    assert job.actions.pairs == [(-20.0, 0.8), (20.0, 1.0)]
    (checkpoints,) = [row for row in result.rows if row.what == "TensorFlow checkpoints: 2"]
    assert checkpoints.outcome == "dropped"
    assert "cannot be converted" in checkpoints.detail


def pack(folder: Path, name: str = "model.tar.gz") -> Path:
    path = folder.parent / name
    with tarfile.open(path, "w:gz") as tar:
        tar.add(folder, arcname=folder.name)
    return path


def test_a_physical_cars_model_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "car"
    (folder / "agent").mkdir(parents=True)
    (folder / "agent" / "model.pb").write_bytes(b"")
    (folder / "model_metadata.json").write_text(json.dumps(METADATA))
    assert run(["import", str(pack(folder)), "-o", str(tmp_path / "job")]) == 0
    said = capsys.readouterr().out
    assert "a model of a physical car" in said
    assert "our centre_line is paid until you put yours there" in said
    assert "our usual numbers are used" in said


def test_the_track_of_the_model_is_found_or_named_as_missing(
    make_model: Callable[..., Path], tmp_path: Path
) -> None:
    folder = make_model()
    params = {"WORLD_NAME": "My_Oval_wood", "REVERSE_DIR": True, "JOB_TYPE": "TRAINING"}
    (folder / "training_params.yaml").write_text(json.dumps(params))
    routes = tmp_path / "routes"
    routes.mkdir()
    result = import_model(folder, routes)
    assert [row.what for row in result.rows if row.outcome == "missing"] == [
        "WORLD_NAME=My_Oval_wood"
    ]
    write_import(result, tmp_path / "without")
    assert load_job(str(tmp_path / "without")).job.track == "hairpin"
    oval = Track.load("oval")
    np.save(routes / "my_oval.npy", oval.route)
    write_import(import_model(folder, routes), tmp_path / "with")
    job = load_job(str(tmp_path / "with")).job
    assert job.direction == "reversed"
    assert Track.load(job.track).length_m == pytest.approx(oval.length_m)


def test_tracks_are_found_by_what_people_call_them(tmp_path: Path) -> None:
    assert route_name("re:Invent 2018") == route_name("reinvent_base_carpet") == "reinvent_base"
    assert route_name("a to z speedway") == "reInvent2019_wide"
    for name in NAMES.values():
        (tmp_path / f"{name}.npy").write_bytes(b"")
    for world in (*NAMES, *NAMES.values()):
        assert isinstance(find_route(world, tmp_path), Path)
    for world in ("../reinvent_base", "/etc/passwd", "", ".", "a\0b"):
        assert find_route(world, tmp_path) is None


def test_the_command_says_all_of_it_for_programs_too(
    make_model: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = make_model()
    monkeypatch.chdir(folder.parent)
    assert run(["import", str(pack(folder)), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["job"] == "model-job"
    assert {row["outcome"] for row in report["rows"]} == {"kept", "dropped"}
    assert any("--preset fast" in note for note in report["notes"])
    assert run(["import", str(folder), "-o", "model-job"]) == 2
    assert "there is something in it" in capsys.readouterr().err
    assert run(["train", "model-job", "--show-job"]) == 0
    for arguments in ([], [str(folder), "--drfc", "x"], ["nothing.tar.gz"]):
        assert run(["import", *arguments]) == 2


def test_a_mistake_inside_an_archive_names_the_archive(make_model: Callable[..., Path]) -> None:
    folder = make_model()
    (folder / "ip" / "hyperparameters.json").write_text('{"lr": 3}')
    path = pack(folder)
    with pytest.raises(UserError) as caught:
        import_model(path, None)
    assert str(caught.value).startswith(f"{path}/ip/hyperparameters.json: lr: 3 is above 0.1.")


def test_a_folder_without_any_part_says_which(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no reward_function\.py, no model_metadata\.json and no"):
        import_model(tmp_path, None)


def member(name: str, kind: bytes = tarfile.REGTYPE, **more: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


def tar_of(path: Path, *members: tarfile.TarInfo, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:
        for info in members:
            tar.addfile(info, io.BytesIO(b"x" * info.size) if info.isfile() else None)
    return path


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        (member("../reward_function.py"), "has a path outside of it: '../reward_function.py'"),
        (member("a/../../b"), "has a path outside of it"),
        (member("/etc/passwd"), "has a path outside of it: '/etc/passwd'"),
        (member("..\\b"), "has a path outside of it"),
        (member("a", tarfile.SYMTYPE, linkname="/etc"), "has a link: 'a'. Pack the files"),
        (member("a", tarfile.LNKTYPE, linkname="b"), "has a link: 'a'"),
        (member("a", tarfile.CHRTYPE), "has a device or a pipe: 'a'"),
        (member("a", tarfile.BLKTYPE), "has a device or a pipe"),
        (member("a", tarfile.FIFOTYPE), "has a device or a pipe"),
        (member("reward_function.py", size=2 << 20), "is too large: 2,097,152 bytes"),
    ],
)
def test_archives_that_reach_out_are_refused(
    tmp_path: Path, info: tarfile.TarInfo, expected: str
) -> None:
    path = tar_of(tmp_path / "bad.tar.gz", member("m/model_metadata.json"), info)
    with pytest.raises(UserError) as caught:
        import_model(path, None)
    assert expected in str(caught.value)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)
    assert sorted(os.listdir(tmp_path)) == ["bad.tar.gz"]


def test_bombs_end_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 8 << 20)
    monkeypatch.setattr(archive, "MAX_MEMBERS", 100)
    big = tar_of(tmp_path / "big.tar.gz", member("video.mp4", size=16 << 20))
    many = tar_of(tmp_path / "many.tar.gz", *[member(f"f{number}") for number in range(101)])
    header = tmp_path / "header.tar"
    info = member("././@PaxHeader", tarfile.XHDTYPE, size=4 << 20)
    header.write_bytes(info.tobuf(tarfile.USTAR_FORMAT) + b"\0" * (5 << 20))
    sparse = tmp_path / "sparse.tar"
    sparse.write_bytes(member("a", tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT) + b"\0" * 1024)
    for path, expected in (
        (big, "unpacks to more than"),
        (many, "has more than 100 files"),
        (header, "a header of 4,194,304 bytes"),
        (sparse, "a sparse file"),
    ):
        with pytest.raises(UserError, match=expected):
            import_model(path, None)


def test_what_is_no_archive_is_said(make_model: Callable[..., Path], tmp_path: Path) -> None:
    whole = pack(make_model()).read_bytes()
    for content in (b"", b"hello", b"\x1f\x8b", whole[:200], whole[:-30], b"\0" * 2000):
        path = tmp_path / "bad.tar.gz"
        path.write_bytes(content)
        with pytest.raises(UserError, match=r"bad\.tar\.gz"):
            import_model(path, None)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UserError, match="is not a plain file"):
        import_model(tmp_path / "pipe", None)
