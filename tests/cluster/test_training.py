"""Real trainings on the chart's cluster, from the samples: they lap, and they survive."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import av
import pytest

from hairpin.kept import KEPT
from storage import Run, Store, open_store

from .release import DIRECT, Release

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "deploy" / "samples"
BIN = Path(sys.executable).parent
DASHBOARDS = ROOT / "dashboards" / "grafana"
TRAINING_PANELS = {
    "Age of checkpoints",
    "Completion of the lap",
    "Environment steps per second",
    "Lap time",
    "Policy loss",
    "Steps per second of a worker",
    "Upload rate",
    "Video streams",
    "Workers wanted and healthy",
}
NODE_PANELS = {"Processors of a node", "Memory of a node", "Ray's object store"}
VARIABLES = {'"$run"': '"laps"', "$__rate_interval": "20s", "$__range": "3600s"}
TIMEOUT_S = 300.0
Json = dict[str, Any]


def until(condition: Callable[[], Any], what: str) -> Any:
    """The first answer of a condition that is true."""
    deadline = time.monotonic() + TIMEOUT_S
    while not (found := condition()):
        assert time.monotonic() < deadline, what
        time.sleep(0.3)
    return found


class Jobs:
    """The job API of a release, also after its head has become another."""

    def __init__(self, release: Release) -> None:
        self.release = release

    def get(self, path: str) -> Any:
        """The parsed answer to a request; None while there is no head that answers."""
        try:
            url = self.release.ray_address + path
            headers = {"Authorization": f"Bearer {self.release.token}"}
            with DIRECT.open(urllib.request.Request(url, headers=headers), timeout=20) as answer:
                return json.load(answer)
        except (urllib.error.URLError, OSError, ValueError, AssertionError):
            return None

    def log(self, job: str) -> str:
        """What a job has said so far."""
        return str((self.get(f"/api/jobs/{job}/logs") or {}).get("logs", ""))

    def status(self, job: str) -> str:
        """PENDING, RUNNING, SUCCEEDED, FAILED or STOPPED; empty if it is not known."""
        return str((self.get(f"/api/jobs/{job}") or {}).get("status", ""))

    def run(self, *command: str | Path, **more: str) -> str:
        """What a command prints that knows where the job API is; it has to succeed."""
        env = {**os.environ, **self.release.ray_env, **more}
        ran = subprocess.run(
            [str(word) for word in command], env=env, capture_output=True, text=True, cwd=ROOT
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout


@pytest.fixture(scope="module")
def jobs(installed: Release) -> Jobs:
    return Jobs(installed)


@pytest.fixture(scope="module")
def store(installed: Release) -> Iterator[Store]:
    """The store in the cluster, with the driver's key."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in installed.store_env.items():
            patch.setenv(name, value)
        yield open_store(installed.store_env["HAIRPIN_STORAGE"])


@pytest.fixture(scope="module")
def laps(jobs: Jobs, store: Store) -> Run:
    """A training that goes on, submitted by Ray's own command, and has driven its first lap."""
    words = ["hairpin", "train", ".", "--run", "laps", "--durable"]
    folder = ["--working-dir", str(SAMPLES / "laps"), "--submission-id", "laps", "--no-wait"]
    jobs.run(BIN / "ray", "job", "submit", *folder, "--", *words)
    until(lambda: "first lap after" in jobs.log("laps"), "it does not lap")
    return Run(store, "laps")


def events(run: Run, kind: str) -> list[Json]:
    return [record for record in run.history() if record["event"] == kind]


def test_a_submitted_folder_laps_on_rollout_pods(jobs: Jobs, laps: Run) -> None:
    addresses = {pod["status"]["podIP"] for pod in jobs.release.pods("rollouts")}
    actors = jobs.get("/logical/actors")["data"]["actors"].values()
    drives = [each for each in actors if "RolloutWorker" in each["actorClass"]]
    at = {each["address"]["ipAddress"] for each in drives if each["state"] == "ALIVE"}
    assert at and at == addresses


def test_it_can_be_watched(jobs: Jobs, laps: Run, tmp_path: Path) -> None:
    def picture() -> Any:
        url = jobs.release.video_url("laps/worker-0")
        try:
            with av.open(url, options={"rtsp_transport": "tcp"}, timeout=20.0) as stream:
                return next(frame for frame in stream.decode(video=0) if frame.key_frame)
        except av.FFmpegError:  # not there yet
            return None

    frame = until(picture, "no video")
    frame.to_image().save(tmp_path / "frame.png")
    pixels = frame.to_ndarray(format="rgb24")
    assert pixels.shape == (480, 640, 3) and pixels.std() > 30


def panels(*titles: str) -> dict[str, list[str]]:
    """The queries of all dashboards' panels with these titles, as Grafana fills them in."""
    found: dict[str, list[str]] = {}
    for path in DASHBOARDS.glob("*.json"):
        rows = json.loads(path.read_text(encoding="utf-8"))["panels"]
        for panel in [*rows, *(inner for row in rows for inner in row.get("panels") or [])]:
            if panel["title"] in titles:
                texts = [target["expr"] for target in panel["targets"]]
                for name, value in VARIABLES.items():
                    texts = [text.replace(name, value) for text in texts]
                found[panel["title"]] = texts
    return found


def test_the_dashboards_have_data(jobs: Jobs, laps: Run) -> None:
    asked = panels(*NODE_PANELS, *TRAINING_PANELS)
    assert set(asked) == NODE_PANELS | TRAINING_PANELS
    for title, queries in asked.items():
        for query in queries:
            until(partial(jobs.release.prometheus, query), f"no data: {title}: {query}")


def test_no_log_has_a_secret(jobs: Jobs, laps: Run) -> None:
    release = jobs.release
    logs = [jobs.log("laps")]
    for pod in release.get("pods")["items"]:
        logs.append(release.kubectl("logs", pod["metadata"]["name"], "--all-containers"))
    secrets = release.get("secrets")["items"]
    names = [each["metadata"]["name"] for each in secrets if each["type"] == "Opaque"]
    values = {value for name in names for value in release.secret(name).values()}
    hidden = {value for value in values if len(value) >= 16}
    assert release.token in hidden and len(hidden) >= 4
    for value in hidden:
        assert all(value not in log for log in logs)


def test_a_killed_rollout_pod_costs_its_fragments_and_nothing_else(
    jobs: Jobs, laps: Run, record_property: Callable[[str, object], None]
) -> None:
    pod = jobs.release.pods("rollouts")[0]["metadata"]["name"]
    killed = time.monotonic()
    jobs.release.kubectl("delete", "pod", pod, "--force", "--grace-period=0")
    until(lambda: "is back; 2 drive" in jobs.log("laps"), "no worker came back")
    record_property("seconds_to_full_rate", round(time.monotonic() - killed, 1))
    assert "worker" in jobs.log("laps") and "does not answer; 1 drive on" in jobs.log("laps")
    assert jobs.status("laps") == "RUNNING"


def test_ray_job_stop_saves_first(jobs: Jobs, laps: Run) -> None:
    jobs.run(BIN / "ray", "job", "stop", "laps", "--no-wait")
    until(lambda: jobs.status("laps") == "STOPPED", "it does not stop")
    result = laps.read_json("result.json")
    assert result["stop_reason"] == "stopped"
    assert laps.read_checkpoint("latest")[0].step == result["steps"]
    assert not laps.has_file(KEPT)
    # Not while it trains: what is looked at may be removed for newer ones meanwhile.
    said = jobs.run(sys.executable, "-m", "hairpin", "storage", "verify", "laps")
    assert "0 files damaged" in said


@pytest.fixture(scope="module")
def friday(jobs: Jobs, laps: Run) -> Run:
    """A training that Kubernetes knows, with a checkpoint in the store."""
    jobs.release.kubectl("apply", "-f", str(SAMPLES / "rayjob.yaml"))
    run = Run(laps.store, "friday")
    until(lambda: run.checkpoints.names(), "no checkpoint of friday")
    return run


def delete_head(jobs: Jobs, *how: str) -> None:
    head = jobs.release.head
    jobs.release.kubectl("delete", "pod", head, "--wait=false", *how)
    until(lambda: head not in {pod["metadata"]["name"] for pod in jobs.release.pods("head")}, head)


def test_a_lost_head_costs_a_checkpoint_interval_at_most(
    jobs: Jobs, friday: Run, record_property: Callable[[str, object], None]
) -> None:
    saved = friday.checkpoints.names()[-1]
    killed = time.monotonic()
    delete_head(jobs, "--force", "--grace-period=0")
    started = until(lambda: events(friday, "started")[1:], "nobody goes on with it")[0]
    record_property("seconds_without_driver", round(time.monotonic() - killed, 1))
    assert started["resumed_from"] >= saved


def test_a_head_that_has_to_go_costs_nothing(jobs: Jobs, friday: Run) -> None:
    done = len(events(friday, "iteration_done"))
    until(lambda: len(events(friday, "iteration_done")) > done, "it does not drive")
    delete_head(jobs)
    ended = until(lambda: events(friday, "ended"), "it was not asked to end")[-1]
    assert ended["reason"] == "drained"
    saved = until(lambda: friday.checkpoints.infos(), "no checkpoint")[-1]
    assert saved.step == ended["steps"]
    assert friday.has_file(KEPT)


def test_what_was_stopped_is_not_gone_on_with(jobs: Jobs, friday: Run) -> None:
    until(lambda: jobs.status("friday"), "nobody goes on with it")  # the keeper's job
    jobs.release.kubectl("delete", "rayjob", "friday")
    said = jobs.run(sys.executable, "-m", "hairpin", "stop", "friday")
    assert "friday is over: cancelled" in said
    until(lambda: not friday.has_file(KEPT), "it would be gone on with")
    left = {job["status"] for job in jobs.get("/api/jobs/") if job["submission_id"]}
    assert left <= {"STOPPED", "FAILED", "SUCCEEDED"}


def test_the_other_samples_train(jobs: Jobs, friday: Run) -> None:
    options = ["--steps", "2000", "--workers", "1"]  # so that there is room for both
    jobs.run(SAMPLES / "submit.sh", "saturday", "--track", "bramble", *options)
    said = jobs.run(sys.executable, SAMPLES / "submit.py", "sunday", SAMPLES / "laps", *options)
    assert "sunday: SUCCEEDED" in said
    until(lambda: jobs.status("saturday") == "SUCCEEDED", "submit.sh's job does not succeed")
    for run in ("saturday", "sunday"):
        assert Run(friday.store, run).read_json("result.json")["stop_reason"] == "steps"
