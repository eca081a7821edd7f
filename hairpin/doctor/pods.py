"""Why a pod is not ready, in words that say what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from hairpin.doctor.kubectl import Json, Kubectl, KubectlError

PULLING = {
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "RegistryUnavailable",
}
CONFIG = {"CreateContainerConfigError", "CreateContainerError"}
MAX_SAID = 200
# KubeRay holds a worker's start with it until the head answers.
WAIT_FOR_HEAD = "wait-gcs-ready"


@dataclass(frozen=True)
class Trouble:
    """Why a pod is not ready.

    Attributes:
        what: The reason.
        advice: What to do.
    """

    what: str
    advice: str


def is_ready(pod: Json) -> bool:
    """Whether it is ready and stays."""
    if "deletionTimestamp" in pod["metadata"]:
        return False
    return condition(pod, "Ready").get("status") == "True"


def condition(thing: Json, kind: str) -> Json:
    """A condition of an object's status; empty if it has none of that kind."""
    found = thing.get("status", {}).get("conditions") or []
    return next((each for each in found if each.get("type") == kind), {})


def trouble(pod: Json, values: str, events: Sequence[Json], kubectl: Kubectl) -> Trouble:
    """Why `pod` is not ready.

    Args:
        pod: It is not ready.
        values: The chart's key of its component, such as ``rolloutWorkers``.
        events: Of its namespace.
        kubectl: To ask for its logs.
    """
    for find in (_ending, _unscheduled, _evicted):
        found = find(pod, values)
        if found:
            return found
    for status in _containers(pod):
        found = _container(pod, status, values, kubectl)
        if found:
            return found
    last = last_warning(pod, events)
    if last and last["reason"] != "Unhealthy":
        return Trouble(_short(last["message"]), _describe(pod, kubectl))
    waiting = [s for s in pod["status"].get("initContainerStatuses", []) if not s.get("ready")]
    if waiting and waiting[0]["name"] == WAIT_FOR_HEAD:
        return Trouble("it waits for the head to answer", "Look at the head first.")
    if last:
        return Trouble(f"it does not answer: {_short(last['message'])}", _logs(pod, kubectl))
    return Trouble(f"it is {_phase(pod)}", f"Wait a little. {_describe(pod, kubectl)}")


def restarts(pod: Json) -> Iterator[Trouble]:
    """What has ended containers that run again by now."""
    for status in pod.get("status", {}).get("containerStatuses", []):
        ended = status.get("lastState", {}).get("terminated")
        if ended and status.get("restartCount"):
            yield Trouble(
                f"{status['name']} was started again {status['restartCount']} times, last after "
                f"{_ending_of(ended)}",
                "",
            )


def last_warning(thing: Json, events: Sequence[Json]) -> Json | None:
    """The newest warning about an object."""
    uid = thing["metadata"]["uid"]
    about = [
        event
        for event in events
        if event.get("type") == "Warning" and event["involvedObject"].get("uid") == uid
    ]
    return max(about, key=_when, default=None)


def _when(event: Json) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    return next((time for time in times if time), "")


def _ending(pod: Json, values: str) -> Trouble | None:
    if "deletionTimestamp" not in pod["metadata"]:
        return None
    return Trouble("it is being deleted", "Wait until another one is there.")


def _unscheduled(pod: Json, values: str) -> Trouble | None:
    scheduled = condition(pod, "PodScheduled")
    if scheduled.get("status") != "False":
        return None
    said = scheduled.get("message", "")
    if "PersistentVolumeClaim" in said:
        return Trouble("its volume is not there", "See volumes.")
    said = re.split(r"\. (?:preemption|no new claims)", said)[0].rstrip(".")
    cures = {
        "Insufficient": f"Lower {values}.resources.requests, or give the cluster larger or more "
        "nodes",
        "taint": f"give {values}.tolerations that bear the nodes' taints",
        "node affinity/selector": f"check {values}.nodeSelector and {values}.affinity",
    }
    cure = ", or ".join(cure for word, cure in cures.items() if word in said)
    advice = (cure or "See the nodes: kubectl describe nodes") + "."
    return Trouble(f"no node can take it: {_short(said)}", advice[:1].upper() + advice[1:])


def _evicted(pod: Json, values: str) -> Trouble | None:
    status = pod["status"]
    if status.get("phase") != "Failed" or not status.get("reason"):
        return None
    return Trouble(
        f"{status['reason']}: {_short(status.get('message', ''))}",
        f"Raise {values}.resources.requests to what it needs.",
    )


def _containers(pod: Json) -> list[Json]:
    status = pod["status"]
    return [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]


def _container(pod: Json, status: Json, values: str, kubectl: Kubectl) -> Trouble | None:
    state = status.get("state", {})
    waiting = state.get("waiting", {})
    reason, said = waiting.get("reason", ""), waiting.get("message", "")
    if reason in PULLING:
        return Trouble(
            f"image {status['image']} cannot be had ({reason})",
            f"Check {_image_key(values)}.repository and .tag; a private registry wants "
            "imagePullSecrets; into a cluster of this machine load it (kind load docker-image).",
        )
    if reason in CONFIG:
        return Trouble(f"it cannot start: {_short(said)}", "See secrets.")
    ended = state.get("terminated") or status.get("lastState", {}).get("terminated")
    crashed = reason == "CrashLoopBackOff" or (state.get("terminated") or {}).get("exitCode")
    if not ended or not crashed:
        return None
    what = f"{status['name']} ends with {_ending_of(ended)}"
    if ended.get("reason") == "OOMKilled":
        return Trouble(what, f"Raise {values}.resources.limits.memory.")
    line = _last_line(pod, status["name"], kubectl, previous=reason == "CrashLoopBackOff")
    return Trouble(f"{what}: {line}" if line else what, _logs(pod, kubectl, status["name"]))


def _image_key(values: str) -> str:
    ours = ("head", "rolloutWorkers", "learner", "minio-setup", "check")
    return "image" if values in ours else f"{values}.image"


def _ending_of(ended: Json) -> str:
    if ended.get("reason") == "OOMKilled":
        return "too little memory (OOMKilled)"
    return f"exit code {ended.get('exitCode')}"


def _last_line(pod: Json, container: str, kubectl: Kubectl, *, previous: bool) -> str:
    options = ["-c", container, "--tail=5", *(["--previous"] if previous else [])]
    try:
        lines = kubectl.run("logs", pod["metadata"]["name"], *options).strip().splitlines()
    except KubectlError:
        return ""
    return _short(lines[-1]) if lines else ""


def _logs(pod: Json, kubectl: Kubectl, container: str = "") -> str:
    named = ["-c", container] if container else []
    return "Its log: " + kubectl.shown("logs", pod["metadata"]["name"], *named)


def _describe(pod: Json, kubectl: Kubectl) -> str:
    return "More: " + kubectl.shown("describe", "pod", pod["metadata"]["name"])


def _phase(pod: Json) -> str:
    reasons = [s.get("state", {}).get("waiting", {}).get("reason") for s in _containers(pod)]
    return str(next((reason for reason in reasons if reason), pod["status"].get("phase")))


def _short(text: Any) -> str:
    line = " ".join(str(text).split())
    return line if len(line) <= MAX_SAID else f"{line[: MAX_SAID - 3]}..."
