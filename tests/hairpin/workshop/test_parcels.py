"""What a participant may send, and what is made of it: no way to run anything but a training."""

from __future__ import annotations

import io
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hairpin.workshop.allowance import Allowance
from hairpin.workshop.parcels import (
    MAX_FILES,
    MAX_UNPACKED_BYTES,
    check_options,
    check_package,
    check_request,
    is_training,
)
from sim.errors import UserError
from storage.local import LocalStore


def packed(*names: str, size: int = 3) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as file:
        for name in names:
            file.writestr(name, b"0" * size)
    return data.getvalue()


def test_a_job_with_its_reward_function_and_route_is_taken() -> None:
    check_package(
        packed("job.yaml", "model/reward_function.py", "sent/reward2.py", "sent/yard.npy", "a.md")
    )


@pytest.mark.parametrize(
    "name",
    [
        "numpy.py",  # Python would import it instead of its own
        "sitecustomize.py",
        "hairpin/__init__.py",
        "torch.so",
        "reward.pyc",
        "x.pth",
        "run.sh",
        "../reward.py",
        "/etc/reward.py",
        "a\\..\\reward.py",
    ],
)
def test_what_could_run_beside_the_training_is_refused(name: str) -> None:
    with pytest.raises(UserError):
        check_package(packed("job.yaml", name))


def test_what_is_too_large_or_no_folder_is_refused() -> None:
    for data, said in (
        (packed("big.npy", size=MAX_UNPACKED_BYTES + 1), "has 1 files"),
        (packed(*(f"{n}.npy" for n in range(MAX_FILES + 1))), f"has {MAX_FILES + 1} files"),
        (b"PK\x03\x04 no zip", "cannot be read as a ZIP file"),
    ):
        with pytest.raises(UserError, match=said):
            check_package(data)


def request(**changes: Any) -> dict[str, Any]:
    return {
        "entrypoint": "hairpin train . --run monday",
        "submission_id": "monday",
        "runtime_env": {"working_dir": "gcs://_ray_pkg_0123456789abcdef.zip"},
        "metadata": {"hairpin_run": "monday"},
        "entrypoint_num_cpus": 64,
        **changes,
    }


def test_a_request_becomes_the_participants() -> None:
    made = check_request(request(), "anna")
    assert made["submission_id"] == "anna.monday"
    assert made["metadata"] == {"hairpin_run": "monday", "hairpin_tenant": "anna"}
    assert made["entrypoint"] == "hairpin train . --run monday"
    assert set(made) == {"entrypoint", "submission_id", "runtime_env", "metadata"}
    assert made["runtime_env"]["working_dir"] == "gcs://_ray_pkg_0123456789abcdef.zip"


@pytest.mark.parametrize(
    "changes",
    [
        {"entrypoint": "cat /proc/self/environ"},
        {"entrypoint": "hairpin bench sim"},
        {"entrypoint": "python -c 'import os' hairpin train"},
        {"entrypoint": "hairpin train 'unclosed"},
        {"metadata": {"hairpin_tenant": "bert"}},
        {"submission_id": "bert/monday"},
        {"submission_id": "-x"},
        {"runtime_env": {"pip": ["something"]}},
        {"runtime_env": {"py_executable": "bash"}},
        {"runtime_env": {"working_dir": "https://example.org/x.zip"}},
        {"runtime_env": {"working_dir": "/etc"}},
    ],
)
def test_what_is_not_a_training_of_their_own_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(UserError):
        check_request(request(**changes), "anna")


@pytest.mark.parametrize("trick", ["; id", "&& id", "| sh", "$(id)", "`id`", "> /tmp/x", "\nid"])
def test_a_shell_sees_only_words_of_hairpin_train(trick: str) -> None:
    made = check_request(request(entrypoint=f"hairpin train . {trick}"), "anna")["entrypoint"]
    shell = subprocess.run(
        ["sh", "-c", f'hairpin() {{ echo "ran $1 $2"; }}\n{made}'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert shell.stdout == "ran train .\n"


def test_a_job_without_a_name_is_given_one() -> None:
    names = {check_request(request(submission_id=None), "anna")["submission_id"] for _ in range(9)}
    assert len(names) == 9 and all(name.startswith("anna.job-") for name in names)


def test_a_job_cannot_be_put_under_anothers_name() -> None:
    assert check_request(request(submission_id="bert.x"), "anna")["submission_id"] == "anna.bert.x"
    assert check_request(request(submission_id="anna.x"), "anna")["submission_id"] == "anna.x"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--workers 3", "--workers: 3 workers are asked for and anna may have 2"),
        ("--storage=s3://races", "--storage: is given by the workshop"),
        ("--address local", "--address: is given by the workshop"),
        ("--metrics-port 1", "--metrics-port: is given by the workshop"),
        ("--video rtsp://elsewhere", "--video: is given by the workshop"),
        ("--wrokers 2", "hairpin train: No such option"),
        ("--help", "nothing is trained with --help"),
    ],
)
def test_options_that_a_training_may_not_have_are_said_at_once(
    words: str, said: str, tmp_path: Path
) -> None:
    rules = {"workers": 8, "limits": {"workers": 2}, "participants": {"anna": {}}}
    (tmp_path / "rules.json").write_text(json.dumps(rules))
    allowance = Allowance("anna", tmp_path, LocalStore(str(tmp_path / "runs")))
    check_options("hairpin train . --workers 2 --video file --run monday", allowance)
    with pytest.raises(UserError, match=said):
        check_options(f"hairpin train . {words}", allowance)


def test_only_their_own_trainings_are_ended_at_once() -> None:
    ends = "python -m hairpin.jobs.end_now"
    for job in ("monday", "anna.monday"):
        made = check_request(request(entrypoint=f"{ends} {job}"), "anna")["entrypoint"]
        assert made == f"{ends} anna.monday" and not is_training(made)
    assert check_request(request(entrypoint=f"{ends} bert.x"), "anna")["entrypoint"].endswith(
        " anna.bert.x"
    )
    for wrong in (ends, f"{ends} a b", f"{ends} '; id'"):
        with pytest.raises(UserError):
            check_request(request(entrypoint=wrong), "anna")
