"""Who has which secret on a real cluster, and that none is where it could be read by others."""

from __future__ import annotations

import base64
import io
from dataclasses import replace

import pytest
from minio import Minio
from minio.error import S3Error

from .probes import Source
from .release import Release

pytestmark = pytest.mark.slow

KINDS = (
    "all,configmaps,serviceaccounts,roles,rolebindings,networkpolicies,poddisruptionbudgets,events,"
    "persistentvolumeclaims,endpointslices,rayclusters,rayjobs"
)
SHORTEST = 16  # names of users are no secrets


@pytest.fixture(scope="module")
def secrets(installed: Release) -> set[str]:
    """Every secret of the release, in clear."""
    found = {
        value
        for name in ("", "-minio", "-s3", "-video", "-participants")
        for value in installed.secret(installed.name + name).values()
        if len(value) >= SHORTEST
    }
    assert len(found) == 7  # token, MinIO's root, the driver's key, publisher, viewer, anna, bert
    return found


def test_no_object_log_or_answer_of_helm_has_a_secret(
    installed: Release, secrets: set[str]
) -> None:
    told = {"objects": installed.kubectl("get", KINDS, "-o", "yaml")}
    for part in ("values", "notes", "hooks", "metadata"):
        told[f"helm get {part}"] = installed.helm("get", part, installed.name)
    manifest = installed.helm("get", "manifest", installed.name)
    told["helm get manifest"] = "---".join(
        each for each in manifest.split("\n---") if "\nkind: Secret\n" not in each
    )
    for pod in installed.get("pods")["items"]:
        name = pod["metadata"]["name"]
        told[f"logs of {name}"] = installed.kubectl("logs", name, "--all-containers")
    assert all(told.values()), [where for where, text in told.items() if not text]
    encoded = {base64.b64encode(secret.encode()).decode() for secret in secrets}
    found = [
        where for where, text in told.items() if any(each in text for each in secrets | encoded)
    ]
    assert found == []


def driver(installed: Release) -> Minio:
    env = installed.store_env
    host = env["HAIRPIN_S3_ENDPOINT"].partition("://")[2]
    return Minio(host, env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], secure=False)


def test_the_drivers_key_opens_its_bucket_and_nothing_else(installed: Release) -> None:
    client = driver(installed)
    client.put_object("hairpin", "test/object", io.BytesIO(b"ok"), 2)
    client.remove_object("hairpin", "test/object")
    assert [bucket.name for bucket in client.list_buckets()] == ["hairpin"]
    with pytest.raises(S3Error, match="AccessDenied"):
        client.make_bucket("another")
    with pytest.raises(S3Error, match="AccessDenied"):
        client.put_object("another", "object", io.BytesIO(b"ok"), 2)


def test_rollout_workers_hold_no_key_and_no_token_of_the_api(
    worker: Source, secrets: set[str], installed: Release
) -> None:
    environment = worker.run("cat", "/proc/1/environ").split("\0")
    names = {each.partition("=")[0] for each in environment}
    assert "RAY_AUTH_TOKEN" in names  # the one secret that they need
    assert [name for name in names if name.startswith(("AWS_", "MINIO_", "HAIRPIN_S3"))] == []
    values = {each.partition("=")[2] for each in environment}
    assert secrets & values == {installed.token}
    assert (
        worker.run("bash", "-c", "ls /var/run/secrets 2> /dev/null || echo none").strip() == "none"
    )


def test_the_driver_has_no_token_of_the_api_and_the_autoscaler_has(head: Source) -> None:
    token = "/var/run/secrets/kubernetes.io/serviceaccount/token"
    look = ("bash", "-c", f"test -e {token} && echo there || echo none")
    assert head.run(*look).strip() == "none"
    assert replace(head, container="autoscaler").run(*look).strip() == "there"
