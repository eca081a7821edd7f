"""The chart's Ray cluster on simulated nodes: as many workers as one likes, and their cost."""

from __future__ import annotations

import calendar
import json
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig.client import Client
from rig.simulation import LABEL, TOLERATION, Pool, wait_until

CHART = Path(__file__).resolve().parents[2] / "helm" / "hairpin"
CAPACITY = "karpenter.sh/capacity-type"  # what ci/spot-values.yaml tells nodes apart by
STAYS = Pool("stays", cpus=4, memory_gi=16, labels={CAPACITY: "on-demand"})
SPOT = Pool(
    "spot",
    cpus=16,
    memory_gi=64,
    labels={CAPACITY: "spot"},
    taints=({"key": "hairpin.io/spot", "value": "true", "effect": "NoSchedule"},),
)
WORKERS_OF_A_NODE = 4  # what a node of `SPOT` has room for
SPARE_NODES = 2
MOST = 1000  # workers
TIMEOUT_S = 180.0
MIB = 1 << 20
COUNTS = ("desiredWorkerReplicas", "readyWorkerReplicas")
METRIC = re.compile(r"^(\w+)(?:\{.*\})? ([0-9.e+-]+)$", re.MULTILINE)

VALUES: dict[str, Any] = {  # Ray alone, on simulated nodes
    "head": {"nodeSelector": LABEL, "tolerations": [TOLERATION]},
    "rolloutWorkers": {
        "max": MOST,
        "nodeSelector": LABEL,
        "tolerations": [TOLERATION, {"key": "hairpin.io/spot", "operator": "Exists"}],
    },
    "s3": {"endpoint": "https://s3.example.org", "existingSecret": "no-key"},
    "minio": {"enabled": False},
    "video": {"enabled": False},
    "mediamtx": {"enabled": False},
    "prometheus": {"enabled": False},
    "grafana": {"enabled": False},
    "check": {"enabled": False},
}
NO_KEY = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "no-key"},
    "stringData": {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nobody"},
}


@dataclass(frozen=True)
class Row:
    """What it took to come to a number of workers.

    Attributes:
        workers: Pods of rollout workers, beside the head.
        bound_s: From asking for them until the scheduler has put the last one on a node; whole
            seconds, as the API writes them.
        ready_s: Until the operator says that all of them are ready.
        fewest: Workers of the spot node with the fewest of them.
        most: Workers of the spot node with the most of them.
        operator_cpu_s: CPU time of the operator for it.
        operator_mib: Memory of the operator after it.
        operator_requests: Requests of the operator to the API for it.
        objects: Objects of the API in its namespace after it, events among them.
        api_mib: Memory of the API server after it.
    """

    workers: int
    bound_s: float
    ready_s: float
    fewest: int
    most: int
    operator_cpu_s: float
    operator_mib: float
    operator_requests: int
    objects: int
    api_mib: float


class Fleet:
    """A Ray cluster of the chart, on simulated nodes.

    Args:
        client: Of the cluster's administrator.
        namespace: Where it is; it exists.
        folder: For files of Helm's.
        name: Of the release and of the Ray cluster.
    """

    def __init__(
        self,
        client: Client,
        namespace: str,
        folder: Path,
        name: str = "hairpin",
    ) -> None:
        self.name = name
        self.namespace = namespace
        self._client = client
        self._folder = folder

    def install(self) -> None:
        """Installs the chart with the values for spot nodes, and no workers yet."""
        self._client.kubectl("-n", self.namespace, "create", "-f", "-", stdin=json.dumps(NO_KEY))
        values = self._folder / "scale.json"
        values.write_text(json.dumps(VALUES), encoding="utf-8")
        spot = CHART / "ci" / "spot-values.yaml"
        self._helm("install", self.name, str(CHART), f"--values={spot}", f"--values={values}")
        wait_until("the head is ready", lambda: self._said("HeadPodReady"), TIMEOUT_S)

    def uninstall(self) -> None:
        """Uninstalls it, and returns when its pods are gone."""
        self._helm("uninstall", self.name)
        self._client.kubectl("-n", self.namespace, "delete", "secret", "no-key")
        wait_until("its pods are gone", lambda: not self.pods(), TIMEOUT_S)

    def ask_for(self, workers: int) -> None:
        """Asks for workers, as Ray's autoscaler does."""
        change = {"op": "add", "path": "/spec/workerGroupSpecs/0/replicas", "value": workers}
        patch = ["patch", "raycluster", self.name, "--type=json", "-p", json.dumps([change])]
        self._client.kubectl("-n", self.namespace, *patch)

    def wait(self, workers: int, timeout_s: float = TIMEOUT_S) -> None:
        """Returns when the operator says that so many workers are ready, no more and no less."""

        def ready() -> bool:
            status = self._get("raycluster", self.name)["status"]
            counts = {status.get(key, 0) for key in COUNTS}
            return counts == {workers} and self._said("HeadPodReady")

        wait_until(f"{workers} workers are ready", ready, timeout_s)

    def pods(self, component: str | None = None) -> list[dict[str, Any]]:
        """Its pods, or those of a component: ``head``, ``rollouts``."""
        selector = f"app.kubernetes.io/instance={self.name}"
        if component:
            selector += f",app.kubernetes.io/component={component}"
        return list(self._get("pods", "-l", selector)["items"])

    def measure(self, workers: int) -> Row:
        """Asks for workers and says what it took until they are ready."""
        operator, begun = self._operator(), time.monotonic()
        old = {pod["metadata"]["uid"] for pod in self.pods("rollouts")}
        asked = time.time()
        self.ask_for(workers)
        self.wait(workers)
        ready_s = time.monotonic() - begun
        pods = self.pods("rollouts")
        bound = [_bound(pod) for pod in pods if pod["metadata"]["uid"] not in old]
        after, api = self._operator(), self._metrics("/metrics")
        share = per_node(pods)
        counts = [share.get(name, 0) for name in self._nodes("spot")]
        return Row(
            workers=workers,
            bound_s=max(0.0, max(bound, default=asked) - asked),
            ready_s=ready_s,
            fewest=min(counts),
            most=max(counts),
            operator_cpu_s=after["process_cpu_seconds_total"]
            - operator["process_cpu_seconds_total"],
            operator_mib=after["process_resident_memory_bytes"] / MIB,
            operator_requests=int(
                after["rest_client_requests_total"] - operator["rest_client_requests_total"]
            ),
            objects=self._count_objects(),
            api_mib=api["process_resident_memory_bytes"] / MIB,
        )

    def vanish(self) -> float:
        """Removes a spot node with all that is on it, unasked; returns when all workers are back.

        Returns:
            The seconds until then.
        """
        pods = self.pods("rollouts")
        node = max(per_node(pods).items(), key=lambda item: item[1])[0]
        begun = time.monotonic()
        self._client.kubectl("delete", "node", node)
        gone = {pod["metadata"]["uid"] for pod in pods if pod["spec"]["nodeName"] == node}

        def buried() -> bool:
            return not gone & {pod["metadata"]["uid"] for pod in self.pods("rollouts")}

        wait_until("the cluster gives up the pods of a node that is gone", buried, TIMEOUT_S)
        self.wait(len(pods))
        return time.monotonic() - begun

    def _count_objects(self) -> int:
        asked = ["api-resources", "--namespaced", "--verbs=list", "--output=name"]
        kinds = ",".join(self._client.kubectl(*asked).split())
        return len(self._client.kubectl("-n", self.namespace, "get", kinds, "-o", "name").split())

    def _nodes(self, capacity: str) -> list[str]:
        selector = ["-l", f"{CAPACITY}={capacity}", "-o", "name"]
        return [
            name.partition("/")[2]
            for name in self._client.kubectl("get", "node", *selector).split()
        ]

    def _operator(self) -> dict[str, float]:
        selector = "app.kubernetes.io/component=kuberay-operator"
        metadata = self._client.get("pods", "-A", "-l", selector)["items"][0]["metadata"]
        pod = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}:8080"
        return self._metrics(f"{pod}/proxy/metrics")

    def _metrics(self, path: str) -> dict[str, float]:
        """The sum of each metric over all its labels."""
        found: dict[str, float] = {}
        for name, value in METRIC.findall(self._client.kubectl("get", "--raw", path)):
            found[name] = found.get(name, 0.0) + float(value)
        return found

    def _said(self, condition: str) -> bool:
        status = self._get("raycluster", self.name).get("status", {})
        return any(
            each["type"] == condition and each["status"] == "True"
            for each in status.get("conditions", ())
        )

    def _get(self, *arguments: str) -> Any:
        return self._client.get("-n", self.namespace, *arguments)

    def _helm(self, *arguments: str) -> None:
        self._client.helm("--namespace", self.namespace, *arguments, home=self._folder)


def nodes_for(workers: int) -> int:
    """How many spot nodes so many workers get, with some to spare."""
    return -(-workers // WORKERS_OF_A_NODE) + SPARE_NODES


def per_node(pods: Iterable[dict[str, Any]]) -> dict[str, int]:
    """How many of these pods each node has."""
    counts: dict[str, int] = {}
    for pod in pods:
        name = pod["spec"].get("nodeName", "")
        counts[name] = counts.get(name, 0) + 1
    return counts


def _bound(pod: dict[str, Any]) -> float:
    """When a pod was put on a node, in seconds of the epoch."""
    (at,) = (
        each["lastTransitionTime"]
        for each in pod["status"]["conditions"]
        if each["type"] == "PodScheduled"
    )
    return float(calendar.timegm(time.strptime(at, "%Y-%m-%dT%H:%M:%SZ")))
