"""Nodes and pods that are in a cluster's API alone: as many as one likes, on any cluster.

kwok (sigs.k8s.io/kwok) says of such nodes that they are ready, and of pods bound to them that they
run. All else is real: the API server, the scheduler, the controllers, the KubeRay operator.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rig import programs
from rig.addons import MANIFESTS
from rig.client import Client
from servers.errors import ServerError, last_lines

ANNOTATION = "kwok.x-k8s.io/node"
TAINT = {"key": "hairpin.io/simulated", "value": "true", "effect": "NoSchedule"}
"""Keeps pods away that do not ask for simulated nodes."""

TOLERATION = {"key": TAINT["key"], "operator": "Exists"}
LABEL = {TAINT["key"]: "true"}
ADDRESSES = "198.18.0.0/15"  # RFC 2544: for tests, nobody's
READY_TIMEOUT_S = 60
POLL_S = 0.1


@dataclass(frozen=True)
class Pool:
    """Nodes of one kind.

    Attributes:
        name: What their names begin with.
        cpus: CPUs of each.
        memory_gi: Memory of each.
        labels: Labels of each, beside `LABEL`.
        taints: Taints of each, beside `TAINT`.
    """

    name: str
    cpus: int
    memory_gi: int
    labels: dict[str, str] = field(default_factory=dict)
    taints: tuple[dict[str, str], ...] = ()

    def node(self, number: int) -> dict[str, Any]:
        """One of them, as an object of the API."""
        name = f"simulated-{self.name}-{number}"
        room = {"cpu": str(self.cpus), "memory": f"{self.memory_gi}Gi", "pods": "110"}
        room["ephemeral-storage"] = "500Gi"
        labels = {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux"}
        return {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {
                "name": name,
                "annotations": {ANNOTATION: "fake"},
                "labels": {**labels, **LABEL, **self.labels},
            },
            "spec": {"taints": [TAINT, *self.taints]},
            "status": {"allocatable": room, "capacity": room},
        }


class Simulation:
    """Simulated nodes of a cluster, while `running`.

    Args:
        client: Of the cluster's administrator.
        folder: An empty folder.
    """

    def __init__(self, client: Client, folder: Path) -> None:
        self._client = client
        self._folder = folder

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Runs kwok, and removes all simulated nodes in the end, with what is on them."""
        log = self._folder / "kwok.log"
        command = [str(programs.kubernetes() / "kwok"), f"--kubeconfig={self._client.kubeconfig}"]
        command += [f"--config={MANIFESTS / 'simulation.yaml'}"]
        command += [f"--manage-nodes-with-annotation-selector={ANNOTATION}=fake"]
        command += ["--node-lease-duration-seconds=40", f"--cidr={ADDRESSES}"]
        with log.open("wb") as output:
            kwok = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        try:
            yield
            if kwok.poll() is not None:
                said = last_lines(log.read_text(encoding="utf-8", errors="replace"))
                raise ServerError(f"kwok ended: {said}")
        finally:
            self._clear()
            kwok.terminate()
            kwok.wait()

    def add(self, pool: Pool, number: int, first: int = 0) -> list[str]:
        """Adds nodes, and returns their names when they are ready.

        Args:
            pool: What they are like.
            number: How many.
            first: The number in the name of the first one.

        Raises:
            ServerError: They do not become ready.
        """
        nodes = [pool.node(first + each) for each in range(number)]
        listed = {"apiVersion": "v1", "kind": "List", "items": nodes}
        self._client.kubectl("create", "-f", "-", stdin=json.dumps(listed))
        names = [node["metadata"]["name"] for node in nodes]
        limit = f"--timeout={READY_TIMEOUT_S}s"
        self._client.kubectl(
            "wait", "--for=condition=Ready", limit, *[f"node/{name}" for name in names]
        )
        return names

    def nodes(self) -> list[dict[str, Any]]:
        """All simulated nodes."""
        selector = ",".join(f"{key}={value}" for key, value in LABEL.items())
        return list(self._client.get("nodes", "-l", selector)["items"])

    def _clear(self) -> None:
        """Removes all simulated nodes, and what is on them, which nobody else would say is gone."""
        names = [node["metadata"]["name"] for node in self.nodes()]
        if not names:
            return
        self._client.kubectl("delete", "node", "--wait=false", *names)
        for pod in self._client.get("pods", "-A")["items"]:
            if pod["spec"].get("nodeName") in names:
                namespace, name = (pod["metadata"][key] for key in ("namespace", "name"))
                force = ["--force", "--grace-period=0", "--ignore-not-found"]
                self._client.kubectl("-n", namespace, "delete", "pod", name, *force)


def wait_until(what: str, true: Any, timeout_s: float) -> None:
    """Returns when something is so.

    Raises:
        ServerError: It is not, within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while not true():
        if time.monotonic() > deadline:
            raise ServerError(f"not within {timeout_s:.0f} s: {what}")
        time.sleep(POLL_S)
