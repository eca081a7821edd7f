"""A cluster on this machine: started, looked at, and ended without a trace."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from rig import addons, certificates, cgroups, images, machine, programs
from rig.client import Client
from rig.components import CONTAINERD_SOCKET
from rig.process import POLL_S, NodeProcess
from rig.site import NUMBERS, Site
from servers.errors import ServerError, last_lines

UP_TIMEOUT_S = 300.0
DOWN_TIMEOUT_S = 60.0


class AlreadyUp(ServerError):
    """The cluster that was to be started runs."""


class Cluster:
    """One cluster of this machine.

    Args:
        number: Which one, of `rig.site.NUMBERS`.

    Attributes:
        site: Where it is.
        client: Of its administrator.
    """

    def __init__(self, number: int = 0) -> None:
        if number not in NUMBERS:
            raise ServerError(f"there is no cluster {number}; they are 0 to {NUMBERS[-1]}")
        self.site = Site(number)
        self.client = Client(self.site.kubeconfig)
        self._process = NodeProcess(self.site)

    def __repr__(self) -> str:
        return f"Cluster({self.site.number})"

    @property
    def running(self) -> bool:
        """Whether a process of it is there, or is about to be."""
        return self._process.running

    def up(self, *, tied: bool = False) -> None:
        """Starts the cluster from nothing and returns when pods can run in it.

        Args:
            tied: It ends when this process does, however that ends.

        Raises:
            AlreadyUp: It runs.
            ServerError: Something is missing, or a program failed.
        """
        machine.check()
        archives = images.of_the_node()
        with self._process.lock() as lock:
            if lock is None:
                raise AlreadyUp(
                    f"cluster {self.site.number} is up already: deploy/cluster status, "
                    f"or deploy/cluster down --number {self.site.number}"
                )
            self._clear()
            begun = time.monotonic()
            certificates.make(self.site)
            try:
                self._process.start(lock, archives, tied=tied, timeout_s=UP_TIMEOUT_S)
                self._say(begun, "the API answers")
                addons.apply(self.site, self.client)
                addons.wait(self.site, self.client, UP_TIMEOUT_S)
                self._say(begun, "the node, the name server and the KubeRay operator are ready")
            except BaseException:
                self._process.kill()
                raise

    def down(self) -> bool:
        """Ends the cluster and removes everything of it but its logs.

        Returns:
            Whether it ran.
        """
        ran = self._process.kill()
        deadline = time.monotonic() + DOWN_TIMEOUT_S
        while True:
            with self._process.lock() as lock:
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
        self._process.kill()

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
            raise ServerError(f"{archive} cannot be loaded: {last_lines(ran.stderr)}")

    def inside(self, *command: str) -> list[str]:
        """The command that runs a command on the node.

        Raises:
            ServerError: The cluster is not up.
        """
        enter = ["nsenter", "--target", str(self._process.pid()), "--mount", "--net", "--pid"]
        path = f"PATH={programs.kubernetes()}:{os.environ['PATH']}"
        return [*enter, "env", path, f"CONTAINERD_ADDRESS={CONTAINERD_SOCKET}", *command]

    def status(self) -> dict[str, Any]:
        """What runs: ``up`` and, if so, ``ready``, ``programs``, ``node`` and ``pods``."""
        found: dict[str, Any] = {"number": self.site.number, "up": self.running}
        if not found["up"]:
            return found
        found |= self._process.state()
        found["kubeconfig"] = str(self.site.kubeconfig)
        if found["ready"]:
            nodes = self.client.get("nodes")["items"]
            found["nodes"] = {
                node["metadata"]["name"]: _condition(node, "Ready") == "True" for node in nodes
            }
            pods = self.client.get("pods", "-A")["items"]
            found["pods"] = {
                f"{pod['metadata']['namespace']}/{pod['metadata']['name']}": pod["status"]["phase"]
                for pod in pods
            }
        return found

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

    def _say(self, begun: float, what: str) -> None:
        took_s = time.monotonic() - begun
        print(f"cluster {self.site.number}: {took_s:5.1f} s  {what}", file=sys.stderr, flush=True)


def free() -> Cluster:
    """A cluster that does not run, one of the upper half: people take the others.

    Raises:
        ServerError: All of them run.
    """
    numbers = list(NUMBERS[len(NUMBERS) // 2 :])
    random.shuffle(numbers)  # two processes that look at the same time seldom find the same one
    for number in numbers:
        cluster = Cluster(number)
        if not cluster.running:
            return cluster
    raise ServerError(f"clusters are up; end one: deploy/cluster down --number {numbers[0]}")


def start_free() -> Cluster:
    """Starts a cluster that ends with this process, one that nobody else has.

    Raises:
        ServerError: All of them run, something is missing, or a program failed.
    """
    while True:
        cluster = free()
        with contextlib.suppress(AlreadyUp):  # somebody took it a moment ago
            cluster.up(tied=True)
            return cluster


def _condition(item: dict[str, Any], kind: str) -> str:
    conditions = item["status"].get("conditions", ())
    return next((each["status"] for each in conditions if each["type"] == kind), "Unknown")
