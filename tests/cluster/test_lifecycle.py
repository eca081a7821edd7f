"""An installation is upgraded, rolled back and uninstalled: what was learned in it stays."""

from __future__ import annotations

import io
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from minio import Minio

from rig.client import ToolError
from rig.fleet import CHART

from .conftest import Kubernetes
from .probes import Source
from .release import Release

pytestmark = pytest.mark.slow

RUN = "kept/checkpoints/000100/state"
SECRETS = ("", "-minio", "-s3", "-video", "-participants")
CHANGED = ("rolloutWorkers.max=3", "minio.resources.limits.memory=768Mi")
KEYS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
OF_NAMESPACES = (
    "pods,services,deployments,statefulsets,jobs,configmaps,secrets,serviceaccounts,roles,"
    "rolebindings,networkpolicies,poddisruptionbudgets,persistentvolumeclaims,rayclusters"
)
OF_EVERY_NAMESPACE = {"configmap/kube-root-ca.crt", "serviceaccount/default"}
KINDS = {
    *("pod", "service", "configmap", "secret", "serviceaccount", "persistentvolumeclaim"),
    *("role.rbac.authorization.k8s.io", "rolebinding.rbac.authorization.k8s.io"),
    *("networkpolicy.networking.k8s.io", "poddisruptionbudget.policy", "raycluster.ray.io"),
    *("deployment.apps", "statefulset.apps", "priorityclass.scheduling.k8s.io"),
}
GONE_S = 90.0
DELETE_VOLUMES = "pvc -l app.kubernetes.io/instance={release},app.kubernetes.io/part-of=hairpin"


def store(release: Release) -> Minio:
    env = release.store_env
    host = env["HAIRPIN_S3_ENDPOINT"].partition("://")[2]
    return Minio(host, env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], secure=False)


def kept(release: Release) -> dict[str, Any]:
    """What has to survive: secrets, volumes, runs, and pods that nothing was changed of."""
    claims = release.get("persistentvolumeclaims")["items"]
    return {
        "secrets": [release.secret(release.name + name) for name in SECRETS],
        "volumes": {claim["metadata"]["name"]: claim["spec"]["volumeName"] for claim in claims},
        "run": store(release).get_object("hairpin", RUN).data,
        "head": release.head,
    }


def rollouts(release: Release) -> dict[str, Any]:
    (group,) = release.get("raycluster", release.name)["spec"]["workerGroupSpecs"]
    return dict(group)


def names(release: Release) -> set[str]:
    """The rollout workers that there are; idle ones of earlier tests may go at any time."""
    return {pod["metadata"]["name"] for pod in release.pods("rollouts")}


def minio_memory(release: Release) -> str:
    (pod,) = release.pods("minio")
    return str(pod["spec"]["containers"][0]["resources"]["limits"]["memory"])


def test_upgrade_and_rollback_keep_secrets_volumes_runs_and_pods(
    installed: Release, worker: Source
) -> None:
    store(installed).put_object("hairpin", RUN, io.BytesIO(b"learned"), 7)
    before, memory = kept(installed), minio_memory(installed)
    workers = names(installed)
    assert worker.pod in workers and rollouts(installed)["replicas"] >= 1  # the autoscaler's
    assert len(before["volumes"]) == 2

    installed.upgrade(*(word for value in CHANGED for word in ("--set", value)))
    assert rollouts(installed)["maxReplicas"] == 3
    assert minio_memory(installed) == "768Mi"
    assert kept(installed) == before and names(installed) & workers

    # It knows nothing of the worker, which goes when the autoscaler says so.
    installed.helm("rollback", installed.name, "--wait")
    assert rollouts(installed)["maxReplicas"] == 2
    assert minio_memory(installed) == memory
    assert kept(installed) == before and names(installed) & workers
    store(installed).remove_object("hairpin", RUN)


@pytest.fixture
def other(
    cluster: Kubernetes, hairpin_image: str, server_images: None, tmp_path: Path
) -> Iterator[Release]:
    """A release of one's own, with its namespace, which is not installed yet."""
    release = Release(cluster, f"racing-{secrets.token_hex(4)}", tmp_path, name="hairpin-two")
    release.prepare()
    yield release
    release.remove()


def objects(release: Release) -> set[str]:
    """All that is in the release's namespace or named after it, but for what is in every one."""
    found = release.kubectl("get", OF_NAMESPACES, "-o", "name").split()
    of_all = release.kubectl("get", "priorityclasses", "-o", "name").split()
    return {*found, *(name for name in of_all if release.namespace in name)} - OF_EVERY_NAMESPACE


def test_uninstall_leaves_nothing_but_the_volumes_that_it_says(other: Release) -> None:
    # An autoscaler that waits for its head knows no signal, and stays until the time is up.
    soon = ("--set", "head.terminationGracePeriodSeconds=30")
    said = other.helm("install", other.name, str(CHART), *other.values, *soon, "--no-hooks")
    assert "Uninstalling leaves volumes with what was learned and measured" in said
    other.wait_for_pod("minio")
    wait_until(lambda: len(other.pods("head")) == 1)
    assert {name.partition("/")[0] for name in objects(other)} >= KINDS

    other.helm("uninstall", other.name)
    volumes = {
        f"persistentvolumeclaim/data-hairpin-two-{server}-0" for server in ("minio", "prometheus")
    }
    wait_until_left(other, volumes)
    other.kubectl("delete", *DELETE_VOLUMES.format(release=other.name).split(), "--wait=false")
    assert "delete pvc -l " + DELETE_VOLUMES.format(release=other.name).split()[-1] in said
    wait_until_left(other, set())


def test_what_cannot_be_had_is_said_before_anything_is_made(other: Release) -> None:
    bad = ("minio.enabled=false", "s3.endpoint=http://store.invalid", "s3.existingSecret=mine")
    bad += ("prometheus.image.tag=v0.0.0", "check.timeoutSeconds=30", "workshop.participants=null")
    settings = [word for value in bad for word in ("--set", value)]

    with pytest.raises(ToolError, match="existingSecret is mine"):
        other.install(*settings)
    keys = [f"--from-literal={name}=a-secret-of-mine" for name in KEYS]
    other.kubectl("create", "secret", "generic", "mine", *keys)

    with pytest.raises(ToolError) as refused:
        other.install(*settings)
    said = refused.value.said
    assert "error: store: the store does not answer at http://store.invalid" in said
    assert "Look at s3.endpoint, and at networkPolicy.store.cidrs" in said
    assert "container: image-of-prometheus" in said
    assert "failed pre-install: resource Job/" in said and "a-secret-of-mine" not in said
    made = {name.partition("/")[0] for name in objects(other)}
    assert made <= {"secret", "job.batch", "pod", "configmap"}


def wait_until_left(release: Release, wanted: set[str]) -> None:
    """Returns when all else of the release is gone; says what is not."""
    deadline = time.monotonic() + GONE_S
    while (found := objects(release)) != wanted:
        assert time.monotonic() < deadline, found ^ wanted
        time.sleep(0.2)


def wait_until(true: Callable[[], bool], timeout_s: float = 60.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.2)
