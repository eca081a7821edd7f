"""A Ray cluster of one node that somebody else started, as trainings meet it."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil

BIN = Path(sys.executable).parent
_STARTED = "--block"  # in what `ray start` says when the cluster is up


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nobody listens on."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


@contextlib.contextmanager
def ray_head(cpus: int = 3, **variables: str) -> Iterator[dict[str, str]]:
    """A plain `ray start --head` that wants a token.

    Args:
        cpus: What Ray may give to workers.
        variables: More of its environment, which drivers get.

    Yields:
        The environment to reach it with.
    """
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
                str(BIN / "ray"), "start", "--head", "--block", f"--num-cpus={cpus}",
                "--node-ip-address=127.0.0.1", f"--port={port}", f"--temp-dir={folder}",
                f"--dashboard-port={dashboard}", f"--ray-client-server-port={client}",
                f"--dashboard-agent-listen-port={agent}", "--object-store-memory=300000000",
            ],
            env={**env, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )  # fmt: skip
        assert head.stdout is not None
        said = []
        for line in head.stdout:
            said.append(line)
            if _STARTED in line:
                break
        else:
            raise RuntimeError("".join(said))
        try:
            yield {**env, "RAY_ADDRESS": f"http://127.0.0.1:{dashboard}"}
        finally:
            # Ray would wait half a minute for actors that belong to nobody.
            processes = [*psutil.Process(head.pid).children(recursive=True), head]
            for process in processes:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            head.communicate()


@contextlib.contextmanager
def keeper(env: dict[str, str]) -> Iterator[None]:
    """What goes on with durable trainings beside the head of our chart."""
    process = subprocess.Popen([sys.executable, "-m", "hairpin.jobs.keeper"], env=env)
    try:
        yield
    finally:
        process.terminate()
        assert process.wait(30) == 0
