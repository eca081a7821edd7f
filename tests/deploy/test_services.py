"""``deploy/services``: the servers of a laptop, started, shown and stopped."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml
from minio import Minio as Client

from servers.server import HOST, free_port, get_json
from servers.state import PORTS

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["MinIO", "MediaMTX", "Prometheus"]


class Services:
    """``deploy/services`` with a state folder and ports of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "hairpin" / "services"
        self.ports = {name: free_port() for name in [*PORTS, "metrics"]}
        self.environment = {
            **os.environ,
            "XDG_STATE_HOME": str(folder),
            **{
                f"HAIRPIN_{name.upper().replace('-', '_')}_PORT": str(port)
                for name, port in self.ports.items()
            },
        }

    def run(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, str(ROOT / "deploy" / "services"), *arguments],
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    def up(self) -> None:
        ran = self.run("up", "--no-docker")
        assert ran.returncode == 0, ran.stderr

    def status(self) -> dict[str, dict[str, Any]]:
        return {row["name"]: row for row in json.loads(self.run("status", "--json").stdout)}

    def pids(self) -> dict[str, int | None]:
        return {name: row["pid"] for name, row in self.status().items()}

    def exports(self) -> dict[str, str]:
        ran = self.run("env")
        assert ran.returncode == 0, ran.stderr
        words = [shlex.split(line) for line in ran.stdout.splitlines()]
        return dict(word.split("=", 1) for first, word in words if first == "export")

    def secrets(self) -> list[str]:
        kept = json.loads((self.folder / "credentials.json").read_text("utf-8"))
        assert len(set(kept.values())) == len(kept) == 5
        return list(kept.values())


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Servers that are down."""
    made = Services(tmp_path)
    yield made
    made.run("down")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Servers that are up, for tests that leave them so."""
    made = Services(tmp_path_factory.mktemp("services"))
    made.up()
    yield made
    made.run("down")


def alive(pid: int | None) -> bool:
    """Whether a process runs; one that has ended may wait for whoever began it to ask."""
    try:
        return psutil.Process(pid or 0).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(true: Callable[[], object], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)


def test_status_says_what_is_up_and_where(running: Services) -> None:
    rows = running.status()
    assert list(rows) == NAMES
    assert all(row["up"] and alive(row["pid"]) for row in rows.values())
    assert rows["MinIO"]["address"] == f"http://{HOST}:{running.ports['minio']}"
    assert rows["MediaMTX"]["address"] == f"rtsp://{HOST}:{running.ports['rtsp']}"
    assert all(Path(row["log"]).is_file() for row in rows.values())
    said = running.run("status")
    assert said.returncode == 0
    assert [line.split()[:2] for line in said.stdout.splitlines()] == [[n, "up"] for n in NAMES]


def test_a_second_up_leaves_the_servers_alone(running: Services) -> None:
    before = running.pids()
    running.up()
    assert running.pids() == before


def test_a_second_up_with_another_port_is_refused(running: Services) -> None:
    ran = running.run("up", "--no-docker", "--minio-port", str(free_port()))
    assert ran.returncode == 2
    assert ran.stderr == (
        "error: the servers run with other settings. Run first: deploy/services down\n"
    )
    assert running.run("status").returncode == 0


def test_a_shell_that_evaluates_env_can_use_the_store(running: Services) -> None:
    shown = subprocess.run(
        ["bash", "-c", f'eval "$({ROOT}/deploy/services env)"; env -0'],
        env={**running.environment, "AWS_SESSION_TOKEN": "another account's"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    shell = dict(line.split("=", 1) for line in shown.split("\0") if line)
    assert shell["HAIRPIN_METRICS_PORT"] == str(running.ports["metrics"])
    assert shell["HAIRPIN_VIDEO"] == f"rtsp://{HOST}:{running.ports['rtsp']}"
    assert shell["HAIRPIN_RTSP_USER"] == "publisher"
    assert "AWS_SESSION_TOKEN" not in shell
    store = Client(
        shell["HAIRPIN_S3_ENDPOINT"].partition("://")[2],
        access_key=shell["AWS_ACCESS_KEY_ID"],
        secret_key=shell["AWS_SECRET_ACCESS_KEY"],
        secure=False,
    )
    bucket = shell["HAIRPIN_STORAGE"].removeprefix("s3://").partition("/")[0]
    assert store.bucket_exists(bucket)


def test_logins_have_what_a_viewer_needs(running: Services) -> None:
    said = running.run("logins").stdout
    kept = json.loads((running.folder / "credentials.json").read_text("utf-8"))
    login = f"reader:{kept['rtsp_reader_password']}@{HOST}:{running.ports['rtsp']}"
    assert said == f"video    rtsp://{login}/RUN/eval\n"


def test_prometheus_reads_every_server_and_the_trainings(running: Services) -> None:
    url = f"http://{HOST}:{running.ports['prometheus']}/api/v1/targets?state=active"

    def health() -> dict[str, str]:
        targets = get_json(url)["data"]["activeTargets"]
        return {target["labels"]["job"]: target["health"] for target in targets}

    up = dict.fromkeys(("minio", "mediamtx", "prometheus"), "up")
    wait_until(lambda: health().items() >= (up | {"hairpin": "down"}).items())


def test_prometheus_watches_with_our_alert_rules(running: Services) -> None:
    url = f"http://{HOST}:{running.ports['prometheus']}/api/v1/rules"
    loaded = {group["name"] for group in get_json(url)["data"]["groups"]}
    (path,) = (ROOT / "dashboards" / "alerts").glob("*.rules.yml")
    groups = yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    assert loaded == {group["name"] for group in groups}


def test_secrets_are_in_private_files_only(running: Services) -> None:
    secrets = running.secrets()
    said = "".join(running.run(*command).stdout for command in (["up"], ["status"]))
    for process in map(psutil.Process, running.pids().values()):
        said += " ".join([*process.cmdline(), *process.environ().values()])
    assert not any(secret in said for secret in secrets)
    holders = set()
    for path in filter(Path.is_file, running.folder.rglob("*")):
        if any(secret.encode() in path.read_bytes() for secret in secrets):
            holders.add(path.name)
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert holders == {"credentials.json", "minio.env"}
    assert stat.S_IMODE(running.folder.stat().st_mode) == 0o700


def test_down_stops_all_and_keeps_data_and_credentials(services: Services) -> None:
    services.up()
    before, pids = services.exports(), services.pids()
    ran = services.run("down")
    assert (ran.returncode, ran.stdout) == (0, "stopped MinIO, MediaMTX, Prometheus\n")
    assert not any(map(alive, pids.values()))
    again = services.run("down")
    assert (again.returncode, again.stdout) == (0, "nothing was up\n")
    assert services.run("status").returncode == 3
    services.up()
    assert services.exports() == before
    assert services.run("down", "--delete").returncode == 0
    assert not services.folder.exists()


def test_a_killed_server_is_down_and_up_starts_just_that(services: Services) -> None:
    services.up()
    before = services.pids()
    os.kill(before["MinIO"] or 0, signal.SIGKILL)
    wait_until(lambda: services.pids()["MinIO"] is None)
    assert {name: row["up"] for name, row in services.status().items()} == {
        "MinIO": False,
        "MediaMTX": True,
        "Prometheus": True,
    }
    refused = services.run("env")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr == "error: not up: MinIO. Run: deploy/services up\n"
    services.up()
    after = services.pids()
    assert after.pop("MinIO") not in (None, before.pop("MinIO"))
    assert after == before
    os.kill(before["Prometheus"] or 0, signal.SIGKILL)
    ran = services.run("down")
    assert (ran.returncode, ran.stderr) == (0, "")
    assert not any(map(alive, after.values()))


def test_a_taken_port_is_named_and_nothing_is_left_running(services: Services) -> None:
    with socket.socket() as other:
        other.bind((HOST, services.ports["prometheus"]))
        other.listen()
        ran = services.run("up", "--no-docker")
    assert ran.returncode == 2
    where = f"{HOST}:{services.ports['prometheus']}"
    assert ran.stderr == (
        f"error: Prometheus cannot listen on {where}: Address already in use. Give another port: "
        "--prometheus-port or $HAIRPIN_PROMETHEUS_PORT\n"
    )
    assert set(services.pids().values()) == {None}


def test_a_port_that_is_none_is_refused(services: Services) -> None:
    ran = services.run("up", "--no-docker", HAIRPIN_RTSP_PORT="rtsp")
    assert ran.returncode == 2
    assert ran.stderr == (
        "error: $HAIRPIN_RTSP_PORT: 'rtsp' is not a port: a number from 1 to 65535\n"
    )


def test_credentials_that_others_can_read_are_refused(services: Services) -> None:
    services.up()
    path = services.folder / "credentials.json"
    path.chmod(0o644)
    ran = services.run("env")
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr == f"error: {path}: others can read it. Run: chmod 600 {path}\n"
    assert services.run("down").returncode == 0


def test_the_script_names_its_commands() -> None:
    script = ROOT / "deploy" / "services"
    said = subprocess.run([script, "--help"], capture_output=True, text=True, check=True).stdout
    assert all(f"    {name} " in said for name in ("up", "down", "status", "env", "logins"))
