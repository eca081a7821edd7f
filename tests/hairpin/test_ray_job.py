"""The same command as a Ray job, on a cluster that somebody else started, with tokens required."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BIN = Path(sys.executable).parent
STARTED = "--block"  # in what `ray start` says when the cluster is up
REWARD = "def reward_function(params):\n    return 1.0 if params['all_wheels_on_track'] else 1e-3\n"


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """A plain `ray start --head` that wants a token; the environment to reach it with."""
    port, dashboard, client, agent = free_ports(4)
    env = {
        **os.environ,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    # Sockets live in it, and their paths must be short.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        head = subprocess.Popen(
            [
                str(BIN / "ray"), "start", "--head", "--block", "--num-cpus=3",
                "--node-ip-address=127.0.0.1", f"--port={port}", f"--temp-dir={folder}",
                f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}",
                f"--dashboard-agent-listen-port={agent}", "--object-store-memory=300000000",
            ],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        assert head.stdout is not None
        said = []
        for line in head.stdout:
            said.append(line)
            if STARTED in line:
                break
        else:
            pytest.fail("".join(said))
        try:
            yield {**env, "RAY_ADDRESS": f"http://127.0.0.1:{dashboard}"}
        finally:
            head.terminate()
            head.communicate()


def submit(env: dict[str, str], folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "ray"), "job", "submit", "--working-dir", str(folder), "--", *command],
        env=env,
        capture_output=True,
        text=True,
        cwd=folder,
    )


def test_a_folder_with_a_reward_trains_as_a_job(cluster: dict[str, str], tmp_path: Path) -> None:
    car = tmp_path / "car"
    car.mkdir()
    (car / "reward_function.py").write_text(REWARD)
    runs = tmp_path / "runs"
    options = [
        "--steps",
        "5000",
        "--workers",
        "2",
        "--run",
        "job",
        "--storage",
        str(runs),
        "--json",
    ]
    done = submit(cluster, car, "hairpin", "train", ".", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"event"')]
    result = json.loads(lines[-1])
    assert result["event"] == "result"
    assert result["steps"] >= 5000
    assert (runs / "job" / "training.png").exists()
    assert (runs / "job" / "reward_function.py").read_text() == REWARD


def test_without_the_token_nothing_is_submitted(cluster: dict[str, str], tmp_path: Path) -> None:
    wrong = {**cluster, "RAY_AUTH_TOKEN": "x" * 64}
    done = submit(wrong, tmp_path, "hairpin", "--version")
    assert done.returncode != 0
