"""The node's first process (`node`), from outside: started, found again, killed.

Whoever starts it hands a lock on to it. The kernel lets go of a lock when the last process that has
it is gone, and the first process is gone last, so the lock says for certain whether anything of a
cluster runs.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rig import programs
from rig.site import Site
from servers.errors import ServerError, last_lines

POLL_S = 0.05


class NodeProcess:
    """The first process of a cluster's node, whether it runs or not.

    Args:
        site: The cluster.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    @property
    def running(self) -> bool:
        """Whether a process of the cluster is there, or is about to be."""
        with self.lock() as mine:
            return mine is None

    @contextlib.contextmanager
    def lock(self) -> Iterator[int | None]:
        """The lock that says that the cluster is ours to start or clear; None if it runs."""
        self._site.lock.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._site.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield lock
        except BlockingIOError:
            yield None
        finally:
            os.close(lock)

    def pid(self) -> int:
        """Its pid.

        Raises:
            ServerError: The cluster is not up.
        """
        if self.running:
            parent = self._site.lock.read_text().strip()
            with contextlib.suppress(OSError):
                children = Path("/proc", parent, "task", parent, "children").read_text().split()
                if children:
                    return int(children[0])
        number = self._site.number
        raise ServerError(
            f"cluster {number} is not up. Start it: deploy/cluster up --number {number}"
        )

    def state(self) -> dict[str, Any]:
        """What it says of its programs: ``ready``; ``pid`` and ``restarts`` of each."""
        try:
            return dict(json.loads(self._site.processes.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {"ready": False, "programs": {}}

    def start(self, lock: int, archives: Sequence[Path], *, tied: bool, timeout_s: float) -> None:
        """Starts it and returns when its programs run.

        Args:
            lock: What `lock` gave.
            archives: Images to import before the first pod.
            tied: It ends when this process does, however that ends.
            timeout_s: How long that may take.

        Raises:
            ServerError: It did not come up.
        """
        node = self._launch(lock, archives, tied)
        deadline = time.monotonic() + timeout_s
        own = os.readlink("/proc/self/ns/net")
        connected = False
        while not self.state()["ready"]:
            if node.poll() is not None:
                raise ServerError(f"the node ended: {self._end_of_log()}")
            if time.monotonic() > deadline:
                raise ServerError(f"the node did not come up: {self._end_of_log()}")
            if not connected and os.readlink(f"/proc/{node.pid}/ns/net") != own:
                self._connect(node.pid)
                connected = True
            time.sleep(POLL_S)

    def kill(self) -> bool:
        """Kills it, with which the kernel ends all others; returns whether it ran."""
        if not self.running:
            return False
        with contextlib.suppress(ServerError, ProcessLookupError):
            os.kill(self.pid(), signal.SIGKILL)
        return True

    def _launch(self, lock: int, archives: Sequence[Path], tied: bool) -> subprocess.Popen[bytes]:
        self._site.logs.mkdir(parents=True, exist_ok=True)
        here = Path(__file__).resolve().parents[1]
        os.ftruncate(lock, 0)  # the pid in it is nobody's of ours any more
        held, mine = os.pipe()
        keep = [lock, held] if tied else [lock]
        command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
        command += ["--mount-proc", sys.executable, "-m", "rig.node", str(self._site.number)]
        command += [str(programs.kubernetes()), str(held) if tied else "-", *map(str, archives)]
        with self._log.open("ab") as log:
            node = subprocess.Popen(
                command,
                env={**os.environ, "PYTHONPATH": str(here), "PYTHONDONTWRITEBYTECODE": "1"},
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=keep,
                start_new_session=True,
            )
        os.close(held)
        if not tied:
            os.close(mine)  # else it stays open until this process ends
        os.pwrite(lock, str(node.pid).encode(), 0)
        return node

    def _connect(self, pid: int) -> None:
        """Lays the cable to the node and the routes to its pods and services."""
        site = self._site
        _ip("link", "add", site.link, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        _ip("address", "add", f"{site.machine_address}/24", "dev", site.link)
        _ip("link", "set", site.link, "up")
        for network in (site.pods, site.services):
            _ip("route", "replace", network, "via", site.node_address)

    @property
    def _log(self) -> Path:
        return self._site.logs / "node.log"

    def _end_of_log(self) -> str:
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return f"{last_lines(text)} (logs: {self._site.logs})"


def _ip(*arguments: str) -> None:
    ran = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ServerError(f"ip {' '.join(arguments)}: {ran.stderr.strip()}")
