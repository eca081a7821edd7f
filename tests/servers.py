"""Fixtures: real servers on free ports of loopback, with data that goes when the tests end.

`minio` and `mediamtx` are shared by all tests, which leave them running. A test that stops or
breaks a server takes one of its own from `new_minio` or `new_mediamtx`. Servers of the factories
end with the session, if not before.
"""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "deploy"))

from servers import binaries  # noqa: E402
from servers.mediamtx import Mediamtx  # noqa: E402
from servers.minio import Minio  # noqa: E402
from servers.prometheus import Prometheus, Scrape  # noqa: E402
from servers.server import Server, free_port  # noqa: E402

SCRAPE_INTERVAL_S = 1.0

AServer = TypeVar("AServer", bound=Server)
Start = Callable[[AServer], AServer]


@pytest.fixture(scope="session")
def start_server() -> Iterator[Start[Server]]:
    """Starts a server that is stopped when the session ends."""
    started: list[Server] = []

    def start(server: AServer) -> AServer:
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.kill()


@pytest.fixture(scope="session")
def new_minio(
    tmp_path_factory: pytest.TempPathFactory, start_server: Start[Minio]
) -> Callable[[], Minio]:
    """Starts a MinIO of one's own: ``new_minio()``."""

    def new() -> Minio:
        folder = tmp_path_factory.mktemp("minio")
        key, secret = secrets.token_hex(8), secrets.token_hex(16)
        return start_server(Minio(folder, free_port(), key, secret))

    return new


@pytest.fixture(scope="session")
def minio(new_minio: Callable[[], Minio]) -> Minio:
    """The MinIO that tests share, with a bucket ``hairpin``."""
    return new_minio()


@pytest.fixture(scope="session")
def new_mediamtx(
    tmp_path_factory: pytest.TempPathFactory, start_server: Start[Mediamtx]
) -> Callable[[], Mediamtx]:
    """Starts a MediaMTX of one's own: ``new_mediamtx()``."""

    def new() -> Mediamtx:
        folder = tmp_path_factory.mktemp("mediamtx")
        passwords = secrets.token_hex(16), secrets.token_hex(16)
        return start_server(Mediamtx(folder, free_port(), free_port(), *passwords))

    return new


@pytest.fixture(scope="session")
def mediamtx(new_mediamtx: Callable[[], Mediamtx]) -> Mediamtx:
    """The MediaMTX that tests share."""
    return new_mediamtx()


@pytest.fixture(scope="session")
def prometheus(
    tmp_path_factory: pytest.TempPathFactory, start_server: Start[Prometheus]
) -> Callable[..., Prometheus]:
    """Starts a Prometheus of one's own: ``prometheus(targets, rules)``.

    Targets are hosts with ports, or lists of them by the name of their job (otherwise "hairpin");
    rules is a file of rules or several; interval_s is the time between two readings.
    """

    def new(
        targets: Sequence[str] | Mapping[str, Sequence[str]] = (),
        rules: Path | Sequence[Path] | None = None,
        interval_s: float = SCRAPE_INTERVAL_S,
    ) -> Prometheus:
        jobs = targets if isinstance(targets, Mapping) else {"hairpin": targets}
        scrapes = [
            Scrape(job, tuple(hosts), Minio.METRICS_PATH if job == "minio" else "/metrics")
            for job, hosts in jobs.items()
        ]
        files = [rules] if isinstance(rules, Path) else list(rules or ())
        folder = tmp_path_factory.mktemp("prometheus")
        return start_server(Prometheus(folder, free_port(), scrapes, files, interval_s))

    return new


@pytest.fixture(scope="session")
def promtool() -> Path:
    """Prometheus' tool that checks and tests rules."""
    return binaries.program("promtool")
