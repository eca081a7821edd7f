"""Hairpin's image, built by buildah, in a pod that may do as little as possible."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import hairpin
from rig import images

from .conftest import RESTRICTED, Kubernetes

pytestmark = pytest.mark.slow

NAMESPACE = "image"
POD = "image"


@pytest.fixture(scope="module")
def image_pod(cluster: Kubernetes, hairpin_image: str) -> Iterator[str]:
    """A pod of the image where Pod Security is restricted; only its /tmp can be written to."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    container: dict[str, Any] = {
        "name": "main",
        "image": hairpin_image,
        "command": ["sleep", "infinity"],
        "securityContext": RESTRICTED,
        "volumeMounts": [
            {"name": "tmp", "mountPath": "/tmp"},
            {"name": "memory", "mountPath": "/dev/shm"},
        ],
    }
    spec = {
        "terminationGracePeriodSeconds": 0,
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,  # which the kubelet believes of a user that is a number
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [container],
        "volumes": [
            {"name": "tmp", "emptyDir": {}},
            {"name": "memory", "emptyDir": {"medium": "Memory"}},
        ],
    }
    pod = {"metadata": {"name": POD, "namespace": NAMESPACE}, "spec": spec}
    cluster.apply(
        [
            {
                "apiVersion": "v1",
                "kind": "Namespace",
                "metadata": {"name": NAMESPACE, "labels": labels},
            },
            {"apiVersion": "v1", "kind": "Pod", **pod},
        ]
    )
    cluster.wait_for(f"pod/{POD}", "condition=Ready", NAMESPACE)
    yield POD
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def test_it_runs_as_nobody_in_particular_and_can_be_written_to_nowhere(
    cluster: Kubernetes, image_pod: str
) -> None:
    assert cluster.run_in(image_pod, "id", "-u", namespace=NAMESPACE) == "10001\n"
    writable = ["find", "/", "-xdev", "-writable", "-not", "-type", "l"]
    found = cluster.run_in(
        image_pod, "bash", "-c", f"{' '.join(writable)}; true", namespace=NAMESPACE
    )
    assert found == ""


def test_it_has_this_version(cluster: Kubernetes, image_pod: str) -> None:
    said = cluster.run_in(image_pod, "bash", "-lc", "hairpin --version", namespace=NAMESPACE)
    assert said == f"hairpin, version {hairpin.__version__}\n"


def test_the_servers_images_are_those_of_the_chart(
    cluster: Kubernetes, server_images: None
) -> None:
    if cluster.machine is not None:
        listed = cluster.get("nodes")["items"][0]["status"]["images"]
        names = {name for image in listed for name in image["names"]}
        assert set(images.SERVER_IMAGES.values()) <= names
