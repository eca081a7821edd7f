"""A cluster on this machine: started, looked at, and ended without a trace."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rig import addons, certificates, cgroups, images, programs
from rig.components import CONTAINERD_SOCKET
from rig.site import NUMBERS, Site
from servers.errors import ServerError

UP_TIMEOUT_S = 300.0
DOWN_TIMEOUT_S = 60.0
POLL_S = 0.05
LOG_LINES_SHOWN = 3

NEEDED = {  # program: Debian's package
    "ip": "iproute2",
    "iptables": "iptables",
    "nft": "nftables",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "runc": "runc",
    "unshare": "util-linux",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
}


class Cluster:
    """One cluster of this machine.

    Args:
        number: Which one, of `rig.site.NUMBERS`.
    """

    def __init__(self, number: int = 0) -> None:
        if number not in NUMBERS:
            raise ServerError(f"there is no cluster {number}; they are 0 to {NUMBERS[-1]}")
        self.site = Site(number)

    def __repr__(self) -> str:
        return f"Cluster({self.site.number})"

    @property
    def running(self) -> bool:
        """Whether a process of it is there, or is about to be."""
        with self._lock() as mine:
            return mine is None

    def up(self, *, tied: bool = False) -> None:
        """Starts the cluster from nothing and returns when pods can run in it.

        Args:
            tied: It ends when this process does, however that ends.

        Raises:
            ServerError: It runs already, something is missing, or a program failed.
        """
        _check_machine()
        archives = images.of_the_node()
        with self._lock() as lock:
            if lock is None:
                raise ServerError(
                    f"cluster {self.site.number} is up already: deploy/cluster status, "
                    f"or deploy/cluster down --number {self.site.number}"
                )
            self._clear()
            begun = time.monotonic()
            certificates.make(self.site)
            try:
                self._start_node(lock, archives, tied)
                self._say(begun, "the API answers")
                addons.apply(self.site, self.kubectl)
                addons.wait(self.site, self.kubectl, UP_TIMEOUT_S)
                self._say(begun, "the node, the name server and the KubeRay operator are ready")
            except BaseException:
                self._end()
                raise

    def down(self) -> bool:
        """Ends the cluster and removes everything of it but its logs.

        Returns:
            Whether it ran.
        """
        ran = self._end()
        deadline = time.monotonic() + DOWN_TIMEOUT_S
        while True:
            with self._lock() as lock:
                if lock is not None:
                    self._clear()
                    return ran
            if time.monotonic() > deadline:
                raise ServerError(
                    f"processes of cluster {self.site.number} do not end; its logs: "
                    f"{self.site.logs}"
                )
            time.sleep(POLL_S)

    def kill(self) -> None:
        """Ends its processes as a crash of the node would, and cleans nothing up."""
        self._end()

    def load(self, archive: Path) -> None:
        """Makes an image available to pods.

        Args:
            archive: An image as an OCI or Docker archive.

        Raises:
            ServerError: The cluster is not up, or there is no such image.
        """
        if not archive.is_file():
            raise ServerError(f"there is no image archive {archive}")
        command = ["ctr", "-n", "k8s.io", "images", "import", "--local", str(archive.resolve())]
        ran = subprocess.run(self.inside(*command), capture_output=True, text=True, check=False)
        if ran.returncode:
            raise ServerError(f"{archive} cannot be loaded: {_last_lines(ran.stderr)}")

    def inside(self, *command: str) -> list[str]:
        """The command that runs a command on the node.

        Raises:
            ServerError: The cluster is not up.
        """
        enter = ["nsenter", "--target", str(self._node()), "--mount", "--net", "--pid"]
        path = f"PATH={programs.kubernetes()}:{os.environ['PATH']}"
        return [*enter, "env", path, f"CONTAINERD_ADDRESS={CONTAINERD_SOCKET}", *command]

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """What kubectl prints, as the cluster's administrator.

        Raises:
            ServerError: It failed.
        """
        ran = subprocess.run(
            [str(programs.kubernetes() / "kubectl"), *arguments],
            env={**os.environ, "KUBECONFIG": str(self.site.kubeconfig)},
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
        )
        if ran.returncode:
            raise ServerError(f"kubectl {' '.join(arguments)}: {_last_lines(ran.stderr)}")
        return ran.stdout

    def status(self) -> dict[str, Any]:
        """What runs: ``up`` and, if so, ``ready``, ``programs``, ``node`` and ``pods``."""
        found: dict[str, Any] = {"number": self.site.number, "up": self.running}
        if not found["up"]:
            return found
        found |= self._processes()
        found["kubeconfig"] = str(self.site.kubeconfig)
        if found["ready"]:
            nodes = json.loads(self.kubectl("get", "nodes", "-o", "json"))["items"]
            found["nodes"] = {
                node["metadata"]["name"]: _condition(node, "Ready") == "True" for node in nodes
            }
            pods = json.loads(self.kubectl("get", "pods", "-A", "-o", "json"))["items"]
            found["pods"] = {
                f"{pod['metadata']['namespace']}/{pod['metadata']['name']}": pod["status"]["phase"]
                for pod in pods
            }
        return found

    def _start_node(self, lock: int, archives: list[Path], tied: bool) -> None:
        self.site.logs.mkdir(parents=True, exist_ok=True)
        here = Path(__file__).resolve().parents[1]
        held, mine = os.pipe()
        keep = [lock, held] if tied else [lock]
        command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"]
        command += ["--mount-proc", sys.executable, "-m", "rig.node", str(self.site.number)]
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
        os.ftruncate(lock, 0)
        os.pwrite(lock, str(node.pid).encode(), 0)
        deadline = time.monotonic() + UP_TIMEOUT_S
        own = os.readlink("/proc/self/ns/net")
        connected = False
        while not self._processes()["ready"]:
            if node.poll() is not None:
                raise ServerError(f"the node ended: {self._end_of_log()}")
            if time.monotonic() > deadline:
                raise ServerError(f"the node did not come up: {self._end_of_log()}")
            if not connected and os.readlink(f"/proc/{node.pid}/ns/net") != own:
                self._connect(node.pid)
                connected = True
            time.sleep(POLL_S)

    def _connect(self, pid: int) -> None:
        """Lays the cable to the node and the routes to its pods and services."""
        site = self.site
        _ip("link", "add", site.link, "type", "veth", "peer", "name", "eth0", "netns", str(pid))
        _ip("address", "add", f"{site.machine_address}/24", "dev", site.link)
        _ip("link", "set", site.link, "up")
        for network in (site.pods, site.services):
            _ip("route", "replace", network, "via", site.node_address)

    def _end(self) -> bool:
        """Kills the node's first process, with which the kernel ends all others."""
        with self._lock() as lock:
            if lock is not None:
                return False
        with contextlib.suppress(ServerError, ProcessLookupError):
            os.kill(self._node(), signal.SIGKILL)
        return True

    def _clear(self) -> None:
        """Removes what processes that are gone have left behind."""
        cgroups.remove(self.site.name)
        subprocess.run(["ip", "link", "delete", self.site.link], stderr=subprocess.DEVNULL)
        for path in self.site.folder.glob("*"):
            if path != self.site.logs:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        # Removing it would unmount it in the namespaces of clusters that run.
        others = (Cluster(number) for number in NUMBERS if number != self.site.number)
        if not any(other.running for other in others):
            with contextlib.suppress(OSError):  # in use by a kubelet of the machine's own
                os.rmdir("/var/lib/kubelet")

    @contextlib.contextmanager
    def _lock(self) -> Iterator[int | None]:
        """The lock that says that the cluster is ours to start or clear; None if it runs.

        Whoever starts the node hands the lock on to it. The kernel lets go of it when the last
        process that has it is gone, and the node's first process is gone last.
        """
        self.site.lock.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.site.lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield lock
        except BlockingIOError:
            yield None
        finally:
            os.close(lock)

    def _node(self) -> int:
        """The pid of the node's first process.

        Raises:
            ServerError: The cluster is not up.
        """
        if self.running:
            parent = self.site.lock.read_text().strip()
            with contextlib.suppress(OSError):
                children = Path("/proc", parent, "task", parent, "children").read_text().split()
                if children:
                    return int(children[0])
        raise ServerError(
            f"cluster {self.site.number} is not up. "
            f"Start it: deploy/cluster up --number {self.site.number}"
        )

    def _processes(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.site.processes.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return {"ready": False, "programs": {}}

    @property
    def _log(self) -> Path:
        return self.site.logs / "node.log"

    def _end_of_log(self) -> str:
        text = self._log.read_text(encoding="utf-8", errors="replace")
        return f"{_last_lines(text)} (logs: {self.site.logs})"

    def _say(self, begun: float, what: str) -> None:
        took_s = time.monotonic() - begun
        print(f"cluster {self.site.number}: {took_s:5.1f} s  {what}", file=sys.stderr, flush=True)


def free() -> Cluster:
    """A cluster that does not run.

    Raises:
        ServerError: All of them run.
    """
    for number in reversed(NUMBERS):  # the first ones are what people take
        cluster = Cluster(number)
        if not cluster.running:
            return cluster
    raise ServerError("all clusters are up; end one: deploy/cluster down --number 1")


def _check_machine() -> None:
    if platform.system() != "Linux" or os.geteuid():
        raise ServerError("a cluster of one's own needs Linux and root; kind and k3d do not")
    missing = sorted({package for name, package in NEEDED.items() if not shutil.which(name)})
    if missing:
        raise ServerError(f"programs are missing. Install: apt-get install {' '.join(missing)}")


def _condition(item: dict[str, Any], kind: str) -> str:
    conditions = item["status"].get("conditions", ())
    return next((each["status"] for each in conditions if each["type"] == kind), "Unknown")


def _ip(*arguments: str) -> None:
    ran = subprocess.run(["ip", *arguments], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ServerError(f"ip {' '.join(arguments)}: {ran.stderr.strip()}")


def _last_lines(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-LOG_LINES_SHOWN:]) or "it said nothing"
