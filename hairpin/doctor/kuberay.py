"""Kubernetes itself, and the KubeRay operator in it."""

from __future__ import annotations

import json
import re

from hairpin.doctor.finding import Finding
from hairpin.doctor.kubectl import Json, Kubectl, KubectlError
from hairpin.doctor.pods import condition, is_ready, trouble

LEAST_KUBERNETES, LEAST_KUBERAY = (1, 28), (1, 6)  # as the chart's
KUBERAY = "1.7.0"
INSTALL = (
    "helm upgrade --install kuberay-operator kuberay-operator --repo "
    f"https://ray-project.github.io/kuberay-helm --version {KUBERAY} --namespace kuberay-system "
    "--create-namespace"
)
DEFINITIONS = (
    "kubectl apply --server-side --force-conflicts -k "
    f"'https://github.com/ray-project/kuberay/ray-operator/config/crd?ref=v{KUBERAY}'"
)
ADVICE = {
    "missing": "Install it: https://kubernetes.io/docs/tasks/tools. With a Ray address alone: "
    "--address http://HOST:8265 and $RAY_AUTH_TOKEN.",
    "config": "Set KUBECONFIG to the file of your cluster, and choose one of `kubectl config "
    "get-contexts` with --context.",
    "unreachable": "Is the cluster up, and this machine in its network? `kubectl cluster-info` "
    "tries it.",
    "login": "Log in again, as your cluster's provider says.",
    "forbidden": "Ask its administrator for the right to do that.",
}


def check_api(kubectl: Kubectl) -> Finding:
    """The API server answers."""
    name = "kubernetes"
    try:
        version = str(json.loads(kubectl.run("get", "--raw", "/version"))["gitVersion"])
    except KubectlError as error:
        return Finding(name, "fail", error.said, ADVICE.get(error.reason, ""))
    if _number(version) < LEAST_KUBERNETES:
        least = ".".join(map(str, LEAST_KUBERNETES))
        return Finding(name, "warn", version, f"Hairpin is tried from {least}.")
    return Finding(name, "ok", version)


def check_definitions(kubectl: Kubectl) -> Finding:
    """KubeRay's kinds are known, and new enough."""
    name = "kuberay CRDs"
    try:
        kinds = kubectl.run("api-resources", "--api-group=ray.io", "-o", "name").split()
    except KubectlError as error:
        return Finding(name, "unknown", error.said, ADVICE.get(error.reason, ""))
    if "rayclusters.ray.io" not in kinds:
        return Finding(
            name,
            "fail",
            "the cluster does not know ray.io RayCluster",
            _way_to_definitions(kubectl),
        )
    if "raycronjobs.ray.io" not in kinds:
        return Finding(
            name,
            "fail",
            "they are older than 1.6, which is the first that can ask for a token",
            f"Helm does not renew them: {DEFINITIONS}",
        )
    return Finding(name, "ok", "those of 1.6 or newer")


def check_operator(kubectl: Kubectl, namespace: str | None, acts: bool) -> Finding:
    """The operator runs, is new enough, and looks after the namespace.

    Args:
        kubectl: The cluster.
        namespace: Where Hairpin is; None if it is nowhere.
        acts: Whether a RayCluster shows that somebody looks after it.
    """
    name = "operator"
    try:
        found = _operators(kubectl)
    except KubectlError as error:
        if acts:
            return Finding(name, "ok", "it cannot be seen from here, but it acts")
        return Finding(name, "unknown", error.said, ADVICE.get(error.reason, ""))
    if not found:
        if acts:
            return Finding(name, "ok", "it is not in this cluster's namespaces, but it acts")
        return Finding(name, "fail", "there is no KubeRay operator", f"Install it: {INSTALL}")
    operator = found[0]
    where = f"{operator['metadata']['namespace']}/{operator['metadata']['name']}"
    version = _version(operator)
    wanted = operator["spec"].get(
        "replicas", 1
    )  # none is enough to be available where 0 are wanted
    if not wanted or condition(operator, "Available").get("status") != "True":
        return _unavailable(operator, where, kubectl)
    if version and _number(version) < LEAST_KUBERAY:
        return Finding(
            name,
            "fail",
            f"{version} at {where}: 1.6 is the first that can ask for a token",
            f"Renew it: {DEFINITIONS} && {INSTALL}",
        )
    watched = _watched(operator)
    if namespace and watched and namespace not in watched:
        return Finding(
            name,
            "fail",
            f"{where} looks after namespace {', '.join(watched)} only",
            f"Let it watch {namespace} too (watchNamespace of its chart).",
        )
    return Finding(name, "ok", f"{version or _image(operator)} at {where}")


def _way_to_definitions(kubectl: Kubectl) -> str:
    try:
        there = bool(_operators(kubectl))
    except KubectlError:
        there = False
    # Helm makes them when it first installs the operator, and never again.
    return f"Make them: {DEFINITIONS}" if there else f"Install KubeRay: {INSTALL}"


def _operators(kubectl: Kubectl) -> list[Json]:
    for label in ("component", "name"):
        selector = f"app.kubernetes.io/{label}=kuberay-operator"
        found = kubectl.items("deployments", "--all-namespaces", "-l", selector)
        if found:
            return found
    return []


def _unavailable(operator: Json, where: str, kubectl: Kubectl) -> Finding:
    within = kubectl.within(operator["metadata"]["namespace"])
    if operator["spec"].get("replicas") == 0:
        scale = within.shown("scale", "deployment", operator["metadata"]["name"], "--replicas=1")
        return Finding("operator", "fail", f"{where} is scaled to 0", f"Start it: {scale}")
    labels = operator["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{key}={value}" for key, value in labels.items())
    try:
        pods = within.items("pods", "-l", selector)
        events = within.items("events")
    except KubectlError as error:
        return Finding("operator", "fail", f"{where} is not ready", error.said)
    bad = [pod for pod in pods if not is_ready(pod)]
    if not bad:
        return Finding("operator", "fail", f"{where} has no pod", "Look at its events.")
    found = trouble(bad[0], "the operator's", events, within)
    return Finding("operator", "fail", f"{where}: {found.what}", found.advice)


def _version(operator: Json) -> str:
    """What its labels or its image's tag say; empty if they say no version."""
    chart = operator["metadata"].get("labels", {}).get("helm.sh/chart", "")
    for text in (chart.rpartition("-")[2], _image(operator).rpartition(":")[2]):
        if re.match(r"v?\d+\.\d+", text):
            return str(text)
    return ""


def _image(operator: Json) -> str:
    return str(operator["spec"]["template"]["spec"]["containers"][0]["image"])


def _watched(operator: Json) -> list[str]:
    container = operator["spec"]["template"]["spec"]["containers"][0]
    for argument in [*container.get("command", []), *container.get("args", [])]:
        option, _, value = argument.partition("=")
        if option.lstrip("-") == "watch-namespace" and value:
            return [part.strip() for part in value.split(",")]
    return []


def _number(version: str) -> tuple[int, ...]:
    found = re.search(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
