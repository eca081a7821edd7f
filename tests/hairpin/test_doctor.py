"""The doctor's judgement of a cluster, on what kubectl, pods and probes say; without a cluster."""

from __future__ import annotations

from typing import Any

import pytest
from click.testing import CliRunner

from hairpin.cli import cli, run
from hairpin.doctor.driver import COMMAND, check_driver
from hairpin.doctor.kubectl import Kubectl, explained
from hairpin.doctor.network import API_SERVER, judge
from hairpin.doctor.pods import trouble

JOB_API = "hairpin-head-svc:8265"


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("The connection to the server localhost:8080 was refused - did you specify", "config"),
        ('error: context "nope" does not exist', "config"),
        ("Unable to connect to the server: dial tcp 10.0.0.1:6443: i/o timeout", "unreachable"),
        ("Unable to connect to the server: tls: x509: unknown authority", "unreachable"),
        ("error: You must be logged in to the server (Unauthorized)", "login"),
        ('Error from server (Forbidden): pods is forbidden: User "bob" cannot list', "forbidden"),
        ('error: the server doesn\'t have a resource type "rayclusters"', "not found"),
        ("something else", "other"),
        ("", "other"),
    ],
)  # fmt: skip
def test_what_kubectl_says_is_understood(said: str, reason: str) -> None:
    assert explained(said).reason == reason
    assert explained(said).said


def pod(**status: Any) -> dict[str, Any]:
    metadata = {"name": "head-1", "uid": "1", "labels": {}}
    return {"metadata": metadata, "spec": {}, "status": {"phase": "Pending", **status}}


def container(**fields: Any) -> dict[str, Any]:
    given = {"name": "ray-head", "image": "a/b:1", "restartCount": 3, **fields}
    return pod(containerStatuses=[given])


UNSCHEDULED = "0/3 nodes are available: 1 Insufficient memory, 2 node(s) had untolerated taint {a}."


@pytest.mark.parametrize(
    ("thing", "what", "advice"),
    [
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "message": UNSCHEDULED}]),
            "no node can take it: 0/3 nodes are available",
            "Lower head.resources.requests, or give the cluster larger or more nodes, or give "
            "head.tolerations",
        ),
        (
            container(state={"waiting": {"reason": "ImagePullBackOff", "message": "x"}}),
            "image a/b:1 cannot be had (ImagePullBackOff)",
            "Check image.repository and .tag",
        ),
        (
            container(
                state={"waiting": {"reason": "CrashLoopBackOff"}},
                lastState={"terminated": {"reason": "OOMKilled", "exitCode": 137}},
            ),
            "ray-head ends with too little memory (OOMKilled)",
            "Raise head.resources.limits.memory.",
        ),
        (
            container(
                state={
                    "waiting": {
                        "reason": "CreateContainerConfigError",
                        "message": 'secret "hairpin-s3" not found',
                    }
                }
            ),
            'it cannot start: secret "hairpin-s3" not found',
            "See secrets.",
        ),
        (
            pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."),
            "Evicted: The node was low on resource: memory.",
            "Raise head.resources.requests",
        ),
        (
            pod(initContainerStatuses=[{"name": "wait-gcs-ready", "ready": False, "state": {}}]),
            "it waits for the head to answer",
            "Look at the head first.",
        ),
    ],
)
def test_a_pod_that_is_not_ready_is_explained(
    thing: dict[str, Any], what: str, advice: str
) -> None:
    found = trouble(thing, "head", [], Kubectl(None))
    assert what in found.what and advice in found.advice


def test_a_warning_explains_a_pod_that_only_waits() -> None:
    about = {"uid": "1"}
    events = [
        {"type": "Normal", "reason": "Pulled", "message": "m", "involvedObject": about},
        {
            "type": "Warning",
            "reason": "FailedMount",
            "message": "no such\n volume",
            "involvedObject": about,
            "lastTimestamp": "2026-01-02T00:00:00Z",
        },
        {"type": "Warning", "reason": "X", "message": "y", "involvedObject": {"uid": "2"}},
    ]
    found = trouble(container(state={"waiting": {}}), "minio", events, Kubectl(None))
    assert found.what == "no such volume"


def opened(**changes: bool) -> dict[str, dict[str, bool]]:
    good = {
        "stranger": {JOB_API: False, "hairpin-minio:9000": False, API_SERVER: True},
        "client": {JOB_API: True},
        "rollout": {API_SERVER: False, "hairpin-minio:9000": False},
    }
    for change, value in changes.items():
        who, _, where = change.partition("_")
        target = {"job": JOB_API, "store": "hairpin-minio:9000", "api": API_SERVER}[where]
        good[who][target] = value
    return good


@pytest.mark.parametrize(
    ("answers", "status", "part"),
    [
        (opened(), "ok", "4 forbidden paths are closed"),
        (opened(stranger_api=False), "ok", "whether egress is held cannot be told"),
        (opened(stranger_job=True), "fail", f"{JOB_API} to a stranger"),
        (opened(rollout_api=True), "fail", f"{API_SERVER} to a rollout worker"),
        (opened(client_job=False), "warn", f"{JOB_API} is closed to a labelled client too"),
    ],
)
def test_what_probes_find_is_judged(
    answers: dict[str, dict[str, bool]], status: str, part: str
) -> None:
    found = judge(answers, JOB_API, held=True)
    assert found.status == status and part in found.found


def test_a_wrong_address_and_wrong_options_are_one_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", "/none")
    monkeypatch.setenv("PATH", "")
    assert run(["doctor", "--cluster"]) == 2
    assert "kubectl is not installed" in capsys.readouterr().out
    assert run(["doctor", "--cluster", "--address", "http://127.0.0.1:9"]) == 2
    said = capsys.readouterr().out
    assert "?     kubernetes" in said and "fail  job api" in said
    assert run(["doctor", "--probe"]) == 2
    assert "--probe is for --cluster" in capsys.readouterr().err
    assert next(check_driver("127.0.0.1:9", "")).status == "fail"
    assert "hairpin doctor --cluster" in CliRunner().invoke(cli, ["doctor", "--help"]).output
    assert COMMAND == "hairpin doctor --json"
