"""Hairpin's image, built by buildah, in a pod that may do as little as possible."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement

import hairpin
from rig import building

from .conftest import Kubernetes
from .probes import RESTRICTED

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "image"
POD = "image"
RAY = "ray start --head --num-cpus=2 --object-store-memory=100000000 --block"
COMPILERS = "gcc cc c++ g++ clang as ld tcc make cmake nvcc ptxas rustc cargo go javac"
LEFT_OVER = (
    "/source /wheel /tools /code ~root/.cache /var/cache/uv /var/lib/apt/lists /var/cache/apt"
)
STALE = """
import pathlib, struct
for file in pathlib.Path("/opt/hairpin/lib").rglob("site-packages/hairpin/**/*.py"):
    (code,) = file.parent.glob(f"__pycache__/{file.stem}.cpython-*.pyc")
    (flags,) = struct.unpack("<4xI", code.read_bytes()[:8])
    if flags != 1:
        print(code)
"""
INSTALLED = """
import importlib.metadata, json
print(json.dumps({each.name: each.version for each in importlib.metadata.distributions()}))
"""
CONTENT = """
import importlib.metadata
print(*sorted({file.parts[0] for file in importlib.metadata.files("hairpin")}))
"""


@pytest.fixture(scope="module")
def described(hairpin_image: str) -> dict[str, Any]:
    """The image's configuration."""
    with building.built() as image:
        return dict(image.described()["Docker"]["config"])


@pytest.fixture(scope="module")
def image_pod(cluster: Kubernetes, hairpin_image: str, described: dict[str, Any]) -> Iterator[str]:
    """A pod with a Ray node where Pod Security is restricted; only its /tmp can be written to.

    It is ready when the image's own health check says so.
    """
    container: dict[str, Any] = {
        "name": "main",
        "image": hairpin_image,
        "command": ["bash", "-lc", RAY],  # a login shell, as KubeRay has it
        "securityContext": RESTRICTED,
        "readinessProbe": {
            "exec": {"command": described["Healthcheck"]["Test"][1:]},
            "periodSeconds": 1,
            "timeoutSeconds": 10,
        },
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
    metadata = {"name": POD, "namespace": NAMESPACE}
    cluster.create_namespace(NAMESPACE)
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    cluster.wait_for(f"pod/{POD}", "condition=Ready", NAMESPACE)
    yield POD
    cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def says(cluster: Kubernetes, command: str) -> str:
    """What a command of the shell prints in the pod."""
    return cluster.run_in(POD, "bash", "-c", command, namespace=NAMESPACE)


def runs(cluster: Kubernetes, script: str) -> str:
    """What a Python program prints in the pod."""
    return cluster.run_in(POD, "python", "-c", script, namespace=NAMESPACE)


def test_it_says_what_it_is(described: dict[str, Any]) -> None:
    labels = described["Labels"]
    assert labels["org.opencontainers.image.version"] == hairpin.__version__
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"
    assert labels["org.opencontainers.image.source"].startswith("https://")
    assert described["User"] == "10001:10001"


def test_it_runs_as_nobody_in_particular_and_can_write_to_its_mounts_alone(
    cluster: Kubernetes, image_pod: str
) -> None:
    assert says(cluster, "id -u") == "10001\n"
    assert says(cluster, "find / -xdev -writable -not -type l 2> /dev/null; true") == "/tmp\n"
    own = r"find /opt /usr /etc -not -type l \( -user 10001 -o -perm -o+w \) 2> /dev/null; true"
    assert says(cluster, own) == ""


def test_it_has_the_versions_that_are_pinned(cluster: Kubernetes, image_pod: str) -> None:
    lines = (ROOT / "deploy" / "constraints.txt").read_text(encoding="utf-8").splitlines()
    wanted = [Requirement(line) for line in lines if line[0] != "#"]
    python = {"python_full_version": "3.11.2", "python_version": "3.11"}
    pins = {
        each.name: str(each.specifier).removeprefix("==")
        for each in wanted
        if each.marker is None or each.marker.evaluate(python)
    }
    found = json.loads(runs(cluster, INSTALLED))
    assert found.pop("hairpin") == hairpin.__version__
    versions = {
        re.sub(r"[-_.]+", "-", name).lower(): version.partition("+")[0]
        for name, version in found.items()
    }
    assert versions == {name: pins[name] for name in versions}
    values = yaml.safe_load((ROOT / "helm/hairpin/values.yaml").read_text(encoding="utf-8"))
    assert versions["ray"] == values["rayVersion"]


def test_it_has_our_code_and_what_that_needs_and_no_more(
    cluster: Kubernetes, image_pod: str
) -> None:
    said = says(cluster, "bash -lc 'hairpin --version && ray --version'")
    assert said.startswith(f"hairpin, version {hairpin.__version__}\nray, version ")
    assert says(cluster, f"command -v {COMPILERS}; true") == ""
    assert says(cluster, f"find {LEFT_OVER} -type f 2> /dev/null; true") == ""
    packages = "dashboards hairpin learner rollout_workers sim storage"
    content = runs(cluster, CONTENT).split()
    assert set(content) == {"..", *packages.split(), f"hairpin-{hairpin.__version__}.dist-info"}
    assert runs(cluster, STALE) == ""


def test_a_doctor_finds_nothing_that_keeps_it_from_training(
    cluster: Kubernetes, image_pod: str
) -> None:
    found = json.loads(says(cluster, "hairpin doctor --json"))["checks"]
    assert [each for each in found if each["status"] == "fail"] == []


def test_it_trains(cluster: Kubernetes, image_pod: str) -> None:
    said = says(cluster, "hairpin train --address 127.0.0.1:6379 --workers 1 --steps 1000 --json")
    result = json.loads(said.splitlines()[-1])
    assert result["steps"] >= 1000
