"""What is kept between two calls of ``deploy/services``: settings, and its owner's credentials."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from servers.errors import ServerError
from servers.server import write_private

PORTS = {
    "minio": 9000,
    "rtsp": 8554,
    "mediamtx-metrics": 9998,
    "prometheus": 9090,
    "grafana": 3000,
}
"""What the servers listen on, unless told otherwise."""

METRICS_PORT = 9400
"""Where a training serves its metrics, unless told otherwise."""


@dataclass(frozen=True)
class Settings:
    """How the servers were started.

    Attributes:
        docker: Whether they are containers.
        ports: What they listen on, by the names in `PORTS`.
        metrics_port: Where trainings on this machine serve metrics.
    """

    docker: bool = False
    ports: dict[str, int] = field(default_factory=lambda: dict(PORTS))
    metrics_port: int = METRICS_PORT


@dataclass(frozen=True, repr=False)
class Credentials:
    """What the servers ask of their users; made once, and of no use anywhere else."""

    s3_access_key: str
    s3_secret_key: str
    rtsp_password: str
    rtsp_reader_password: str
    grafana_password: str


NOBODY = Credentials("", "", "", "", "")
"""For servers that are only looked at or stopped."""


class State:
    """The folder of the servers of one user: ``$XDG_STATE_HOME/hairpin/services``."""

    def __init__(self) -> None:
        states = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        self.folder = Path(states).expanduser().resolve() / "hairpin" / "services"
        self._settings_file = self.folder / "settings.json"
        self._credentials_file = self.folder / "credentials.json"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Makes the folder if there is none, and keeps other calls waiting."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            file = (self.folder / "lock").open("w")
        except OSError as error:
            raise ServerError(
                f"{self.folder}: {error.strerror}. Set $XDG_STATE_HOME to a folder of yours"
            ) from None
        with file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def settings(self) -> Settings:
        """How the servers were started last; the defaults if they never were."""
        try:
            kept = json.loads(self._settings_file.read_text(encoding="utf-8"))
            return Settings(**kept)
        except FileNotFoundError:
            return Settings()
        except (OSError, ValueError, TypeError):
            raise ServerError(f"{self._settings_file} is damaged. Remove it") from None

    def keep(self, settings: Settings) -> None:
        """Writes how the servers are started."""
        self._settings_file.write_text(json.dumps(asdict(settings), indent=2), encoding="utf-8")

    def credentials(self) -> Credentials:
        """The credentials, which are made if there are none.

        Raises:
            ServerError: Others can read the file, or it is damaged.
        """
        path = self._credentials_file
        if not path.exists():
            lengths = {item.name: 20 for item in fields(Credentials)} | {"s3_access_key": 10}
            made = {name: secrets.token_hex(length) for name, length in lengths.items()}
            write_private(path, json.dumps(made, indent=2))
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise ServerError(f"{path}: others can read it. Run: chmod 600 {path}")
        try:
            return Credentials(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError):
            raise ServerError(
                f"{path} is damaged. Remove it and what it opens: deploy/services down --delete"
            ) from None
