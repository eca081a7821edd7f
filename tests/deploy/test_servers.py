"""The servers that tests have: the real ones, with credentials that count."""

from __future__ import annotations

import socket
import stat
import time
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import psutil
import pytest
from minio import Minio as Client
from minio.error import S3Error

from servers.errors import ServerError
from servers.mediamtx import Mediamtx
from servers.minio import BUCKET, Minio
from servers.prometheus import Prometheus
from servers.server import HOST, Server, free_port, get

FRAMES = 20


def client(minio: Minio, secret_key: str) -> Client:
    host = minio.endpoint.partition("://")[2]
    return Client(host, access_key=minio.access_key, secret_key=secret_key, secure=False)


def publish(url: str) -> None:
    """Publishes one second of grey."""
    with av.open(url, "w", format="rtsp", options={"rtsp_transport": "tcp"}) as container:
        stream = container.add_stream("libx264", rate=FRAMES)
        stream.width, stream.height, stream.pix_fmt = 320, 240, "yuv420p"
        picture = np.full((240, 320, 3), 128, dtype=np.uint8)
        for _ in range(FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))


def with_credentials(url: str, user: str, password: str, path: str) -> str:
    return f"rtsp://{user}:{password}@{url.partition('://')[2]}/{path}"


def wait_until(true: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def test_minio_keeps_what_its_user_puts(minio: Minio) -> None:
    store = client(minio, minio.secret_key)
    assert store.bucket_exists(BUCKET)
    store.fput_object(BUCKET, "servers/this.py", __file__)
    with store.get_object(BUCKET, "servers/this.py") as answer:
        assert answer.read() == Path(__file__).read_bytes()


def test_minio_refuses_another_secret(minio: Minio) -> None:
    with pytest.raises(S3Error) as refused:
        client(minio, "not-the-secret").bucket_exists(BUCKET)
    assert refused.value.code in ("SignatureDoesNotMatch", "AccessDenied")


def test_a_stopped_minio_comes_back_with_its_data_at_its_address(
    new_minio: Callable[[], Minio],
) -> None:
    server = new_minio()
    client(server, server.secret_key).fput_object(BUCKET, "kept", __file__)
    endpoint, first = server.endpoint, server.pid
    server.stop()
    assert server.pid is None
    with pytest.raises(OSError):
        get(server.health_url)
    server.start()
    assert server.endpoint == endpoint
    assert server.pid not in (None, first)
    assert client(server, server.secret_key).stat_object(BUCKET, "kept").size


def test_mediamtx_takes_streams_from_its_publisher_only(mediamtx: Mediamtx) -> None:
    publish(with_credentials(mediamtx.url, mediamtx.user, mediamtx.password, "servers/publisher"))
    with pytest.raises(av.error.HTTPUnauthorizedError):
        publish(
            with_credentials(
                mediamtx.url, mediamtx.reader_user, mediamtx.reader_password, "servers/reader"
            )
        )
    with pytest.raises(av.error.HTTPUnauthorizedError):
        publish(f"{mediamtx.url}/servers/nobody")


def test_mediamtx_speaks_rtsp_over_tcp_and_nothing_else(mediamtx: Mediamtx) -> None:
    process = psutil.Process(mediamtx.pid)
    listening = {
        connection.laddr for connection in process.net_connections() if not connection.raddr
    }
    assert listening == {(HOST, port) for port in mediamtx.ports.values()}


def test_prometheus_reads_the_other_two(
    minio: Minio, mediamtx: Mediamtx, prometheus: Callable[..., Prometheus]
) -> None:
    targets = {
        "minio": [minio.endpoint.partition("://")[2]],
        "mediamtx": [mediamtx.metrics_address],
    }
    server = prometheus(targets)
    wait_until(lambda: len(server.query("up == 1")) == 3)
    assert {target["labels"]["job"] for target in server.targets()} == {*targets, "prometheus"}
    assert server.query("minio_cluster_health_status")
    assert server.query("1 + 1")[0]["value"][1] == "2"
    with pytest.raises(ServerError, match="parse error"):
        server.query("up ==")


def test_prometheus_fires_alerts_and_reloads_rules(
    tmp_path: Path, prometheus: Callable[..., Prometheus]
) -> None:
    rules = tmp_path / "some.rules.yml"
    text = "groups: [{name: g, rules: [{alert: NAME, expr: up == 1}]}]"
    rules.write_text(text.replace("NAME", "First"), encoding="utf-8")
    server = prometheus(rules=rules, interval_s=0.2)
    names = lambda: {alert["labels"]["alertname"] for alert in server.alerts()}  # noqa: E731
    wait_until(lambda: names() == {"First"})
    rules.write_text(text.replace("NAME", "Second"), encoding="utf-8")
    server.reload()
    wait_until(lambda: names() == {"Second"})
    rules.write_text("groups: 3", encoding="utf-8")
    with pytest.raises(ServerError, match="did not reload"):
        server.reload()


def test_no_secret_is_in_the_process_list_or_readable_by_others(
    minio: Minio, mediamtx: Mediamtx
) -> None:
    servers: dict[Server, list[str]] = {
        minio: [minio.access_key, minio.secret_key],
        mediamtx: [mediamtx.password, mediamtx.reader_password],
    }
    for server, secrets in servers.items():
        process = psutil.Process(server.pid)
        seen = " ".join([*process.cmdline(), *process.environ().values(), repr(server)])
        seen += server.log.read_text(encoding="utf-8")
        for secret in secrets:
            assert secret not in seen
            holders = [
                path
                for path in server.folder.iterdir()
                if path.is_file() and secret in path.read_text(encoding="utf-8")
            ]
            assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in holders)


def test_a_server_that_was_killed_is_seen_and_started_again(
    new_mediamtx: Callable[[], Mediamtx],
) -> None:
    server = new_mediamtx()
    psutil.Process(server.pid).kill()
    wait_until(lambda: not server.running)
    server.stop()
    server.start()
    assert server.answers()


def test_a_taken_port_is_named_with_the_option_for_another(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        server = Mediamtx(tmp_path, port, free_port(), "a", "b")
        with pytest.raises(ServerError) as taken:
            server.start()
    assert str(taken.value) == (
        f"MediaMTX cannot listen on {HOST}:{port}: Address already in use. Give another port: "
        "--rtsp-port or $HAIRPIN_RTSP_PORT"
    )


def test_a_server_that_ends_at_once_says_why(tmp_path: Path) -> None:
    server = Minio(tmp_path, free_port(), "user", "short")
    with pytest.raises(ServerError, match=r"MinIO ended at once: .*credentials.*\(log: ") as ended:
        server.start()
    assert "short" not in str(ended.value).replace("be shorter", "")
