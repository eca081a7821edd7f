"""The chart, installed in the tests' cluster, and how tests reach what it brings."""

from __future__ import annotations

import base64
import json
import re
import subprocess
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from rig.fleet import CHART

if TYPE_CHECKING:
    from .conftest import Kubernetes

VALUES = (CHART / "ci" / "laptop-values.yaml", Path(__file__).with_name("values.yaml"))
TIMEOUT_S = 120
FORWARDED = re.compile(r"Forwarding from 127\.0\.0\.1:(\d+) ")
DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass
class Release:
    """An installation of the chart.

    Attributes:
        cluster: Where it is.
        namespace: Its namespace.
        home: An empty folder for Helm's own files.
        name: The release, and the RayCluster.
        values: Arguments of every install and upgrade.
    """

    cluster: Kubernetes
    namespace: str
    home: Path
    name: str = "hairpin"
    values: tuple[str, ...] = tuple(word for path in VALUES for word in ("--values", str(path)))
    _forwards: dict[str, Forward] = field(default_factory=dict, repr=False)

    def helm(self, *arguments: str) -> str:
        """What Helm prints, in the release's namespace; raises ToolError if it fails."""
        return self.cluster.helm("--namespace", self.namespace, *arguments, home=self.home)

    def prepare(self) -> None:
        """Makes the namespace, which is restricted."""
        self.cluster.create_namespace(self.namespace)

    def install(self, *arguments: str) -> str:
        """Installs it and waits until all of it answers."""
        said = self.helm("install", self.name, str(CHART), "--wait", *self.values, *arguments)
        self.wait_until_ready()
        return said

    def upgrade(self, *arguments: str) -> str:
        """Upgrades it, to the values of the installation and what is given."""
        return self.helm("upgrade", self.name, str(CHART), "--wait", *self.values, *arguments)

    def wait_until_ready(self) -> None:
        """Returns when the Ray cluster is ready, which Helm does not know to wait for."""
        condition = "condition=RayClusterProvisioned"
        self.cluster.wait_for(f"raycluster/{self.name}", condition, self.namespace)

    def remove(self) -> None:
        """Uninstalls it if it is there, and takes its namespace away."""
        for forward in self._forwards.values():
            forward.end()
        self.helm("uninstall", self.name, "--ignore-not-found")
        self.cluster.kubectl("delete", "namespace", self.namespace, "--wait=false")

    def kubectl(self, *arguments: str) -> str:
        """What kubectl prints, in the release's namespace."""
        return self.cluster.kubectl("-n", self.namespace, *arguments)

    def get(self, *arguments: str) -> Any:
        """The parsed answer of ``kubectl get``, in the release's namespace."""
        return self.cluster.get("-n", self.namespace, *arguments)

    def pods(self, component: str) -> list[dict[str, Any]]:
        """The pods of a component (``head``, ``rollouts``, ``minio``...) that are not ending."""
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"
        found = self.get("pods", "-l", selector)["items"]
        return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]

    def pod(self, component: str) -> str:
        """The name of a component's one pod."""
        (pod,) = self.pods(component)
        return str(pod["metadata"]["name"])

    def wait_for_pod(self, component: str) -> str:
        """The name of a component's first pod, when there is one and it is ready."""
        selector = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"
        limit = f"--timeout={TIMEOUT_S}s"
        for condition in ("create", "condition=Ready"):
            self.kubectl("wait", "pods", "-l", selector, f"--for={condition}", limit)
        return str(self.pods(component)[0]["metadata"]["name"])

    @property
    def head(self) -> str:
        """The pod with driver and learner."""
        return self.pod("head")

    def secret(self, name: str) -> dict[str, str]:
        """A secret's keys and values, in clear."""
        data = self.get("secret", name)["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def forward(self, component: str, port: int) -> int:
        """A port of this machine that leads to a port of a component's one pod.

        It stays the same for as long as the pod does.
        """
        (pod,) = self.pods(component)
        key = f"{pod['metadata']['uid']}:{port}"  # a server's next pod has the same name
        found = self._forwards.get(key)
        if found is None or found.process.poll() is not None:
            found = self._forwards[key] = Forward(self, pod["metadata"]["name"], port)
        return found.port

    @property
    def ray_address(self) -> str:
        """Where this machine reaches the job API: ask again when the head is another one."""
        return f"http://127.0.0.1:{self.forward('head', 8265)}"

    @property
    def token(self) -> str:
        """Ray's token."""
        return self.secret(self.name)["auth_token"]

    @property
    def ray_env(self) -> dict[str, str]:
        """The variables with which ``ray job`` and ``hairpin submit`` reach it from here."""
        return {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": self.token,
            "RAY_ADDRESS": self.ray_address,
        }

    @property
    def store_env(self) -> dict[str, str]:
        """The variables with which this machine reaches the store, with the driver's key."""
        return {
            **self.secret(f"{self.name}-s3"),
            "HAIRPIN_S3_ENDPOINT": f"http://127.0.0.1:{self.forward('minio', 9000)}",
            "HAIRPIN_STORAGE": "s3://hairpin",
        }

    def video_url(self, path: str) -> str:
        """The address of a stream (``RUN/eval``) for a viewer on this machine."""
        login = self.secret(f"{self.name}-video")
        user = f"{login['reader-user']}:{login['reader-password']}"
        return f"rtsp://{user}@127.0.0.1:{self.forward('mediamtx', 8554)}/{path}"

    def prometheus(self, query: str) -> list[dict[str, Any]]:
        """What Prometheus answers to a query: its ``result``."""
        asked = urllib.parse.urlencode({"query": query})
        url = f"http://127.0.0.1:{self.forward('prometheus', 9090)}/api/v1/query?{asked}"
        with DIRECT.open(url, timeout=20) as answer:
            found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
        return found


class Forward:
    """``kubectl port-forward`` from a free port of this machine to a pod."""

    def __init__(self, release: Release, pod: str, port: int) -> None:
        command = [str(release.cluster.kubectl_path), "--namespace", release.namespace]
        self.process = subprocess.Popen(
            [*command, "port-forward", f"pod/{pod}", f":{port}", "--address=127.0.0.1"],
            env=release.cluster.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.port = self._read_port(self._stdout)

    @property
    def _stdout(self) -> IO[str]:
        assert self.process.stdout is not None
        return self.process.stdout

    def _read_port(self, said: IO[str]) -> int:
        line = said.readline()
        found = FORWARDED.match(line)
        assert found, f"kubectl port-forward said {line!r}"
        return int(found[1])

    def end(self) -> None:
        """Ends it."""
        self.process.terminate()
        self.process.wait()
        self._stdout.close()
