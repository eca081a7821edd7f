"""A release of the chart: which one it is, and whether all its parts are there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hairpin.doctor.finding import Finding, Status
from hairpin.doctor.kubectl import Json, Kubectl, KubectlError
from hairpin.doctor.kuberay import ADVICE
from hairpin.doctor.pods import condition, is_ready, last_warning, restarts, trouble

PART = "app.kubernetes.io/part-of=hairpin"
COMPONENT, INSTANCE = "app.kubernetes.io/component", "app.kubernetes.io/instance"
RAY_GROUPS = {"head": "head", "rollouts": "rolloutWorkers", "learner": "learner"}  # chart's keys
SERVICES = ("gate", "minio", "mediamtx", "prometheus", "grafana")
INSTALL = "Install it: helm install hairpin helm/hairpin --namespace racing --create-namespace."


@dataclass(frozen=True)
class Release:
    """A release in a cluster.

    Attributes:
        name: The release's.
        ray: The RayCluster.
        pods: Its pods.
        events: Those of its namespace.
        kubectl: For its namespace.
    """

    name: str
    ray: Json
    pods: Sequence[Json]
    events: Sequence[Json]
    kubectl: Kubectl

    @property
    def namespace(self) -> str:
        """Where it is."""
        return str(self.ray["metadata"]["namespace"])

    @property
    def cluster(self) -> str:
        """The name of the RayCluster, with which the names of all objects begin."""
        return str(self.ray["metadata"]["name"])

    @property
    def selector(self) -> str:
        """Selects all of its objects."""
        return f"{INSTANCE}={self.name},{PART}"

    @property
    def token_secret(self) -> str:
        """The secret with Ray's token."""
        return str(self.ray["spec"].get("authOptions", {}).get("secretName") or self.cluster)

    def of(self, component: str) -> list[Json]:
        """The pods of a component."""
        return [pod for pod in self.pods if pod["metadata"]["labels"].get(COMPONENT) == component]


def find_release(kubectl: Kubectl, name: str | None) -> tuple[Finding, Release | None]:
    """The release that is meant, if it is there.

    Args:
        kubectl: Its namespace is looked at; all are if it has none.
        name: The release's; None for the only one.
    """
    labels = PART if name is None else f"{INSTANCE}={name},{PART}"
    try:
        found = _clusters(kubectl, labels)
    except KubectlError as error:
        if error.reason == "not found":  # no CRDs, which has been said
            return Finding("release", "fail", "there is none without RayCluster"), None
        return Finding("release", "unknown", error.said, _right_to(kubectl, "rayclusters")), None
    if not found:
        where = f"in namespace {kubectl.namespace}" if kubectl.namespace else "in this cluster"
        what = f"there is no release {name} {where}" if name else f"there is no Hairpin {where}"
        return Finding("release", "fail", what, f"{INSTALL} Another: --namespace, --release."), None
    if len(found) > 1:
        names = ", ".join(
            f"{ray['metadata']['labels'][INSTANCE]} in {ray['metadata']['namespace']}"
            for ray in found
        )
        return Finding("release", "fail", f"there are {names}", "Say --namespace, --release."), None
    (ray,) = found
    release = ray["metadata"]["labels"][INSTANCE]
    within = kubectl.within(ray["metadata"]["namespace"])
    pods = _listed(within, "pods", "-l", f"{INSTANCE}={release},{PART}")
    events = _listed(within, "events")
    finding = _described(ray, release)
    if pods is None:
        found_only = f"{finding.found}, whose pods cannot be seen"
        finding = Finding("release", "unknown", found_only, _right_to(within, "pods"))
    return finding, Release(release, ray, pods or [], events or [], within)


def acts(release: Release | None) -> bool:
    """Whether an operator has looked at the release's RayCluster as it is now."""
    if release is None:
        return False
    seen = release.ray.get("status", {}).get("observedGeneration")
    return bool(seen) and seen == release.ray["metadata"].get("generation")


def check_parts(release: Release) -> Iterator[Finding]:
    """RayCluster, head, workers, and the services that came with them."""
    yield _check_ray(release)
    for group, values in RAY_GROUPS.items():
        if group == "learner" and not _spec_of(release, group):
            continue
        yield _check_group(release, group, values)
    yield from _check_services(release)


def _clusters(kubectl: Kubectl, labels: str) -> list[Json]:
    everywhere = [] if kubectl.namespace else ["--all-namespaces"]
    try:
        return kubectl.items("rayclusters.ray.io", "-l", labels, *everywhere)
    except KubectlError as error:
        if error.reason != "forbidden" or not everywhere:
            raise
    return kubectl.items("rayclusters.ray.io", "-l", labels)  # the context's namespace


def _listed(kubectl: Kubectl, *what: str) -> list[Json] | None:
    try:
        return kubectl.items(*what)
    except KubectlError:
        return None


def _right_to(kubectl: Kubectl, kind: str) -> str:
    where = f" in namespace {kubectl.namespace}" if kubectl.namespace else ""
    return f"{ADVICE['forbidden']} It is: list {kind}{where}."


def _described(ray: Json, release: str) -> Finding:
    from hairpin import __version__

    labels = ray["metadata"]["labels"]
    version = labels.get("app.kubernetes.io/version", "")
    found = f"{release} in namespace {ray['metadata']['namespace']}, of Hairpin {version}"
    if version != __version__:
        return Finding(
            "release",
            "warn",
            f"{found}; here it is {__version__}",
            "Use the same on both sides: helm upgrade, or install that version here.",
        )
    return Finding("release", "ok", found)


def _check_ray(release: Release) -> Finding:
    name, ray = "ray cluster", release.ray
    if not acts(release):
        return Finding(
            name, "fail", "the operator has not looked at it as it is now", "See operator."
        )
    if ray["spec"].get("suspend"):
        return Finding(name, "fail", "it is suspended", "Set spec.suspend to false.")
    failure = condition(ray, "ReplicaFailure")
    warning = last_warning(ray, release.events)
    if failure.get("status") == "True":
        said = failure.get("message") or failure.get("reason")
        return Finding(name, "fail", f"its pods cannot be made: {said}", _to_make(str(said)))
    if condition(ray, "HeadPodReady").get("status") != "True":
        if not release.of("head") and warning:
            said = " ".join(warning["message"].split())
            return Finding(name, "fail", said, _to_make(said))
        return Finding(name, "fail", "its head is not ready", "See head.")
    if condition(ray, "RayClusterProvisioned").get("status") != "True":
        return Finding(name, "warn", "not all of its pods have been ready yet", "See rollouts.")
    return Finding(name, "ok", f"it is ready, Ray {ray['spec'].get('rayVersion', '?')}")


def _to_make(said: str) -> str:
    if "PodSecurity" in said or "violates" in said:
        return "Pod Security refuses them: see the namespace's labels."
    if "quota" in said:
        return "Raise the namespace's quota, or lower the values' resources.requests."
    return "kubectl describe raycluster says more."


def _check_group(release: Release, group: str, values: str) -> Finding:
    pods = release.of(group)
    ready = [pod for pod in pods if is_ready(pod)]
    bad = [pod for pod in pods if pod not in ready]
    spec = _spec_of(release, group)
    least, most = (1, 1) if group == "head" else (spec.get("minReplicas", 0), spec["maxReplicas"])
    found = f"{len(ready)} ready" + ("" if group == "head" else f" of {most} at most")
    if bad:
        worst = trouble(bad[0], values, release.events, release.kubectl)
        status = _weight(group, ready)
        return Finding(group, status, f"{found}; {_name(bad[0])}: {worst.what}", worst.advice)
    if len(ready) < least:
        return Finding(group, "fail", f"{found}, {least} wanted", "See ray cluster, operator.")
    notes = [f"{_name(pod)}: {note.what}" for pod in ready for note in restarts(pod)]
    if notes:
        memory = "memory" in notes[0]
        advice = f"Raise {values}.resources.limits.memory." if memory else ""
        return Finding(group, "warn", f"{found}; {notes[0]}", advice)
    return Finding(group, "ok", found)


def _weight(group: str, ready: Sequence[Json]) -> Status:
    # Without a head nothing goes; of rollouts some may come and go while the others drive.
    return "warn" if group != "head" and ready else "fail"


def _spec_of(release: Release, group: str) -> Json:
    spec: Json = release.ray["spec"]
    if group == "head":
        return dict(spec["headGroupSpec"])
    groups = spec.get("workerGroupSpecs", [])
    return next((dict(each) for each in groups if each["groupName"] == group), {})


def _check_services(release: Release) -> Iterator[Finding]:
    """The services that run in the cluster, by the sets that hold their pods."""
    try:
        sets = release.kubectl.items("statefulsets,deployments", "-l", release.selector)
    except KubectlError as error:
        advice = _right_to(release.kubectl, "statefulsets and deployments")
        yield Finding("services", "unknown", error.said, advice)
        return
    for component in SERVICES:
        for each in sets:
            if each["metadata"]["labels"].get(COMPONENT) == component:
                yield _check_set(release, component, each)


def _check_set(release: Release, component: str, each: Json) -> Finding:
    if each["spec"].get("replicas") == 0:
        target = f"{each['kind'].lower()}/{each['metadata']['name']}"
        scale = release.kubectl.shown("scale", target, "--replicas=1")
        return Finding(component, "fail", "it is scaled to 0", f"Start it: {scale}")
    pods = release.of(component)
    bad = [pod for pod in pods if not is_ready(pod)]
    if bad:
        worst = trouble(bad[0], component, release.events, release.kubectl)
        advice = worst.advice
        if _is_old(each, bad[0]):
            delete = release.kubectl.shown("delete", "pod", _name(bad[0]))
            advice += f" It has not got the newest values, and never will: {delete}"
        return Finding(component, "fail", f"{_name(bad[0])}: {worst.what}", advice)
    if not pods:
        warning = last_warning(each, release.events)
        said = " ".join(warning["message"].split()) if warning else "it has no pod"
        return Finding(component, "fail", said, _to_make(said))
    return Finding(component, "ok", "ready")


def _is_old(each: Json, pod: Json) -> bool:
    """Whether a StatefulSet waits for ever for a pod of before to become ready."""
    newest = each.get("status", {}).get("updateRevision")
    has = pod["metadata"]["labels"].get("controller-revision-hash")
    return each["kind"] == "StatefulSet" and None not in (newest, has) and newest != has


def _name(pod: Json) -> str:
    return str(pod["metadata"]["name"])
