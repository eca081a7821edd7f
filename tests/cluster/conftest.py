"""A real Kubernetes with KubeRay for all tests that want one: `cluster`, and `namespace` in it.

It is one of this machine's own (``deploy/cluster``), or the one of $HAIRPIN_TEST_KUBECONFIG. There,
$HAIRPIN_TEST_LOAD_IMAGE is the command that takes an image archive, such as
``kind load image-archive``; without it nothing is loaded, and the cluster has the images. It needs
the KubeRay operator and a default storage class.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shlex
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rig import building, images, linking
from rig.client import Client
from rig.cluster import Cluster, start_free

from . import probes
from .probes import Source
from .release import Release

TIMEOUT_S = 120
LOAD_IMAGE = "HAIRPIN_TEST_LOAD_IMAGE"
POD_SECURITY = {"pod-security.kubernetes.io/enforce": "restricted"}
ASK_FOR_CPUS = """
import sys, ray
from ray.autoscaler.sdk import request_resources
ray.init(log_to_driver=False)
request_resources(num_cpus=int(sys.argv[1]))
"""


@dataclass(frozen=True)
class Kubernetes(Client):
    """A cluster, as its administrator sees it.

    Attributes:
        machine: The cluster as a thing of this machine; None if it is somebody else's.
    """

    machine: Cluster | None

    def apply(self, objects: str | dict[str, Any] | list[dict[str, Any]]) -> str:
        """Applies YAML, an object, or a list of objects."""
        if isinstance(objects, list):
            objects = {"apiVersion": "v1", "kind": "List", "items": objects}
        text = objects if isinstance(objects, str) else json.dumps(objects)
        return self.kubectl("apply", "-f", "-", stdin=text)

    def create_namespace(self, name: str) -> None:
        """Makes a namespace in which Pod Security holds pods to its restricted standard."""
        metadata = {"name": name, "labels": POD_SECURITY}
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})

    @contextlib.contextmanager
    def new_namespace(self) -> Iterator[str]:
        """Makes one like it for as long as it is used."""
        name = f"test-{secrets.token_hex(4)}"
        self.create_namespace(name)
        yield name
        self.kubectl("delete", "namespace", name, "--wait=false")

    def wait_for(
        self, what: str, condition: str, namespace: str = "default", timeout_s: int = TIMEOUT_S
    ) -> None:
        """Returns when something (``pod/NAME``) is so (``condition=Ready``, ``delete``)."""
        limit = f"--timeout={timeout_s}s"
        self.kubectl("-n", namespace, "wait", what, f"--for={condition}", limit)

    def pod_ip(self, pod: str, namespace: str = "default") -> str:
        """The address of a pod."""
        return str(self.get("-n", namespace, "pod", pod)["status"]["podIP"])

    def run_in(self, pod: str, *command: str, namespace: str = "default") -> str:
        """What a command prints inside a pod; raises ToolError if it fails."""
        return self.kubectl("-n", namespace, "exec", pod, "--", *command)

    @property
    def wants_images(self) -> bool:
        """Whether images are ours to load; else they are there."""
        return self.machine is not None or LOAD_IMAGE in os.environ

    def load_image(self, archive: Path) -> None:
        """Makes an image available to pods."""
        if self.machine is not None:
            self.machine.load(archive)
            return
        command = [*shlex.split(os.environ[LOAD_IMAGE]), str(archive)]
        subprocess.run(command, env=self.environment, check=True)


@pytest.fixture(scope="package")
def cluster() -> Iterator[Kubernetes]:
    """The cluster that tests share, which has the image that ours are built from."""
    given = os.environ.get("HAIRPIN_TEST_KUBECONFIG")
    if given:
        theirs = Kubernetes(Path(given).expanduser().resolve(), None)
        if theirs.wants_images:
            theirs.load_image(images.base())
        yield theirs
        return
    machine = start_free()
    try:
        ours = Kubernetes(machine.site.kubeconfig, machine)
        ours.load_image(images.base())
        yield ours
    finally:
        machine.down()


@pytest.fixture(scope="package")
def server_images(cluster: Kubernetes) -> None:
    """The cluster has the servers of the chart, under the names that are the chart's defaults."""
    if cluster.wants_images:
        for archive in images.of_the_servers():
            cluster.load_image(archive)


@pytest.fixture(scope="package")
def hairpin_image(cluster: Kubernetes, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The cluster has this working tree's image; its name, which is the chart's default."""
    if cluster.machine is not None:
        linking.load_hairpin(cluster.machine)
    elif cluster.wants_images:
        archive = tmp_path_factory.mktemp("image") / "hairpin.tar"
        with building.built() as image:
            image.save(archive)
        cluster.load_image(archive)
        archive.unlink()
    return building.IMAGE


@pytest.fixture(scope="package")
def installed(
    cluster: Kubernetes,
    hairpin_image: str,
    server_images: None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Release]:
    """The chart, installed once for all tests, which leave it as it is.

    A test that changes it for good installs one of its own.
    """
    name = f"racing-{secrets.token_hex(4)}"
    release = Release(cluster, name, tmp_path_factory.mktemp("helm"))
    release.prepare()
    release.install()
    yield release
    release.remove()


@pytest.fixture(scope="module")
def head(installed: Release) -> Source:
    """The container with driver and learner."""
    return Source(installed.cluster, installed.namespace, installed.head, "ray-head")


@pytest.fixture(scope="module")
def worker(installed: Release, head: Source) -> Iterator[Source]:
    """A rollout worker, which the autoscaler makes because somebody asks for a CPU."""
    head.run("python", "-c", ASK_FOR_CPUS, "1")
    name = installed.wait_for_pod("rollouts")
    yield Source(installed.cluster, installed.namespace, name, "ray-worker")
    head.run("python", "-c", ASK_FOR_CPUS, "0")


@pytest.fixture
def namespace(cluster: Kubernetes) -> Iterator[str]:
    """A namespace of one's own; see `Kubernetes.new_namespace`."""
    with cluster.new_namespace() as name:
        yield name


@pytest.fixture
def pod(cluster: Kubernetes, namespace: str) -> Callable[..., str]:
    """Starts a pod of the base image: ``pod("web", "python3", "-m", "http.server")``.

    It waits until the pod is ready, and returns its name. Keywords are labels.
    """

    def start(name: str, *command: str, port: int | None = None, **labels: str) -> str:
        thing = probes.pod(name, namespace, {"app": name, **labels})
        (container,) = thing["spec"]["containers"]
        if command:
            container["command"] = list(command)
        if port:
            container["ports"] = [{"name": "web", "containerPort": port}]
            container["readinessProbe"] = {"tcpSocket": {"port": port}, "periodSeconds": 1}
        cluster.apply(thing)
        cluster.wait_for(f"pod/{name}", "condition=Ready", namespace)
        return name

    return start
