"""The chart's scripts, against real servers."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from minio import Minio as Client
from minio.error import S3Error

from servers.mediamtx import Mediamtx
from servers.minio import Minio

SCRIPTS = Path(__file__).resolve().parents[2] / "helm" / "hairpin" / "files" / "scripts"
DRIVER = {"AWS_ACCESS_KEY_ID": "hairpin-driver", "AWS_SECRET_ACCESS_KEY": "a-secret-of-its-own"}


def run(script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPTS / script), *arguments]
    return subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


def root(minio: Minio) -> dict[str, str]:
    return {
        "HAIRPIN_S3_ENDPOINT": minio.endpoint,
        "MINIO_ROOT_USER": minio.access_key,
        "MINIO_ROOT_PASSWORD": minio.secret_key,
    }


@pytest.fixture(scope="module")
def store(new_minio: Callable[[], Minio]) -> Minio:
    minio = new_minio()
    made = run("make_store.py", HAIRPIN_STORAGE="s3://races/team", **root(minio), **DRIVER)
    assert made.returncode == 0, made.stderr
    return minio


def driver(minio: Minio) -> Client:
    host = minio.endpoint.partition("://")[2]
    return Client(host, *DRIVER.values(), secure=False)


def put(client: Client, bucket: str, name: str) -> None:
    client.put_object(bucket, name, io.BytesIO(b"ok"), 2)


def test_driver_has_its_prefix_and_nothing_else(store: Minio) -> None:
    client = driver(store)
    put(client, "races", "team/run/checkpoint")
    listed = client.list_objects("races", prefix="team/", recursive=True)
    assert [item.object_name for item in listed] == ["team/run/checkpoint"]
    client.remove_object("races", "team/run/checkpoint")
    assert [bucket.name for bucket in client.list_buckets()] == ["races"]
    for action in (
        lambda: put(client, "races", "others/run"),
        lambda: put(client, "hairpin", "team/run"),
        lambda: list(client.list_objects("races", prefix="others/")),
        lambda: client.make_bucket("more"),
    ):
        with pytest.raises(S3Error, match="AccessDenied"):
            action()


def test_making_the_store_again_changes_nothing_but_the_key(store: Minio) -> None:
    put(driver(store), "races", "team/kept")
    again = {**DRIVER, "AWS_SECRET_ACCESS_KEY": "another-secret"}
    made = run("make_store.py", HAIRPIN_STORAGE="s3://races/team", **root(store), **again)
    assert made.returncode == 0, made.stderr
    with pytest.raises(S3Error, match="SignatureDoesNotMatch"):
        driver(store).stat_object("races", "team/kept")
    back = run("make_store.py", HAIRPIN_STORAGE="s3://races/team", **root(store), **DRIVER)
    assert back.returncode == 0, back.stderr
    assert driver(store).stat_object("races", "team/kept").size == 2


def participant(minio: Minio, name: str, password: str) -> Client:
    host = minio.endpoint.partition("://")[2]
    return Client(host, f"tenant-{name}", password, secure=False)


def test_participants_have_a_folder_each_and_do_not_see_the_others(
    store: Minio, tmp_path: Path
) -> None:
    def make() -> str:
        arguments = ("--participants", str(tmp_path))
        made = run(
            "make_store.py", *arguments, HAIRPIN_STORAGE="s3://races/team", **root(store), **DRIVER
        )
        assert made.returncode == 0, made.stderr
        assert "-of-anna" not in made.stdout + made.stderr
        return made.stdout

    (tmp_path / "anna").write_text("password-of-anna\n")
    (tmp_path / "ann").write_text("password-of-ann")  # whose name begins as the other's
    make()
    anna, ann = (
        participant(store, "anna", "password-of-anna"),
        participant(store, "ann", "password-of-ann"),
    )
    put(anna, "races", "team/tenants/anna/run/job.json")
    put(ann, "races", "team/tenants/ann/run/job.json")
    put(driver(store), "races", "team/run/job.json")
    for client, own in ((anna, "team/tenants/anna/"), (ann, "team/tenants/ann/")):
        listed = client.list_objects("races", prefix=own, recursive=True)
        assert [item.object_name for item in listed] == [f"{own}run/job.json"]
        others = {"team/tenants/anna/", "team/tenants/ann/", "team/", "team/tenants/", ""} - {own}
        for place in sorted(others):
            with pytest.raises(S3Error, match="AccessDenied"):
                list(client.list_objects("races", prefix=place, recursive=True))
            with pytest.raises(S3Error, match="AccessDenied"):
                client.get_object("races", f"{place}run/job.json")
            with pytest.raises(S3Error, match="AccessDenied"):
                put(client, "races", f"{place}run/job.json")
            with pytest.raises(S3Error, match="AccessDenied"):
                client.remove_object("races", f"{place}run/job.json")

    (tmp_path / "ann").unlink()
    assert "user tenant-ann is no more" in make()
    with pytest.raises(S3Error, match="InvalidAccessKeyId"):
        list(ann.list_objects("races", prefix="team/tenants/ann/"))
    found = driver(store).stat_object("races", "team/tenants/ann/run/job.json")
    assert found.size == 2
    put(anna, "races", "team/tenants/anna/run/more")


def test_store_that_does_not_answer_is_named_without_its_password() -> None:
    environment = {
        "HAIRPIN_S3_ENDPOINT": "http://127.0.0.1:9",
        "MINIO_ROOT_USER": "root",
        "MINIO_ROOT_PASSWORD": "the-password",
    }
    made = run("make_store.py", HAIRPIN_STORAGE="s3://races", **environment, **DRIVER)
    assert made.returncode == 1
    assert "MinIO at http://127.0.0.1:9 does not answer" in made.stderr
    assert "the-password" not in made.stderr + made.stdout


def check(*names: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return run("check.py", *names, **environment)


def test_store_that_works_passes(store: Minio) -> None:
    found = check(
        "store", HAIRPIN_S3_ENDPOINT=store.endpoint, HAIRPIN_STORAGE="s3://races/team", **DRIVER
    )
    assert (found.returncode, found.stdout) == (0, "store: s3://races/team can be written\n")


@pytest.mark.parametrize(
    ("storage", "secret", "said"),
    [
        ("s3://races/others", DRIVER["AWS_SECRET_ACCESS_KEY"], "AccessDenied"),
        ("s3://races/team", "not-the-secret", "SignatureDoesNotMatch"),
        ("s3://nowhere", DRIVER["AWS_SECRET_ACCESS_KEY"], "AccessDenied"),
    ],
)
def test_store_that_refuses_is_said_with_what_to_look_at(
    store: Minio, storage: str, secret: str, said: str
) -> None:
    environment = {**DRIVER, "AWS_SECRET_ACCESS_KEY": secret}
    found = check(
        "store", HAIRPIN_S3_ENDPOINT=store.endpoint, HAIRPIN_STORAGE=storage, **environment
    )
    assert found.returncode == 1
    assert said in found.stderr and "s3.existingSecret" in found.stderr
    assert secret not in found.stderr


def test_video_server_lets_the_publisher_in_and_nobody_else(mediamtx: Mediamtx) -> None:
    right = {"HAIRPIN_VIDEO": mediamtx.url, "HAIRPIN_RTSP_USER": mediamtx.user}
    assert check("video", **right, HAIRPIN_RTSP_PASSWORD=mediamtx.password).returncode == 0
    wrong = check("video", **right, HAIRPIN_RTSP_PASSWORD="wrong-password")
    assert wrong.returncode == 1
    assert "video.existingSecret" in wrong.stderr and "wrong-password" not in wrong.stderr


def test_servers_that_do_not_answer_are_said(mediamtx: Mediamtx) -> None:
    found = check(
        "video",
        "ray",
        HAIRPIN_VIDEO="rtsp://127.0.0.1:9",
        HAIRPIN_RTSP_USER="publisher",
        HAIRPIN_RTSP_PASSWORD="a-password",
        HAIRPIN_RAY_URL="http://127.0.0.1:9",
        HAIRPIN_RAY_TOKEN="a-token",
    )
    assert found.returncode == 1
    assert "the RTSP server does not answer at 127.0.0.1" in found.stderr
    assert "the head does not answer at http://127.0.0.1:9" in found.stderr
    assert "a-token" not in found.stderr and "a-password" not in found.stderr


TRAINING = """
import signal, sys, time
def save(*_):
    time.sleep(0.3)
    open(sys.argv[2], "w").write("saved")
    sys.exit(0)
signal.signal(signal.SIGUSR1, save)
print("up", flush=True)
time.sleep(60)
"""
CONTAINER = """
import subprocess, sys
drain, training, saved = sys.argv[1:]
command = [sys.executable, training, "train", saved]
trains = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", "train"])
assert trains.stdout.readline() == "up\\n"
subprocess.run([sys.executable, drain, "--seconds", "30"], check=True)
assert open(saved).read() == "saved"
assert trains.wait(10) == 0
assert other.poll() is None
other.kill()
"""


STARTING = """
import signal, subprocess, sys, time
subprocess.Popen([sys.executable, sys.argv[2], "--seconds", "0"])
time.sleep(1)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
time.sleep(60)
sys.exit("it was not asked to end")
"""


def run_as_a_container(program: Path, *arguments: str) -> None:
    """Runs it as the first process among those that it sees, which are not those of others."""
    alone = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--mount-proc"]
    command = [*alone, sys.executable, str(program), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_drain_lets_a_training_save_before_it_returns(tmp_path: Path) -> None:
    program, container = tmp_path / "hairpin", tmp_path / "container.py"
    program.write_text(TRAINING, encoding="utf-8")
    container.write_text(CONTAINER, encoding="utf-8")
    saved = str(tmp_path / "saved")
    run_as_a_container(container, str(SCRIPTS / "drain.py"), str(program), saved)


def test_drain_ends_a_ray_that_is_still_starting(tmp_path: Path) -> None:
    program = tmp_path / "ray"
    program.write_text(STARTING, encoding="utf-8")
    run_as_a_container(program, "start", str(SCRIPTS / "drain.py"))
