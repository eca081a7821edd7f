"""Store, video and metrics that cannot be used: one clear line at the start, exit 2, soon."""

from __future__ import annotations

import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from minio.credentials import StaticProvider
from minio.minioadmin import MinioAdmin

from servers.mediamtx import Mediamtx
from servers.minio import BUCKET, Minio
from servers.server import free_port

SOON_S = 10.0


def refused(tmp_path: Path, env: dict[str, str], *arguments: str) -> str:
    """The one line that `hairpin train` says when it refuses to begin.

    Python's own start is measured first and taken off: a busy machine is not what is tested.
    """
    began = time.monotonic()
    command = [sys.executable, "-m", "hairpin", "train"]
    env = {**os.environ, **env, "HAIRPIN_SPOOL": str(tmp_path / "spool")}
    subprocess.run([*command, "--show-job"], env=env, check=True, capture_output=True, cwd=tmp_path)
    start_s = time.monotonic() - began
    began = time.monotonic()
    done = subprocess.run(
        [*command, "--minutes", "1", *arguments],
        env=env,
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120.0,
    )
    took_s = time.monotonic() - began
    assert done.returncode == 2, done.stderr
    lines = [line for line in done.stderr.splitlines() if line]
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("error: ")
    assert done.stdout == ""
    for secret in ("AWS_SECRET_ACCESS_KEY", "HAIRPIN_RTSP_PASSWORD"):
        assert not env.get(secret) or env[secret] not in lines[0]
    assert not list(tmp_path.glob("runs*"))
    assert took_s - start_s < SOON_S
    return lines[0]


@pytest.fixture
def limited(minio: Minio) -> Iterator[Callable[[str], dict[str, str]]]:
    """The environment of a new user of the store with one of MinIO's own policies."""
    admin = MinioAdmin(
        endpoint=minio.endpoint.removeprefix("http://"),
        credentials=StaticProvider(minio.access_key, minio.secret_key),
        secure=False,
    )
    made: list[str] = []

    def make(policy: str) -> dict[str, str]:
        name, secret = f"limited{len(made)}", "limited-secret"
        admin.user_add(name, secret)
        admin.policy_set(policy, user=name)
        made.append(name)
        return {**minio.env(), "AWS_ACCESS_KEY_ID": name, "AWS_SECRET_ACCESS_KEY": secret}

    yield make
    for name in made:
        admin.user_remove(name)


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port that takes connections and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield listening.getsockname()[1]


@pytest.fixture
def untrusted_port(tmp_path: Path) -> Iterator[int]:
    """A port that speaks TLS with a certificate which nobody has signed."""
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "1",
            "-subj",
            "/CN=127.0.0.1",
            "-addext",
            "subjectAltName=IP:127.0.0.1",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    threading.Thread(target=serve, daemon=True).start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def test_an_endpoint_where_nothing_listens(minio: Minio, tmp_path: Path) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    env = {**minio.env(), "HAIRPIN_S3_ENDPOINT": endpoint}
    line = refused(tmp_path, env, "--storage", f"s3://{BUCKET}/runs")
    assert endpoint in line
    assert "HAIRPIN_S3_ENDPOINT" in line


def test_an_endpoint_that_never_answers(minio: Minio, tmp_path: Path, silent_port: int) -> None:
    endpoint = f"http://127.0.0.1:{silent_port}"
    env = {**minio.env(), "HAIRPIN_S3_ENDPOINT": endpoint}
    assert endpoint in refused(tmp_path, env, "--storage", f"s3://{BUCKET}/runs")


def test_an_endpoint_that_is_no_address(minio: Minio, tmp_path: Path) -> None:
    env = {**minio.env(), "HAIRPIN_S3_ENDPOINT": "minio:9000"}
    line = refused(tmp_path, env, "--storage", f"s3://{BUCKET}/runs")
    assert "HAIRPIN_S3_ENDPOINT" in line
    assert "http" in line


def test_a_certificate_that_nobody_signed(
    minio: Minio, tmp_path: Path, untrusted_port: int
) -> None:
    env = {**minio.env(), "HAIRPIN_S3_ENDPOINT": f"https://127.0.0.1:{untrusted_port}"}
    line = refused(tmp_path, env, "--storage", f"s3://{BUCKET}/runs")
    assert "certificate" in line
    assert "AWS_CA_BUNDLE" in line


def test_tls_to_a_server_without(minio: Minio, tmp_path: Path) -> None:
    env = {**minio.env(), "HAIRPIN_S3_ENDPOINT": minio.endpoint.replace("http:", "https:")}
    assert "TLS" in refused(tmp_path, env, "--storage", f"s3://{BUCKET}/runs")


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials(minio: Minio, tmp_path: Path, variable: str) -> None:
    env = {**minio.env(), variable: "not-the-right-one"}
    line = refused(tmp_path, env, "--storage", f"s3://{BUCKET}/runs")
    assert "credentials" in line or "AWS_ACCESS_KEY_ID" in line


def test_no_credentials(minio: Minio, tmp_path: Path) -> None:
    env = {
        **minio.env(),
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }
    line = refused(tmp_path, env, "--storage", f"s3://{BUCKET}/runs")
    assert "AWS_ACCESS_KEY_ID" in line


def test_a_bucket_that_can_only_be_read(limited, tmp_path: Path) -> None:
    line = refused(tmp_path, limited("readonly"), "--storage", f"s3://{BUCKET}/runs")
    assert BUCKET in line
    assert "writ" in line


def test_a_bucket_that_is_missing_and_may_not_be_made(limited, tmp_path: Path) -> None:
    line = refused(tmp_path, limited("readonly"), "--storage", "s3://another-bucket/runs")
    assert "another-bucket" in line


@pytest.mark.parametrize("address", ["s3://", "s3://Not_A_Bucket/runs", "s3://bucket/../runs"])
def test_an_address_that_is_none(minio: Minio, tmp_path: Path, address: str) -> None:
    assert re.search(r"s3://|bucket|\.\.", refused(tmp_path, minio.env(), "--storage", address))


def test_a_video_server_that_refuses(mediamtx: Mediamtx, tmp_path: Path) -> None:
    address = f"rtsp://127.0.0.1:{free_port()}"
    assert address in refused(tmp_path, mediamtx.env(), "--video", address)


def test_a_video_server_that_never_answers(
    mediamtx: Mediamtx, tmp_path: Path, silent_port: int
) -> None:
    address = f"rtsp://127.0.0.1:{silent_port}"
    assert address in refused(tmp_path, mediamtx.env(), "--video", address)


def test_a_wrong_video_password(mediamtx: Mediamtx, tmp_path: Path) -> None:
    env = {**mediamtx.env(), "HAIRPIN_RTSP_PASSWORD": "not-the-right-one"}
    assert "HAIRPIN_RTSP_PASSWORD" in refused(tmp_path, env, "--video", mediamtx.url)


def test_a_password_in_the_address(mediamtx: Mediamtx, tmp_path: Path) -> None:
    address = mediamtx.url.replace("rtsp://", "rtsp://somebody:hidden-word@")
    line = refused(tmp_path, {}, "--video", address)
    assert "HAIRPIN_RTSP_PASSWORD" in line
    assert "hidden-word" not in line


@pytest.mark.parametrize("address", ["http://127.0.0.1:8554", "rtsp://", "127.0.0.1", "files"])
def test_a_video_address_that_is_none(tmp_path: Path, address: str) -> None:
    assert "--video" in refused(tmp_path, {}, "--video", address)


def test_a_metrics_port_that_is_taken(tmp_path: Path, silent_port: int) -> None:
    line = refused(tmp_path, {}, "--metrics-port", str(silent_port))
    assert str(silent_port) in line
