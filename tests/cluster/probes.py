"""Containers that connections are tried from, so that paths between pods are proven by packets."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rig import images

if TYPE_CHECKING:
    from .conftest import Kubernetes

RESTRICTED = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "readOnlyRootFilesystem": True,
}
NAME = "probe"
USER = 10001
LIVES_S = 3600
# Tries every [host, port] of a list at once: connects, or at port 53 asks for a name.
TRY = """
import json, socket, sys
from concurrent.futures import ThreadPoolExecutor
labels = [b"kubernetes", b"default", b"svc", b"cluster", b"local", b""]
name = b"".join(bytes([len(label)]) + label for label in labels)
question = b"\\x12\\x34\\x01\\x00\\x00\\x01" + bytes(6) + name + b"\\x00\\x01\\x00\\x01"
def opens(place):
    host, port = place
    try:
        if port != 53:
            socket.create_connection((host, port), 3).close()
            return True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(3)
            asking.connect((host, port))
            asking.send(question)
            return asking.recv(512)[:2] == question[:2]
    except OSError:
        return False
places = json.loads(sys.argv[1])
with ThreadPoolExecutor(len(places)) as pool:
    print(json.dumps(list(pool.map(opens, places))))
"""


@dataclass(frozen=True)
class Source:
    """A container that has a Python, where connections begin."""

    cluster: Kubernetes
    namespace: str
    pod: str
    container: str

    def run(self, *command: str) -> str:
        """What a command prints inside it."""
        where = ("-n", self.namespace, "exec", self.pod, "-c", self.container)
        return self.cluster.kubectl(*where, "--", *command)

    def opens(self, places: Sequence[tuple[str, int]]) -> list[bool]:
        """Which of these addresses and ports it gets an answer from: TCP, and UDP for names."""
        answers: list[bool] = json.loads(self.run("python3", "-c", TRY, json.dumps(places)))
        return answers


def pod(name: str, namespace: str, labels: dict[str, str]) -> dict[str, Any]:
    """A pod that waits to be used as a source: a thing to apply."""
    container = {
        "name": NAME,
        "image": images.BASE_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"],
        "securityContext": RESTRICTED,
    }
    spec = {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "containers": [container],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def enter(cluster: Kubernetes, namespace: str, pod: str) -> Source:
    """A container beside those of a pod whose image has no Python: it shares the pod's network.

    It stays until it ends by itself, for no container can be taken out of a pod.
    """
    container = f"{NAME}-{secrets.token_hex(2)}"
    how = ("--profile=restricted", f"--image={images.BASE_IMAGE}", f"--container={container}")
    user = json.dumps({"securityContext": {"runAsUser": USER}})
    command = ("--custom=/dev/stdin", "--", "sleep", str(LIVES_S))
    cluster.kubectl("-n", namespace, "debug", pod, *how, *command, stdin=user)
    state = f"{{.status.ephemeralContainerStatuses[?(@.name=='{container}')].state.running}}"
    cluster.wait_for(f"pod/{pod}", f"jsonpath={state}", namespace)
    return Source(cluster, namespace, pod, container)
