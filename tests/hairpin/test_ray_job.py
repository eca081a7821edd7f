"""The same command as a Ray job, on a cluster that somebody else started, with tokens required."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from ray.job_submission import JobSubmissionClient

from hairpin.jobs.server import JobServer
from hairpin.kept import KEPT
from sim.tracks import route
from tests.hairpin.ray_head import BIN, free_ports, keeper, ray_head

pytestmark = pytest.mark.slow

REWARD = "def reward_function(params):\n    return 1.0 if params['all_wheels_on_track'] else 1e-3\n"


@pytest.fixture(scope="module")
def cluster() -> Iterator[dict[str, str]]:
    """A Ray cluster that wants a token; the environment to reach it with."""
    with ray_head() as env:
        yield env


def submit(env: dict[str, str], folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(BIN / "ray"), "job", "submit", "--working-dir", str(folder), "--", *command],
        env=env,
        capture_output=True,
        text=True,
        cwd=folder,
    )


def test_a_folder_with_a_reward_trains_as_a_job(cluster: dict[str, str], tmp_path: Path) -> None:
    car = tmp_path / "car"
    car.mkdir()
    (car / "reward_function.py").write_text(REWARD)
    runs = tmp_path / "runs"
    options = [
        "--steps",
        "5000",
        "--workers",
        "2",
        "--run",
        "job",
        "--storage",
        str(runs),
        "--json",
    ]
    done = submit(cluster, car, "hairpin", "train", ".", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"event"')]
    result = json.loads(lines[-1])
    assert result["event"] == "result"
    assert result["steps"] >= 5000
    assert (runs / "job" / "training.png").exists()
    assert (runs / "job" / "reward_function.py").read_text() == REWARD


def test_without_the_token_nothing_is_submitted(cluster: dict[str, str], tmp_path: Path) -> None:
    wrong = {**cluster, "RAY_AUTH_TOKEN": "x" * 64}
    done = submit(wrong, tmp_path, "hairpin", "--version")
    assert done.returncode != 0


def hairpin(env: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "hairpin", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=300)


def submitted(env: dict[str, str], *arguments: str) -> str:
    done = hairpin(env, "submit", *arguments, "--json")
    assert done.returncode == 0, done.stderr
    name = json.loads(done.stdout)["job"]
    assert isinstance(name, str)
    return name


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 120.0
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def driver_of(runs: Path, run: str) -> int:
    """The process that holds the run's lock."""
    newest = max((runs / run / "lock").iterdir())
    return int(json.loads(newest.read_text())["pid"])


def test_submit_sends_what_the_job_needs_and_follows_it(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    car, runs = tmp_path / "car", tmp_path / "runs"
    (car / "model").mkdir(parents=True)
    (car / "model" / "reward_function.py").write_text(REWARD)
    np.save(tmp_path / "elsewhere.npy", route("bowtie")[1])
    job = [str(car), "--track", str(tmp_path / "elsewhere.npy"), "--run", "sent", "--durable"]
    job += ["--storage", str(runs), "--steps", "3000", "--workers", "2"]

    done = hairpin(cluster, "submit", *job)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hairpin logs sent -f" in done.stdout and "the steps are done" in done.stdout
    assert f"note: {runs}/sent is lost with this machine" in done.stdout
    assert (runs / "sent" / "reward_function.py").read_text() == REWARD
    assert (runs / "sent" / "elsewhere.npy").exists()

    again = hairpin(cluster, "submit", *job)  # as whoever does not know how far it came
    assert again.returncode == 0, again.stdout + again.stderr
    assert "run sent has come to its end: its steps are done" in again.stdout
    table = json.loads(hairpin(cluster, "jobs", "--json").stdout)
    states = {row["job"]: (row["run"], row["state"]) for row in table}
    assert states["sent"] == states["sent.2"] == ("sent", "finished")
    tail = hairpin(cluster, "logs", "sent", "--tail", "1")
    assert tail.returncode == 0 and len(tail.stdout.splitlines()) == 1


def test_a_killed_driver_is_gone_on_with_and_a_stopped_one_saves(
    cluster: dict[str, str], tmp_path: Path
) -> None:
    runs, job = tmp_path / "runs", tmp_path / "job.yaml"
    job.write_text("workers: 2\ncheckpoint_every_s: 1\nstop: {minutes: 30}\n")
    options = [str(job), "--storage", str(runs), "--run", "kept", "--durable"]
    latest = runs / "kept" / "aliases" / "latest"

    first = submitted(cluster, *options)
    until(latest.exists, "no checkpoint")
    os.kill(driver_of(runs, "kept"), signal.SIGKILL)
    followed = hairpin(cluster, "logs", first, "-f")
    assert followed.returncode == 100, followed.stdout + followed.stderr

    other = hairpin(cluster, "submit", *options, "--seed", "9")
    assert other.returncode == 2
    assert "run kept was begun by another job: seed differ" in other.stderr

    before = latest.read_text()
    with keeper(
        {**cluster, "HAIRPIN_STORAGE": str(runs)}
    ):  # as beside the head of a cluster of our chart
        until(lambda: latest.read_text() != before, "it did not go on")
    assert hairpin(cluster, "logs", "kept").returncode == 101
    history = [json.loads(line) for line in (runs / "kept" / "history.jsonl").open()]
    began = [event for event in history if event["event"] == "started"]
    assert [bool(event["resumed_from"]) for event in began] == [False, True]

    driver = psutil.Process(driver_of(runs, "kept"))
    stopped = hairpin(cluster, "stop", "kept")
    assert stopped.returncode == 0 and "cancelled" in stopped.stdout
    assert not driver.is_running()
    result = json.loads((runs / "kept" / "result.json").read_text())
    assert result["stop_reason"] == "stopped"
    assert str(result["steps"]) in latest.read_text()
    assert not (runs / "kept" / KEPT).exists()  # nobody is to go on with it
    assert hairpin(cluster, "logs", "kept").returncode == 103
    assert hairpin(cluster, "stop", "kept").returncode == 0  # there is nothing to stop


def test_what_is_to_end_now_does_not_finish(cluster: dict[str, str], tmp_path: Path) -> None:
    runs, job = tmp_path / "runs", tmp_path / "job.yaml"
    job.write_text("workers: 1\nevaluate: {every_s: 3600}\ncheckpoint_every_s: 3600\n")
    submitted(cluster, str(job), "--storage", str(runs), "--run", "ended")
    history = runs / "ended" / "history.jsonl"
    until(lambda: history.exists() and "iteration_done" in history.read_text(), "no iteration")
    driver = psutil.Process(driver_of(runs, "ended"))
    driver.suspend()  # otherwise it may be quick enough to finish
    stopped = hairpin(cluster, "stop", "ended", "--now")
    assert stopped.returncode == 0 and "cancelled" in stopped.stdout, stopped.stderr
    assert not driver.is_running()
    assert not (runs / "ended" / "result.json").exists()


def test_what_goes_wrong_is_one_line(cluster: dict[str, str], tmp_path: Path) -> None:
    unknown = hairpin(cluster, "logs", "nobody")
    assert unknown.returncode == 102
    assert "there is no training of a run 'nobody'" in unknown.stderr
    wrong = hairpin({**cluster, "RAY_AUTH_TOKEN": "x" * 64}, "jobs")
    nowhere = {name: value for name, value in cluster.items() if name != "RAY_AUTH_TOKEN"}
    none = hairpin({**nowhere, "HOME": str(tmp_path)}, "jobs")
    for done, message in (
        (wrong, "the cluster does not know this token"),
        (none, "the cluster wants a token, and there is none"),
        (hairpin(cluster, "submit", "--track", "ovl"), "there is no track 'ovl'"),
        (hairpin(cluster, "jobs", "--address", "127.0.0.1:9"), "no cluster answers at"),
    ):
        assert done.returncode == 2, done.stdout + done.stderr
        assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
        assert message in done.stderr
        assert "x" * 64 not in done.stderr


def refused(env: dict[str, str], *arguments: str) -> str:
    """The one line of an error with which ``hairpin submit`` ends, whether it follows or not."""
    done = hairpin(env, "submit", *arguments, "--detach")
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {env['RAY_ADDRESS']}: the cluster does not do it: ")
    return line


def test_what_only_the_cluster_finds_wrong_is_said_at_submit(tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    store = {
        "HAIRPIN_STORAGE": "s3://bucket/runs",
        "HAIRPIN_S3_ENDPOINT": nowhere,
        "AWS_ACCESS_KEY_ID": "somebody",
        "AWS_SECRET_ACCESS_KEY": "secret-of-the-store",
        "HAIRPIN_MAX_WORKERS": "3",
    }
    with ray_head(**store) as env:
        line = refused(env, "--track", "oval")
        assert f"{nowhere}: nothing listens there (connection refused)" in line
        runs = ["--storage", str(tmp_path / "runs")]
        line = refused(env, "--workers", "4", *runs)
        assert "4 workers want a CPU each, and the cluster can grow to 3. Use --workers 3" in line

        plain = submit(env, tmp_path, "hairpin", "train", "--workers", "4", *runs)
        assert plain.returncode == 1
        (said,) = {text for text in plain.stdout.splitlines() if text.startswith("error: ")}
        assert "the cluster can grow to 3" in said
        unknown = submit(env, tmp_path, "hairpin", "train", "--track", "ovl", *runs)
        assert "there is no track 'ovl'" in unknown.stdout and unknown.returncode == 1
        assert "secret-of-the-store" not in line + plain.stdout + unknown.stdout

        asked = JobServer(env["RAY_ADDRESS"], env["RAY_AUTH_TOKEN"])
        answer = json.loads("{" + asked.ask("hairpin doctor --json", 100.0).partition("{")[2])
        found = {check["name"]: check["status"] for check in answer["checks"]}
        assert found["storage"] == "fail" and answer["versions"]["ray"] == asked.ray_version
        authorization = {"Authorization": f"Bearer {env['RAY_AUTH_TOKEN']}"}
        left = JobSubmissionClient(asked.address, headers=authorization).list_jobs()
        assert {job.entrypoint.split()[1] for job in left} == {"train"}  # the question is gone
