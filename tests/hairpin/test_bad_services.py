"""Store, video and metrics that cannot be used: one clear line at the start, exit 2, soon."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from minio.credentials import StaticProvider
from minio.minioadmin import MinioAdmin

from hairpin.cli import run as hairpin
from servers.mediamtx import Mediamtx
from servers.minio import BUCKET, Minio
from servers.server import free_port

SOON_S = 20.0  # half of it is promised; this machine may be busy


@pytest.fixture
def refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., str]:
    """Runs `hairpin train` with an environment; returns the one line with which it refuses."""

    def run(env: dict[str, str], *arguments: str) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HAIRPIN_SPOOL", str(tmp_path / "spool"))
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        began = time.monotonic()
        code = hairpin(["train", "--minutes", "1", *arguments])
        took_s = time.monotonic() - began
        out, err = capsys.readouterr()
        lines = [line for line in err.splitlines() if line]
        assert code == 2, err
        assert len(lines) == 1, err
        assert lines[0].startswith("error: ")
        assert out == ""
        assert not any(secret in lines[0] for secret in secrets_of(env))
        assert not any(path.is_dir() for path in tmp_path.glob("runs*"))
        assert took_s < SOON_S
        return lines[0]

    return run


def secrets_of(env: dict[str, str]) -> list[str]:
    names = ("AWS_SECRET_ACCESS_KEY", "HAIRPIN_RTSP_PASSWORD")
    return [env[name] for name in names if env.get(name)]


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


def test_an_endpoint_where_nothing_listens(refused, minio: Minio) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}"
    env = {**minio.env(), "HAIRPIN_S3_ENDPOINT": endpoint}
    line = refused(env, "--storage", f"s3://{BUCKET}/runs")
    assert endpoint in line
    assert "HAIRPIN_S3_ENDPOINT" in line


def test_an_endpoint_that_never_answers(refused, minio: Minio, silent_port: int) -> None:
    endpoint = f"http://127.0.0.1:{silent_port}"
    env = {**minio.env(), "HAIRPIN_S3_ENDPOINT": endpoint}
    assert endpoint in refused(env, "--storage", f"s3://{BUCKET}/runs")


def test_an_endpoint_that_is_no_address(refused, minio: Minio) -> None:
    env = {**minio.env(), "HAIRPIN_S3_ENDPOINT": "minio:9000"}
    line = refused(env, "--storage", f"s3://{BUCKET}/runs")
    assert "HAIRPIN_S3_ENDPOINT" in line
    assert "http" in line


def test_a_certificate_that_nobody_signed(refused, minio: Minio, untrusted_port: int) -> None:
    env = {**minio.env(), "HAIRPIN_S3_ENDPOINT": f"https://127.0.0.1:{untrusted_port}"}
    line = refused(env, "--storage", f"s3://{BUCKET}/runs")
    assert "certificate" in line
    assert "AWS_CA_BUNDLE" in line


def test_tls_to_a_server_without(refused, minio: Minio) -> None:
    env = {**minio.env(), "HAIRPIN_S3_ENDPOINT": minio.endpoint.replace("http:", "https:")}
    assert "TLS" in refused(env, "--storage", f"s3://{BUCKET}/runs")


@pytest.mark.parametrize("variable", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_wrong_credentials(refused, minio: Minio, variable: str) -> None:
    env = {**minio.env(), variable: "not-the-right-one"}
    line = refused(env, "--storage", f"s3://{BUCKET}/runs")
    assert "credentials" in line or "AWS_ACCESS_KEY_ID" in line


def test_no_credentials(refused, minio: Minio, tmp_path: Path) -> None:
    env = {
        **minio.env(),
        "AWS_ACCESS_KEY_ID": "",
        "AWS_SECRET_ACCESS_KEY": "",
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }
    line = refused(env, "--storage", f"s3://{BUCKET}/runs")
    assert "AWS_ACCESS_KEY_ID" in line


def test_a_bucket_that_can_only_be_read(refused, limited) -> None:
    line = refused(limited("readonly"), "--storage", f"s3://{BUCKET}/runs")
    assert BUCKET in line
    assert "writ" in line


def test_a_bucket_that_is_missing_and_may_not_be_made(refused, limited) -> None:
    line = refused(limited("readonly"), "--storage", "s3://another-bucket/runs")
    assert "another-bucket" in line


@pytest.mark.parametrize("address", ["s3://", "s3://Not_A_Bucket/runs", "s3://bucket/../runs"])
def test_an_address_that_is_none(refused, minio: Minio, address: str) -> None:
    assert re.search(r"s3://|bucket|valid name", refused(minio.env(), "--storage", address))


def test_a_video_server_that_refuses(refused, mediamtx: Mediamtx) -> None:
    address = f"rtsp://127.0.0.1:{free_port()}"
    assert address in refused(mediamtx.env(), "--video", address)


def test_a_video_server_that_never_answers(refused, mediamtx: Mediamtx, silent_port: int) -> None:
    address = f"rtsp://127.0.0.1:{silent_port}"
    assert address in refused(mediamtx.env(), "--video", address)


def test_a_wrong_video_password(refused, mediamtx: Mediamtx) -> None:
    env = {**mediamtx.env(), "HAIRPIN_RTSP_PASSWORD": "not-the-right-one"}
    assert "HAIRPIN_RTSP_PASSWORD" in refused(env, "--video", mediamtx.url)


def test_a_password_in_the_address(refused, mediamtx: Mediamtx) -> None:
    address = mediamtx.url.replace("rtsp://", "rtsp://somebody:hidden-word@")
    line = refused({}, "--video", address)
    assert "HAIRPIN_RTSP_PASSWORD" in line
    assert "hidden-word" not in line


@pytest.mark.parametrize("address", ["http://127.0.0.1:8554", "rtsp://", "127.0.0.1", "files"])
def test_a_video_address_that_is_none(refused, address: str) -> None:
    assert "--video" in refused({}, "--video", address)


def test_a_metrics_port_that_is_taken(refused, silent_port: int) -> None:
    line = refused({}, "--metrics-port", str(silent_port))
    assert str(silent_port) in line
