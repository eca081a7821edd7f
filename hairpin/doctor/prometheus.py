"""Whether somebody reads the metrics of Ray and of trainings."""

from __future__ import annotations

import http.client
import json
import urllib.request

from hairpin.doctor.finding import Finding
from hairpin.doctor.kubectl import KubectlError
from hairpin.doctor.pods import is_ready
from hairpin.doctor.release import Release

NAME, PORT = "scraping", 9090
MONITORS = "podmonitors.monitoring.coreos.com"
TRAINING = "hairpin"  # Prometheus' job of trainings, which answer only while there is one
ANSWER_S = 10.0


def check_scraping(release: Release) -> Finding:
    """The release's Prometheus reads what it should; another one's cannot be asked."""
    pods = release.of("prometheus")
    if not pods:
        return _of_another(release)
    if not is_ready(pods[0]):
        return Finding(NAME, "fail", "Prometheus is not ready", "See prometheus.")
    try:
        with release.kubectl.forward(f"pod/{pods[0]['metadata']['name']}", PORT) as port:
            targets = _targets(port)
    except KubectlError as error:
        return Finding(NAME, "unknown", error.said, "It needs the right to forward ports.")
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        return Finding(NAME, "unknown", f"Prometheus did not answer: {error}")
    up = {job for job, health, _ in targets if health == "up"}
    down = {job: error for job, health, error in targets if health != "up" and job not in up}
    down.pop(TRAINING, None)
    if down:
        said = ", ".join(f"{job} ({error})" for job, error in sorted(down.items()))
        return Finding(
            NAME,
            "fail",
            f"Prometheus cannot read {said}",
            "Are these pods ready, and does a network policy of yours hold it?",
        )
    return Finding(NAME, "ok", f"Prometheus reads {', '.join(sorted(up)) or 'nothing yet'}")


def _of_another(release: Release) -> Finding:
    try:
        monitors = release.kubectl.items(MONITORS, "-l", release.selector)
    except KubectlError:
        monitors = []
    if monitors:
        return Finding(
            NAME,
            "unknown",
            f"{len(monitors)} PodMonitors are there; your own Prometheus is to read them",
            "Does it select their labels (monitoring.podMonitor.labels), and do "
            "networkPolicy.metricsReaders let it in?",
        )
    return Finding(
        NAME,
        "warn",
        "nobody reads metrics",
        "Set prometheus.enabled, or monitoring.podMonitor.enabled for one of your own.",
    )


def _targets(port: int) -> list[tuple[str, str, str]]:
    """Job, health and last error of each target."""
    url = f"http://127.0.0.1:{port}/api/v1/targets?state=active"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(url, timeout=ANSWER_S) as answer:
        found = json.loads(answer.read())["data"]["activeTargets"]
    return [(t["labels"]["job"], t["health"], t.get("lastError", "")) for t in found]
