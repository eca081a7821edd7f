"""The same servers as containers, and Grafana with them (``deploy/compose.yaml``)."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from servers.errors import ServerError
from servers.server import HOST, POLL_S, Server, check_port, get, port_variable, write_private
from servers.state import Credentials, Settings

COMPOSE_FILE = Path(__file__).resolve().parents[1] / "compose.yaml"
RAY_FOLDER = Path("/tmp/ray")
ASK_TIMEOUT_S = 20
START_TIMEOUT_S = 120.0


def engine() -> bool:
    """Whether a Docker engine answers that has Compose."""
    docker = shutil.which("docker")
    return docker is not None and all(
        _asks([docker, *question]) is not None for question in (["info"], ["compose", "version"])
    )


class Containers:
    """The servers' containers.

    Args:
        folder: The servers' folder: their configuration and data are in it.
        settings: Their ports.
        stack: The servers; they write the configuration, and know when they can be used.
    """

    def __init__(self, folder: Path, settings: Settings, stack: Sequence[Server]) -> None:
        self.folder = folder
        self.settings = settings
        self.stack = stack
        self.grafana_url = f"http://{HOST}:{settings.ports['grafana']}"
        self._env_file = folder / "compose.env"

    @property
    def command(self) -> list[str]:
        """``docker compose`` with what it has to know of these containers."""
        files = ["--env-file", str(self._env_file), "--file", str(COMPOSE_FILE)]
        return ["docker", "compose", *files]

    def write_config(self, credentials: Credentials) -> None:
        """Writes what Compose and the containers read; no secret is in Compose's part."""
        for server in self.stack:
            server.folder.mkdir(mode=0o700, exist_ok=True)
            server.write_config()
        (self.folder / "prometheus" / "data").mkdir(exist_ok=True)
        if not RAY_FOLDER.exists():  # or the engine would make it, as root
            RAY_FOLDER.mkdir()
            RAY_FOLDER.chmod(0o777)  # as Ray makes it
        grafana = self.folder / "grafana"
        (grafana / "data").mkdir(parents=True, exist_ok=True)
        write_private(grafana / "password", credentials.grafana_password)
        values = self.variables()
        text = "".join(f"{name}='{value}'\n" for name, value in values.items())
        write_private(self._env_file, text)

    def variables(self) -> dict[str, str]:
        """The variables of ``compose.yaml``."""
        # Where the engine runs without root, its root is this user.
        rootless = "rootless" in (_asks(["docker", "info", "-f", "{{.SecurityOptions}}"]) or "")
        user = "0:0" if rootless else f"{os.getuid()}:{os.getgid()}"
        ports = {port_variable(name): str(port) for name, port in self.settings.ports.items()}
        return {"HAIRPIN_SERVICES": str(self.folder), "HAIRPIN_SERVICES_USER": user, **ports}

    def start(self, credentials: Credentials) -> None:
        """Starts the containers that do not run, and returns when all can be used.

        Raises:
            ServerError: One does not start.
        """
        self.write_config(credentials)
        if not _asks([*self.command, "ps", "--quiet"]):
            for server in self.stack:
                server.check_ports()
            check_port("Grafana", "grafana", self.settings.ports["grafana"])
        self._run("up", "--detach", "--remove-orphans")
        deadline = time.monotonic() + START_TIMEOUT_S
        for server in self.stack:
            while not server.answers():
                self._give_up(server.title, server.program, deadline)
            server.complete()
        while not self.grafana_answers():
            self._give_up("Grafana", "grafana", deadline)

    def grafana_answers(self) -> bool:
        """Whether Grafana says that it can be used."""
        try:
            get(f"{self.grafana_url}/api/health", timeout_s=2.0)
        except OSError:
            return False
        return True

    def log_of(self, service: str) -> str:
        """The command that shows a container's log."""
        return f"{shlex.join(self.command)} logs {service}"

    def stop(self) -> None:
        """Stops and removes the containers; their data stays.

        Raises:
            ServerError: Docker does not do it.
        """
        self._run("down")

    def _run(self, *arguments: str) -> None:
        ran = subprocess.run([*self.command, *arguments], stdout=sys.stderr, check=False)
        if ran.returncode:
            raise ServerError(
                f"docker compose {arguments[0]} failed with {ran.returncode}; it says why above. "
                "Without Docker: deploy/services up --no-docker"
            )

    def _give_up(self, title: str, service: str, deadline: float) -> None:
        if time.monotonic() > deadline:
            raise ServerError(
                f"{title} did not answer within {START_TIMEOUT_S:.0f} s. Its log: "
                f"{self.log_of(service)}"
            )
        time.sleep(POLL_S)


def _asks(command: list[str]) -> str | None:
    """What a command prints, or None if it fails or takes too long."""
    try:
        asked = subprocess.run(
            command, capture_output=True, text=True, timeout=ASK_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return None if asked.returncode else asked.stdout
