"""What a release's pods need beside themselves: secrets, volumes, the autoscaler, Pod Security."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from hairpin.doctor.finding import Finding
from hairpin.doctor.kubectl import Json, Kubectl, KubectlError
from hairpin.doctor.pods import last_warning
from hairpin.doctor.release import Release

ENFORCE = "pod-security.kubernetes.io/enforce"
DEFAULT_CLASS = "storageclass.kubernetes.io/is-default-class"
AUTOSCALER = "autoscaler"
RECENT = "--since=2m"


def check_belongings(release: Release) -> Iterator[Finding]:
    """Makes the checks, one after the other."""
    for check in (
        _check_helm,
        _check_secrets,
        _check_volumes,
        _check_autoscaler,
        _check_pod_security,
    ):
        try:
            yield check(release)
        except KubectlError as error:
            name = check.__name__.removeprefix("_check_").replace("_", " ")
            advice = "Ask your cluster's administrator for the right to see it."
            yield Finding(name, "unknown", error.said, advice)


def _check_helm(release: Release) -> Finding:
    """What Helm has noted of its last install or upgrade."""
    labels = ("-L", "version", "-L", "status", "--no-headers")
    listed = release.kubectl.run("get", "secrets", "-l", f"owner=helm,name={release.name}", *labels)
    notes = [line.split()[-2:] for line in listed.splitlines()]
    if not notes:
        return Finding("helm", "ok", "it has no note of this release")
    revision, status = max(((int(number), status) for number, status in notes))
    if status == "deployed":
        return Finding("helm", "ok", f"revision {revision} is deployed")
    helm = f"helm -n {release.namespace}"
    advice = f"Mend what is bad below and upgrade again; why: {helm} history {release.name}"
    if revision > 1:
        advice += f"; to what was before: {helm} rollback {release.name}"
    return Finding("helm", "warn", f"revision {revision} is {status}", f"{advice}.")


def _check_secrets(release: Release) -> Finding:
    there = {
        secret["metadata"]["name"]: set(secret.get("data") or {})
        for secret in release.kubectl.items("secrets")
    }
    wanted = {(release.token_secret, "auth_token"), *_wanted_keys(release)}
    missing = sorted(
        f"{name} (key {key})" if key and name in there else name
        for name, key in wanted
        if name not in there or (key and key not in there[name])
    )
    if missing:
        return Finding(
            "secrets",
            "fail",
            f"missing: {', '.join(dict.fromkeys(missing))}",
            "Make those that the values name as existingSecret; helm upgrade makes the others "
            "anew, and KubeRay the token's.",
        )
    return Finding("secrets", "ok", f"{len({name for name, _ in wanted})}, all there")


def _wanted_keys(release: Release) -> set[tuple[str, str]]:
    """The secrets that pods take variables from, with the key; those of mounts without one."""
    spec = release.ray["spec"]
    groups = [spec["headGroupSpec"], *spec.get("workerGroupSpecs", [])]
    pods = [group["template"]["spec"] for group in groups]
    pods += [pod["spec"] for pod in release.pods]
    found: set[tuple[str, str]] = set()
    for pod in pods:
        for container in [*pod.get("initContainers", []), *pod["containers"]]:
            for variable in container.get("env") or []:
                reference = (variable.get("valueFrom") or {}).get("secretKeyRef")
                if reference and not reference.get("optional"):
                    found.add((reference["name"], reference["key"]))
        for volume in pod.get("volumes") or []:
            secret = volume.get("secret") or {}
            if secret and not secret.get("optional"):
                found.add((secret["secretName"], ""))
    return found


def _check_volumes(release: Release) -> Finding:
    name = "volumes"
    claims = release.kubectl.items("persistentvolumeclaims", "-l", release.selector)
    unbound = [claim for claim in claims if claim["status"].get("phase") != "Bound"]
    if not unbound:
        sizes = [
            f"{claim['metadata']['name']} {claim['status']['capacity']['storage']}"
            for claim in claims
        ]
        return Finding(name, "ok", ", ".join(sizes) or "none wanted")
    claim = unbound[0]
    what = f"{claim['metadata']['name']} is {claim['status'].get('phase', 'new')}"
    warning = last_warning(claim, release.events)
    if warning:
        what += f": {' '.join(warning['message'].split())}"
    return Finding(name, "fail", what, _class_advice(release.kubectl, claim))


def _class_advice(kubectl: Kubectl, claim: Json) -> str:
    """What is the matter with the storage class of a claim."""
    wanted = claim["spec"].get("storageClassName")
    try:
        classes = kubectl.items("storageclasses")
    except KubectlError:
        return "Look at it: " + kubectl.shown("describe", "pvc", claim["metadata"]["name"])
    names = [each["metadata"]["name"] for each in classes]
    known = f"Known: {', '.join(names)}." if names else "This cluster has none."
    if wanted and wanted not in names:
        return f"There is no storage class {wanted}: set persistence.storageClass. {known}"
    defaults = [
        each
        for each in classes
        if (each["metadata"].get("annotations") or {}).get(DEFAULT_CLASS) == "true"
    ]
    if not wanted and not defaults:
        return (
            "There is no default storage class: set persistence.storageClass, or make a volume "
            f"by hand. {known}"
        )
    return "Its provisioner has not made it yet; its pods in kube-system say why."


def _check_autoscaler(release: Release) -> Finding:
    name, spec = AUTOSCALER, release.ray["spec"]
    if not spec.get("enableInTreeAutoscaling"):
        return Finding(name, "ok", "off: the number of rollout workers is fixed")
    heads = release.of("head")
    statuses: list[Json] = heads[0]["status"].get("containerStatuses", []) if heads else []
    status: Json = next((each for each in statuses if each["name"] == AUTOSCALER), {})
    if not status:
        return Finding(name, "fail", "there is no head that it could run in", "See head.")
    pod = heads[0]["metadata"]["name"]
    log = release.kubectl.shown("logs", pod, "-c", AUTOSCALER)
    if not status.get("ready"):
        return Finding(name, "fail", "it does not run, so no worker comes", f"Its log: {log}")
    said = release.kubectl.run("logs", pod, "-c", AUTOSCALER, RECENT, "--tail=400")
    trouble = _api_trouble(said)
    if trouble:
        return Finding(
            name,
            "fail",
            f"it does not get through to the API server: {trouble}",
            "Set networkPolicy.apiServer.cidrs to where that is, or, if it is forbidden, look at "
            f"its role. Its log: {log}",
        )
    groups = spec.get("workerGroupSpecs", [])
    sizes = (f"{g['groupName']} {g.get('minReplicas', 0)} to {g['maxReplicas']}" for g in groups)
    return Finding(name, "ok", ", ".join(sizes))


def _api_trouble(log: str) -> str:
    """The last line of the log, if it is about requests that failed and none worked since."""
    bad = ("ConnectTimeout", "ConnectionError", "NewConnectionError", "HTTPError", "Max retries")
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    tail = lines[-30:]
    return next((line[:160] for line in reversed(tail) if any(word in line for word in bad)), "")


def _check_pod_security(release: Release) -> Finding:
    name = "pod security"
    namespace: Any = release.kubectl.get("namespace", release.namespace)
    level = (namespace["metadata"].get("labels") or {}).get(ENFORCE)
    if level == "restricted":
        return Finding(name, "ok", "the namespace enforces restricted")
    label = release.kubectl.shown("label", "namespace", release.namespace, f"{ENFORCE}=restricted")
    return Finding(
        name,
        "warn",
        f"the namespace enforces {level or 'nothing'}",
        f"The chart's pods keep restricted, so it can: {label} --overwrite",
    )
