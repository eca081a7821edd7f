"""A workshop on a real cluster: participants train through the gate and see nobody else's runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from typing import Any

import pytest

from storage import NotFoundError, Run, StorageError
from storage.s3 import S3Store
from storage.s3_settings import S3Settings

from .release import Release

pytestmark = pytest.mark.slow

REWARD = "def reward_function(params):\n    return 1.0 if params['all_wheels_on_track'] else 1e-3\n"
JOB = """
workers: 1
checkpoint_every_s: 1
cars_per_worker: 4
ppo: {fragment_steps: 32}
evaluate: {starts: 1}
"""
RUN = "monday"
GATE_PORT = 8266
TIMEOUT_S = 120.0


def hairpin(release: Release, password: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command on a participant's machine."""
    address = f"http://127.0.0.1:{release.forward('gate', GATE_PORT)}"
    own = {"HAIRPIN_ADDRESS": address, "RAY_AUTH_TOKEN": password, "RAY_AUTH_MODE": "token"}
    return subprocess.run(
        [sys.executable, "-m", "hairpin", *arguments],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )


def seen(release: Release, password: str) -> dict[str, dict[str, Any]]:
    """The jobs that a participant sees, by their runs."""
    listed = hairpin(release, password, "jobs", "--json")
    assert listed.returncode == 0, listed.stderr
    return {job["run"]: job for job in json.loads(listed.stdout)}


def store_of(release: Release, tenant: str, place: str) -> S3Store:
    """A place in MinIO, as `tenant` reaches it."""
    password = release.secret(f"{release.name}-participants")[tenant]
    endpoint = release.store_env["HAIRPIN_S3_ENDPOINT"]
    settings = S3Settings.find(endpoint, keys=(f"tenant-{tenant}", password))
    return S3Store(f"s3://hairpin{place}", settings)


@pytest.fixture(scope="module")
def passwords(installed: Release) -> dict[str, str]:
    """Passwords by participant, as the chart made them."""
    found = installed.secret(f"{installed.name}-participants")
    assert set(found) == {"anna", "bert"}
    return found


@pytest.fixture(scope="module")
def car(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A participant's folder."""
    folder = tmp_path_factory.mktemp("car")
    (folder / "reward_function.py").write_text(REWARD)
    (folder / "job.yaml").write_text(JOB)
    return str(folder)


@pytest.fixture(scope="module")
def trained(installed: Release, passwords: dict[str, str], car: str) -> None:
    """A training of anna's has begun."""
    sent = hairpin(installed, passwords["anna"], "submit", car, "--run", RUN, "--detach")
    assert sent.returncode == 0, sent.stdout + sent.stderr
    assert f"hairpin stop {RUN}" in sent.stdout


def test_who_has_no_participants_password_is_not_let_in(installed: Release, car: str) -> None:
    for password in ("not-a-password", installed.token):  # Ray's is none of a participant's
        refused = hairpin(installed, password, "submit", car)
        assert refused.returncode == 2 and "does not know this token" in refused.stderr


def test_who_keeps_too_much_is_told_when_submitting(
    installed: Release, passwords: dict[str, str], car: str
) -> None:
    store_of(installed, "bert", "/tenants/bert").put("old/checkpoint", bytes(1_200_000))
    refused = hairpin(installed, passwords["bert"], "submit", car)
    assert refused.returncode == 2 and refused.stderr.startswith("error: "), refused.stderr
    assert "bert keeps 1.2 of 1.0 MB" in refused.stderr and refused.stderr.count("\n") == 1
    assert "hairpin storage rm RUN" in refused.stderr
    assert seen(installed, passwords["bert"]) == {}


def test_nobody_else_sees_a_participants_run(
    installed: Release, passwords: dict[str, str], trained: None
) -> None:
    assert seen(installed, passwords["bert"]) == {}
    assert hairpin(installed, passwords["bert"], "logs", RUN).returncode == 102
    for place in ("", "/tenants", "/tenants/anna", "/workshop"):
        with pytest.raises(StorageError, match="denied"):
            store_of(installed, "bert", place).entries()
    theirs = store_of(installed, "bert", "/tenants/anna")
    with pytest.raises(StorageError, match="denied"):
        theirs.get(f"{RUN}/job.json")
    with pytest.raises(StorageError, match="denied"):
        theirs.put(f"{RUN}/job.json", b"{}")


def test_a_participants_training_is_kept_in_their_folder(
    installed: Release, passwords: dict[str, str], trained: None
) -> None:
    run = Run(store_of(installed, "anna", "/tenants/anna"), RUN)
    deadline = time.monotonic() + TIMEOUT_S
    while not run.checkpoints.names():
        said = hairpin(installed, passwords["anna"], "logs", RUN).stdout
        assert time.monotonic() < deadline, said
        time.sleep(0.3)
    job = seen(installed, passwords["anna"])[RUN]
    assert (job["tenant"], job["job"], job["state"]) == ("anna", RUN, "running")
    assert job["allowed_minutes"] == 60.0
    running = 'hairpin_workshop_jobs_running{tenant="anna"} == 1'
    while not installed.prometheus(running):
        assert time.monotonic() < deadline, "Prometheus does not know of it"
        time.sleep(0.3)
    with pytest.raises(NotFoundError):  # it is nowhere else
        Run.open(store_of_the_teacher(installed), RUN)

    stopped = hairpin(installed, passwords["anna"], "stop", RUN, "--now")
    assert stopped.returncode == 0, stopped.stdout + stopped.stderr
    assert seen(installed, passwords["anna"])[RUN]["state"] == "cancelled"


def store_of_the_teacher(release: Release) -> S3Store:
    """The store's top, with the driver's key."""
    env = release.store_env
    keys = (env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"])
    return S3Store("s3://hairpin", S3Settings.find(env["HAIRPIN_S3_ENDPOINT"], keys=keys))
