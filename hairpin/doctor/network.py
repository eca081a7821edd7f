"""Network policies: whether they are there, and whether the cluster's network keeps them."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Sequence

from hairpin.doctor.finding import Finding
from hairpin.doctor.kubectl import Json, Kubectl, KubectlError
from hairpin.doctor.release import COMPONENT, INSTANCE, Release

PROBE_LABEL = "hairpin.io/doctor"
PROBE_S = 90.0
POLL_S = 0.5
PORTS = {
    "head": 8265,
    "gate": 8266,
    "minio": 9000,
    "mediamtx": 8554,
    "prometheus": 9090,
    "grafana": 3000,
}
API_SERVER = "kubernetes.default.svc:443"
KEEPS_NONE = (
    "The cluster's network does not keep NetworkPolicies. Use one that does: Calico, Cilium, or "
    "your cloud's option for them."
)
# Tries to open connections, and says which ones opened. A network that drops takes the time limit.
# Policies take a moment to hold a new pod.
OPENER = """
import json, socket, sys, time
from concurrent.futures import ThreadPoolExecutor
def opens(target):
    host, _, port = target.rpartition(":")
    try:
        socket.create_connection((host, int(port)), 4).close()
        return True
    except OSError:
        return False
time.sleep(3)
targets = sys.argv[1:]
with ThreadPoolExecutor() as pool:
    print(json.dumps(dict(zip(targets, pool.map(opens, targets)))))
"""


def check_policies(release: Release) -> Finding:
    """Every pod of the release is held by a policy, in both directions."""
    name = "net policies"
    try:
        policies = release.kubectl.items("networkpolicies")
    except KubectlError as error:
        advice = "Ask for the right to list networkpolicies."
        return Finding(name, "unknown", error.said, advice)
    open_ones = sorted(
        {
            str(pod["metadata"]["labels"].get(COMPONENT))
            for pod in release.pods
            for direction in ("Ingress", "Egress")
            if not any(_holds(policy, pod, direction) for policy in policies)
        }
    )
    if open_ones:
        return Finding(
            name,
            "fail",
            f"nothing closes {', '.join(open_ones)}: whoever has a pod in this cluster reaches it",
            "helm upgrade with networkPolicy.enabled=true makes them (again).",
        )
    return Finding(name, "ok", f"{len(policies)}; every pod is held by one in both directions")


def _holds(policy: Json, pod: Json, direction: str) -> bool:
    spec = policy["spec"]
    if direction not in spec.get("policyTypes", ["Ingress"]):
        return False
    selector, labels = spec.get("podSelector") or {}, pod["metadata"]["labels"]
    plain: Json = selector.get("matchLabels") or {}
    return all(labels.get(key) == value for key, value in plain.items()) and all(
        _fits(expression, labels) for expression in selector.get("matchExpressions") or []
    )


def _fits(expression: Json, labels: Json) -> bool:
    value, values = labels.get(expression["key"]), expression.get("values") or []
    return {
        "In": value in values,
        "NotIn": value not in values,
        "Exists": value is not None,
        "DoesNotExist": value is None,
    }[expression["operator"]]


def not_probed() -> Finding:
    """What is said when no pods may be made."""
    return Finding(
        "enforcement",
        "unknown",
        "not tried whether the cluster's network keeps the policies",
        "Try it: hairpin doctor --cluster --probe makes three pods for a few seconds.",
    )


def check_enforced(release: Release, *, held: bool) -> Finding:
    """Three short-lived pods try closed and open paths.

    A stranger must reach nothing of the release, a client of the job API that alone, and a rollout
    worker not even the API server, which the stranger does reach.

    Args:
        release: Where.
        held: Whether there are policies that close these paths.
    """
    run = secrets.token_hex(4)
    services = _services(release)
    # Where there is a workshop's gate, participants reach that.
    label, job_api = "hairpin.io/job-client", services["head"]
    if "gate" in services:
        label, job_api = "hairpin.io/workshop-client", services["gate"]
    pods = {
        "stranger": ({}, [*services.values(), API_SERVER]),
        "client": ({label: "true"}, [job_api]),
        "rollout": (
            _labels_of_rollouts(release),
            [API_SERVER, *(where for component, where in services.items() if component != "head")],
        ),
    }
    try:
        objects = [_pod(release, run, who, *pods[who]) for who in pods]
        release.kubectl.run("create", "-f", "-", stdin=_list(objects))
        opened = {who: _said(release.kubectl, _name(run, who)) for who in pods}
    except KubectlError as error:
        needed = "It needs the right to make pods." if error.reason == "forbidden" else ""
        return Finding("enforcement", "unknown", error.said, needed)
    finally:
        _remove(release.kubectl, run)
    return judge(opened, job_api, held=held)


def judge(opened: dict[str, dict[str, bool]], job_api: str, *, held: bool) -> Finding:
    """What the probes' answers mean.

    Args:
        opened: By who tried, what opened.
        job_api: Where the job API is.
        held: Whether there are policies that close these paths.
    """
    name = "enforcement"
    wrong = [
        f"{target} to a {'rollout worker' if who == 'rollout' else who}"
        for who in ("stranger", "rollout")
        for target, is_open in opened[who].items()
        if is_open and (who, target) != ("stranger", API_SERVER)
    ]
    if wrong:
        return Finding(
            name,
            "fail",
            f"open that should be closed: {', '.join(wrong)}",
            KEEPS_NONE if held else "See net policies.",
        )
    if not opened["client"][job_api]:
        return Finding(
            name,
            "warn",
            f"closed paths are closed, but {job_api} is closed to a labelled client too",
            "Is the head ready? Does networkPolicy.dns.peers fit the cluster's DNS?",
        )
    count = sum(len(paths) for paths in opened.values()) - 1 - opened["stranger"][API_SERVER]
    found = f"{count} forbidden paths are closed, and the job API is open to its clients"
    if not opened["stranger"][API_SERVER]:
        return Finding(name, "ok", f"{found}; whether egress is held cannot be told")
    return Finding(name, "ok", found)


def _services(release: Release) -> dict[str, str]:
    """Host and port of what should be closed to strangers, by component."""
    found = {"head": f"{release.cluster}-head-svc:{PORTS['head']}"}
    for component, port in PORTS.items():
        if component not in found and release.of(component):
            found[component] = f"{release.cluster}-{component}:{port}"
    return found


def _labels_of_rollouts(release: Release) -> dict[str, str]:
    # Without ray.io/cluster: KubeRay would take the pod for one of its own.
    return {
        INSTANCE: release.name,
        "app.kubernetes.io/part-of": "hairpin",
        COMPONENT: "rollouts",
    }


def _name(run: str, who: str) -> str:
    return f"hairpin-doctor-{run}-{who}"


def _pod(release: Release, run: str, who: str, labels: Json, targets: Sequence[str]) -> Json:
    """A pod like the head's, so that its image is there and Pod Security lets it in."""
    head = release.ray["spec"]["headGroupSpec"]["template"]["spec"]
    container = head["containers"][0]
    plain = [variable for variable in container.get("env") or [] if "value" in variable]
    volumes = [v for v in head.get("volumes") or [] if not {"projected", "secret"} & set(v)]
    names = {volume["name"] for volume in volumes}
    kept = ("securityContext", "imagePullSecrets", "nodeSelector", "tolerations", "affinity")
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": _name(run, who), "labels": {PROBE_LABEL: run, **labels}},
        "spec": {
            **{key: head[key] for key in kept if key in head},
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 0,
            "activeDeadlineSeconds": int(PROBE_S),
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "volumes": volumes,
            "containers": [
                {
                    "name": "probe",
                    **{
                        key: container[key]
                        for key in ("image", "imagePullPolicy", "securityContext")
                        if key in container
                    },
                    "env": plain,
                    "volumeMounts": [
                        mount
                        for mount in container.get("volumeMounts") or []
                        if mount["name"] in names
                    ],
                    "command": ["python", "-c", OPENER, *targets],
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "32Mi"},
                        "limits": {"memory": "128Mi"},
                    },
                }
            ],
        },
    }


def _list(objects: Sequence[Json]) -> str:
    return json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})


def _said(kubectl: Kubectl, pod: str) -> dict[str, bool]:
    """What a probe has printed at its end."""
    until = time.monotonic() + PROBE_S
    while True:
        phase = kubectl.get("pod", pod)["status"].get("phase")
        if phase == "Succeeded":
            answer: dict[str, bool] = json.loads(kubectl.run("logs", pod))
            return answer
        if phase == "Failed" or time.monotonic() > until:
            raise KubectlError("other", f"pod {pod} has not come to its end: {phase}")
        time.sleep(POLL_S)


def _remove(kubectl: Kubectl, run: str) -> None:
    selector = f"{PROBE_LABEL}={run}"
    kubectl.run("delete", "pods", "-l", selector, "--wait=false", "--grace-period=0")
