"""A server process: started with a log, ready when it answers, stopped for good."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from servers import binaries
from servers.errors import ServerError, last_lines

HOST = "127.0.0.1"
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 10.0
POLL_S = 0.05
FREE_PORTS = range(20000, 30000)  # below those that systems hand out to clients


class Server:
    """One server on loopback, whose pid is kept in a file so that any process can look after it.

    Args:
        folder: Where its configuration, data, log and pid are; made if missing.
        ports: What it listens on: the name of each port, and its number.
    """

    title: str
    """What people call it."""

    program: str
    """The name of its program."""

    def __init__(self, folder: Path, ports: dict[str, int]) -> None:
        self.folder = folder
        self.ports = ports
        self.log = folder / f"{self.program}.log"
        self._pid_file = folder / f"{self.program}.pid"
        self._child: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        ports = ", ".join(f"{name}={number}" for name, number in self.ports.items())
        return f"{type(self).__name__}({ports})"

    @property
    def address(self) -> str:
        """The address that people use."""
        raise NotImplementedError

    @property
    def health_url(self) -> str:
        """Answers 200 when the server can be used."""
        raise NotImplementedError

    def write_config(self) -> None:
        """Writes what the server reads when it starts."""
        raise NotImplementedError

    def arguments(self) -> list[str]:
        """Arguments of the program; never a secret, for everybody can read them."""
        raise NotImplementedError

    def environment(self) -> dict[str, str]:
        """Variables that the program has beside ours."""
        return {}

    def complete(self) -> None:
        """What is left to do once the server answers."""

    @property
    def pid(self) -> int | None:
        """The process, or None when it does not run."""
        try:
            kept = json.loads(self._pid_file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        if self._child is not None:
            self._child.poll()  # one that has ended is a zombie until somebody asks
        # A pid is given again to other processes; one that began at the same moment it is not.
        began = _began(kept["pid"])
        return None if began is None or began != kept["began"] else int(kept["pid"])

    @property
    def running(self) -> bool:
        """Whether the process is there."""
        return self.pid is not None

    def start(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Starts the server and returns when it can be used; does nothing if it runs.

        Raises:
            ServerError: A port is taken, or the server ended or did not answer in time.
        """
        if not self.running:
            self.launch()
        self.wait(timeout_s)

    def launch(self) -> None:
        """Starts the process and does not wait for it.

        Raises:
            ServerError: A port is taken, or there is no program and none can be built.
        """
        path = binaries.program(self.program)
        self.check_ports()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.write_config()
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                [str(path), *self.arguments()],
                cwd=self.folder,
                env={**os.environ, **self.environment()},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C at a terminal is not for the servers
            )
        kept = {"pid": self._child.pid, "began": _began(self._child.pid)}
        self._pid_file.write_text(json.dumps(kept), encoding="utf-8")

    def check_ports(self) -> None:
        """Makes sure that the server can listen on its ports.

        Raises:
            ServerError: Something else does.
        """
        for name, number in self.ports.items():
            check_port(self.title, name, number)

    def wait(self, timeout_s: float = START_TIMEOUT_S) -> None:
        """Returns when the server can be used.

        Raises:
            ServerError: The server ended, or did not answer in time.
        """
        deadline = time.monotonic() + timeout_s
        while not self.answers():
            if not self.running:
                raise ServerError(f"{self.title} ended at once: {self._end_of_log()}")
            if time.monotonic() > deadline:
                raise ServerError(
                    f"{self.title} did not answer {self.health_url} within {timeout_s:.0f} s: "
                    f"{self._end_of_log()}"
                )
            time.sleep(POLL_S)
        self.complete()

    def answers(self) -> bool:
        """Whether the server says that it can be used."""
        try:
            get(self.health_url, timeout_s=2.0)
        except OSError:
            return False
        return True

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> None:
        """Asks the server to end, and ends it if it has not after `timeout_s`."""
        self._signal(signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        while self.running and time.monotonic() < deadline:
            time.sleep(POLL_S)
        self.kill()

    def kill(self) -> None:
        """Ends the process as a crash would, and returns when it is gone."""
        while self.running:
            self._signal(signal.SIGKILL)
            time.sleep(POLL_S)
        self._pid_file.unlink(missing_ok=True)

    def _signal(self, number: signal.Signals) -> None:
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def _end_of_log(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return f"{last_lines(text)} (log: {self.log})"


def check_port(title: str, name: str, number: int) -> None:
    """Makes sure that a server can listen on a port of loopback.

    Raises:
        ServerError: Something else does; the text names the option that takes another port.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, number))
        except OSError as error:
            raise ServerError(
                f"{title} cannot listen on {HOST}:{number}: {error.strerror}. Give another port: "
                f"--{name}-port or ${port_variable(name)}"
            ) from None


def port_variable(name: str) -> str:
    """The environment variable that sets a port."""
    return f"HAIRPIN_{name.upper().replace('-', '_')}_PORT"


def free_port() -> int:
    """A port of loopback on which nothing listens.

    It is not one of those that systems hand out to clients, so it stays free while a test has
    stopped its server.
    """
    while True:
        number = random.SystemRandom().choice(FREE_PORTS)
        with contextlib.suppress(ServerError):
            check_port("a server", "free", number)
            return number


def get(url: str, timeout_s: float = 10.0) -> bytes:
    """The body of a URL's answer, without a proxy: all servers are on loopback.

    Raises:
        OSError: No answer, or one that is an error (urllib's).
    """
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=timeout_s) as answer:
        return bytes(answer.read())


def get_json(url: str, timeout_s: float = 10.0) -> Any:
    """The parsed body of a URL's answer; like `get`."""
    return json.loads(get(url, timeout_s))


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, at no moment anybody else."""
    temporary = path.with_name(f".{path.name}.new")
    temporary.unlink(missing_ok=True)
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    temporary.replace(path)


def _began(pid: int) -> str | None:
    """When a process began, in the system's own words; None if there is no such process."""
    status = Path("/proc", str(pid), "stat")
    if Path("/proc/self").exists():
        try:
            text = status.read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
        # The name, in brackets, may hold anything; state and start time are counted from its end.
        fields = text.rpartition(")")[2].split()
        # A zombie whose other threads are still ending holds its ports.
        return None if fields[0] == "Z" and int(fields[17]) <= 1 else fields[19]
    asked = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    state, _, began = asked.stdout.strip().partition(" ")
    return None if not began or state.startswith("Z") else began.strip()
