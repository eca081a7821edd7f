"""``hairpin doctor --cluster`` in front of a real one: a good one, and broken ones."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rig.fleet import CHART

from .conftest import Kubernetes
from .release import Release

pytestmark = pytest.mark.slow

TIMEOUT_S = 90.0
Findings = dict[str, dict[str, str]]


def examine(
    cluster: Kubernetes, *options: str, env: dict[str, str] | None = None
) -> tuple[int, Findings]:
    """The exit code, and the findings by name."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    path = f"{cluster.kubectl_path.parent}{os.pathsep}{mine['PATH']}"
    ran = subprocess.run(
        [sys.executable, "-m", "hairpin", "doctor", "--cluster", "--json", *options],
        env={**mine, "KUBECONFIG": str(cluster.kubeconfig), "PATH": path, **(env or {})},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.stdout, ran.stderr
    return ran.returncode, {each["name"]: each for each in json.loads(ran.stdout)["checks"]}


def until(look: Callable[[], tuple[int, Findings]], name: str, part: str) -> tuple[int, Findings]:
    """What is found when a finding says so at last."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        code, found = look()
        if part in found.get(name, {}).get("found", ""):
            return code, found
        assert time.monotonic() < deadline, found


def bad(found: Findings) -> set[str]:
    return {name for name, each in found.items() if each["status"] == "fail"}


def test_a_good_cluster_is_found_good_to_its_closed_paths(
    installed: Release, cluster: Kubernetes, tmp_path: Path
) -> None:
    where = ("--namespace", installed.namespace)
    code, found = examine(cluster, *where, "--probe", env={"HOME": str(tmp_path)})
    assert (code, bad(found)) == (0, set()), found
    unsure = {name for name, each in found.items() if each["status"] not in ("ok", "fail")}
    assert unsure <= {"pod security", "memory", "compiled code"}, found
    assert "forbidden paths are closed" in found["enforcement"]["found"]
    assert "the secret's opens it" in found["token"]["found"]
    assert "s3://hairpin can be written" in found["store"]["found"]
    assert "takes video" in found["video"]["found"]
    assert {"ray", "python", "hairpin"} <= set(found)
    assert installed.token not in json.dumps(found)


def test_a_wrong_token_is_found_through_the_job_api_alone(
    installed: Release, cluster: Kubernetes, tmp_path: Path
) -> None:
    reached = {**installed.ray_env, "KUBECONFIG": str(tmp_path / "none")}
    code, found = examine(cluster, env={**reached, "RAY_AUTH_TOKEN": "x" * 64})
    assert code == 2 and bad(found) == {"token"}
    assert found["kubernetes"]["status"] == "unknown" and found["job api"]["status"] == "ok"
    assert "x" * 64 not in json.dumps(found)


def test_open_paths_a_store_that_is_away_and_a_wrong_token(
    installed: Release, cluster: Kubernetes
) -> None:
    installed.kubectl("delete", "networkpolicies", "--all")
    installed.kubectl("scale", "statefulset/hairpin-minio", "--replicas=0")
    installed.kubectl("wait", "pod/hairpin-minio-0", "--for=delete", "--timeout=60s")
    try:
        where = ("--namespace", installed.namespace)
        code, found = examine(cluster, *where, "--probe", env={"RAY_AUTH_TOKEN": "wrong"})
    finally:
        installed.kubectl("scale", "statefulset/hairpin-minio", "--replicas=1")
        installed.helm("upgrade", installed.name, str(CHART), *installed.values, "--no-hooks")
        cluster.wait_for("pod/hairpin-minio-0", "condition=Ready", installed.namespace)
    assert code == 2
    assert {"minio", "store", "net policies", "enforcement", "token"} <= bad(found), found
    assert "scale statefulset/hairpin-minio --replicas=1" in found["minio"]["advice"]
    assert "nothing listens there" in found["store"]["found"]
    assert "hairpin-head-svc:8265 to a stranger" in found["enforcement"]["found"]
    assert "kubernetes.default.svc:443 to a rollout worker" in found["enforcement"]["found"]
    assert "export RAY_AUTH_MODE=token" in found["token"]["advice"]


def test_what_cannot_start_is_explained(
    cluster: Kubernetes, namespace: str, tmp_path: Path
) -> None:
    settings = (
        "fullnameOverride=broken",
        "image.repository=localhost/nobody-has-it",
        "rolloutWorkers.min=1",
        "rolloutWorkers.resources.requests.cpu=600",
        "priorityClasses.create=false",
        "networkPolicy.enabled=false",
        "minio.persistence.storageClass=nobody-has-it",
    )
    values = [word for setting in settings for word in ("--set", setting)]
    laptop = f"--values={CHART / 'ci' / 'laptop-values.yaml'}"
    command = ["template", "broken", str(CHART), "--no-hooks", laptop, *values]
    objects = cluster.helm(*command, home=tmp_path)
    cluster.kubectl("-n", namespace, "apply", "-f", "-", stdin=objects)
    cluster.kubectl("-n", namespace, "delete", "secret", "broken-video")

    def look() -> tuple[int, Findings]:
        return examine(cluster, "--namespace", namespace)

    code, found = until(look, "head", "cannot be had")
    assert code == 2
    assert "image localhost/nobody-has-it" in found["head"]["found"]
    assert "image.repository" in found["head"]["advice"]
    code, found = until(look, "rollouts", "no node can take it")
    assert "Insufficient cpu" in found["rollouts"]["found"]
    assert "rolloutWorkers.resources.requests" in found["rollouts"]["advice"]
    assert "broken-video" in found["secrets"]["found"]
    assert "There is no storage class nobody-has-it" in found["volumes"]["advice"]
    assert "See volumes" in found["minio"]["advice"]
    assert "nothing closes" in found["net policies"]["found"]
    assert found["pod security"]["status"] == "ok"
    assert all(found[name]["advice"] for name in bad(found)), found


def test_what_somebody_may_not_see_is_said(
    cluster: Kubernetes, namespace: str, tmp_path: Path
) -> None:
    config: Any = json.loads(cluster.kubectl("config", "view", "--raw", "-o", "json"))
    for user in config["users"]:
        user["user"]["as"] = "a-participant"
    theirs = tmp_path / "config.json"
    theirs.write_text(json.dumps(config))
    code, found = examine(cluster, "--namespace", namespace, env={"KUBECONFIG": str(theirs)})
    assert code == 0
    assert found["kuberay CRDs"]["status"] == "ok"
    assert found["operator"]["status"] == found["release"]["status"] == "unknown"
    assert "list rayclusters" in found["release"]["advice"]


def test_without_an_operator_there_is_a_command_to_install_it(
    cluster: Kubernetes, namespace: str
) -> None:
    code, found = examine(cluster, "--namespace", namespace)
    assert code == 2 and bad(found) == {"release"}
    assert f"there is no Hairpin in namespace {namespace}" in found["release"]["found"]
    operator = found["operator"]["found"].rpartition(" at ")[2]
    home, _, name = operator.partition("/")
    cluster.kubectl("-n", home, "scale", "deployment", name, "--replicas=0")
    try:
        code, found = examine(cluster, "--namespace", namespace)
    finally:
        cluster.kubectl("-n", home, "scale", "deployment", name, "--replicas=1")
        cluster.wait_for(f"deployment/{name}", "condition=Available", home)
    assert code == 2 and found["operator"]["found"] == f"{operator} is scaled to 0"
