"""Three participants and one worker: real Ray jobs through the real gate, keys of a real MinIO."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests

from hairpin.cli import run
from hairpin.jobs.server import JobServer
from hairpin.kept import KEPT
from servers.minio import Minio
from storage import Run
from storage.s3 import S3Store
from storage.s3_settings import S3Settings
from tests.hairpin.ray_head import BIN, free_ports, keeper, ray_head
from tests.helm.test_scripts import SCRIPTS

pytestmark = pytest.mark.slow

REWARD = "def reward_function(params):\n    return 1.0 if params['all_wheels_on_track'] else 1e-3\n"
PASSWORDS = {name: f"password-of-{name}" for name in ("anna", "bert", "carl")}
DRIVER = {"AWS_ACCESS_KEY_ID": "hairpin-driver", "AWS_SECRET_ACCESS_KEY": "a-secret-of-its-own"}
SHORT = ["--steps", "1500"]
# A driver that takes its turn as a training does, and does nothing with it.
IDLE = """
import time
from hairpin.job import Job
from hairpin.workshop.turn import taking_turn
from hairpin.workshop.visit import begin_visit
visit = begin_visit()
with taking_turn(visit, Job(workers=1), print) as why_end:
    while why_end() is None:
        time.sleep(0.1)
    print("ended:", why_end(), flush=True)
"""


@dataclass
class Workshop:
    """A workshop, and its participants' machines."""

    gate: str
    metrics: str
    folder: Path
    car: Path
    ray: dict[str, str]
    capsys: Any = None
    monkeypatch: Any = None
    limits: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write_rules(self, **participants: dict[str, Any]) -> None:
        """Everybody may have one worker and three hours, if nothing else is said."""
        self.limits |= participants
        rules = {
            "workers": 1,
            "limits": {"workers": 1, "minutes": 180},
            "participants": {name: self.limits.get(name, {}) for name in PASSWORDS},
        }
        new = self.folder / "rules.json.new"
        new.write_text(json.dumps(rules))
        new.replace(self.folder / "rules.json")

    def hairpin(self, tenant: str, *arguments: str) -> tuple[int, str]:
        """Exit code and what is printed, of a command that a participant types."""
        code, out, err = self.typed(tenant, *arguments)
        return code, out + err

    def typed(self, tenant: str, *arguments: str) -> tuple[int, str, str]:
        """The same with stdout and stderr apart."""
        self.monkeypatch.setenv("RAY_AUTH_TOKEN", PASSWORDS[tenant])
        self.monkeypatch.setenv("HAIRPIN_ADDRESS", self.gate)
        code = run(arguments)
        said = self.capsys.readouterr()
        return code, said.out, said.err

    def jobs(self, tenant: str) -> dict[str, dict[str, Any]]:
        """What a participant sees of the cluster, by the name of the job."""
        code, said, err = self.typed(tenant, "jobs", "--json")
        assert code == 0, err
        return {job["job"]: job for job in json.loads(said)}

    def until(self, tenant: str, job: str, condition: Callable[[dict[str, Any]], bool]) -> Any:
        """Waits until a job is as it should be; returns it."""
        deadline = time.monotonic() + 180.0
        while (found := self.jobs(tenant).get(job)) is None or not condition(found):
            log = self.hairpin(tenant, "logs", job)[1]
            assert time.monotonic() < deadline, f"{found}\n{log}"
            time.sleep(0.5)
        return found

    def until_figures(self, **wanted: tuple[int, int]) -> None:
        """Waits until so many trainings of each participant wait and run, as Prometheus reads."""
        lines = [
            f'hairpin_workshop_jobs_{state}{{run="",tenant="{tenant}"}} {float(count)}'
            for tenant, counts in wanted.items()
            for state, count in zip(("waiting", "running"), counts, strict=True)
        ]
        deadline = time.monotonic() + 30.0
        while missing := set(lines) - set(requests.get(self.metrics).text.splitlines()):
            assert time.monotonic() < deadline, missing
            time.sleep(0.2)

    def store(self, tenant: str) -> S3Store:
        """A participant's folder, with their key."""
        endpoint = self.ray["HAIRPIN_S3_ENDPOINT"]
        settings = S3Settings.find(endpoint, keys=(f"tenant-{tenant}", PASSWORDS[tenant]))
        return S3Store(f"s3://races/tenants/{tenant}", settings)

    def as_teacher(self) -> None:
        """What is typed next is typed by who has Ray's token and its address."""
        self.monkeypatch.setenv("RAY_AUTH_TOKEN", self.ray["RAY_AUTH_TOKEN"])
        self.monkeypatch.setenv("HAIRPIN_ADDRESS", self.ray["RAY_ADDRESS"])

    def idle(self, tenant: str, run: str) -> None:
        """Submits, as the teacher, a job of a participant that only keeps its turn."""
        self.as_teacher()
        command = f"{shlex.quote(sys.executable)} -c {shlex.quote(IDLE)}"
        JobServer().submit(run, command, None, tenant)

    def submit(self, tenant: str, run: str, *options: str) -> None:
        sent = ["submit", str(self.car), "--json", "--run", run, *options]
        code, said, err = self.typed(tenant, *sent)
        assert code == 0, err
        assert json.loads(said)["job"] == run


@contextlib.contextmanager
def started_gate(environment: dict[str, str]) -> Iterator[str]:
    port = free_ports(1)[0]
    process = subprocess.Popen(
        [sys.executable, "-m", "hairpin", "gate", "--listen", f"127.0.0.1:{port}"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == f"participants are let in at 127.0.0.1:{port}\n"
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.communicate()


@pytest.fixture(scope="module")
def started(
    new_minio: Callable[[], Minio], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workshop]:
    minio, folder = new_minio(), tmp_path_factory.mktemp("workshop")
    for name, password in PASSWORDS.items():
        (folder / name).write_text(password)
    place = {"HAIRPIN_S3_ENDPOINT": minio.endpoint, "HAIRPIN_STORAGE": "s3://races"}
    root = {"MINIO_ROOT_USER": minio.access_key, "MINIO_ROOT_PASSWORD": minio.secret_key}
    subprocess.run(
        [sys.executable, SCRIPTS / "make_store.py", "--participants", folder],
        env={**os.environ, **place, **root, **DRIVER},
        check=True,
    )
    car = tmp_path_factory.mktemp("car")
    (car / "reward_function.py").write_text(REWARD)
    (car / "job.yaml").write_text("evaluate: {starts: 2}\n")
    there = {"HAIRPIN_WORKSHOP": str(folder), "HAIRPIN_SPOOL": str(folder / "spool"), **place}
    port = str(free_ports(1)[0])
    served = {"HAIRPIN_METRICS_PORT": port, "HAIRPIN_METRICS_HOST": "127.0.0.1"}
    with ray_head(cpus=1, **there, **served, **DRIVER) as ray:
        gate_environment = {**there, "HAIRPIN_ADDRESS": ray["RAY_ADDRESS"]}
        metrics = f"http://127.0.0.1:{port}/metrics"
        workshop = Workshop("", metrics, folder, car, {**ray, **place})
        workshop.write_rules()
        with started_gate({**ray, **gate_environment}) as workshop.gate:
            yield workshop


@pytest.fixture
def workshop(
    started: Workshop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Workshop:
    started.capsys, started.monkeypatch = capsys, monkeypatch
    return started


def test_who_waits_has_a_place_and_nobody_sees_the_others(workshop: Workshop) -> None:
    workshop.idle("anna", "slow")
    workshop.until("anna", "slow", lambda job: job["used_minutes"] is not None)

    # Ray's own command, with a participant's password for the token.
    plain = [str(BIN / "ray"), "job", "submit", "--no-wait", "--submission-id", "second"]
    plain += ["--working-dir", str(workshop.car)]
    train = ["hairpin", "train", ".", "--run", "monday", *SHORT]
    sent = subprocess.run(
        [*plain, "--", *train],
        env={
            **workshop.ray,
            "RAY_ADDRESS": workshop.gate,
            "RAY_AUTH_TOKEN": PASSWORDS["bert"],
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert sent.returncode == 0, sent.stdout + sent.stderr
    workshop.until("bert", "second", lambda job: job["place"] == 1)
    workshop.submit("carl", "monday", *SHORT)
    found = workshop.until("carl", "monday", lambda job: job["place"] == 2)
    assert (found["tenant"], found["state"], found["waiting"]) == ("carl", "waiting", 2)
    workshop.until_figures(anna=(0, 1), bert=(1, 0), carl=(1, 0))
    workshop.submit("anna", "more", *SHORT)
    workshop.until("anna", "more", lambda job: job["place"] == 3)
    _, table = workshop.hairpin("anna", "jobs")
    assert "waiting, 3rd of 3" in table and "of 180" in table
    assert "waiting, 2nd of 2" in workshop.hairpin("carl", "logs", "monday")[1]

    # Whatever they try, the others' jobs are not there.
    assert list(workshop.jobs("bert")) == ["second"]
    assert workshop.hairpin("bert", "logs", "slow")[0] == 102
    headers = {"Authorization": f"Bearer {PASSWORDS['bert']}"}
    for name in ("slow", "anna.slow", "..%2Fapi%2Fjobs%2Fanna.slow"):
        for path in ("", "/logs"):
            answer = requests.get(f"{workshop.gate}/api/jobs/{name}{path}", headers=headers)
            assert answer.status_code in (400, 404), answer.text
    stopped = requests.post(f"{workshop.gate}/api/jobs/anna.slow/stop", headers=headers)
    assert stopped.status_code == 404
    assert requests.get(f"{workshop.gate}/api/jobs/").status_code == 401
    token = {"Authorization": f"Bearer {workshop.ray['RAY_AUTH_TOKEN']}"}  # is not for the gate
    assert requests.get(f"{workshop.gate}/api/jobs/", headers=token).status_code == 403
    assert requests.get(f"{workshop.gate}/api/actors", headers=headers).status_code == 404

    # The queue's actor dies; places are the same, and still one runs.
    office = next(
        process
        for process in psutil.process_iter()
        if _is_of_the_workshop(process, workshop.folder, "ray::Office")
    )
    office.kill()
    office.wait(30)
    workshop.until("carl", "monday", lambda job: job["place"] == 2)
    assert workshop.jobs("anna")["slow"]["state"] == "running"

    # The teacher, who has the token, sees all of them.
    workshop.as_teacher()
    assert run(["logs", "monday"]) == 2
    assert "2 participants have a run 'monday'" in workshop.capsys.readouterr().err
    assert run(["logs", "bert.monday"]) == 101
    assert run(["jobs"]) == 0
    table = workshop.capsys.readouterr().out
    assert all(tenant in table for tenant in PASSWORDS)

    for tenant, job in (("bert", "second"), ("carl", "monday")):
        assert workshop.hairpin(tenant, "stop", job)[0] == 0
        assert workshop.jobs(tenant)[job]["state"] == "cancelled"
    workshop.until("anna", "more", lambda job: job["place"] == 1)

    # Her minutes are cut: what she trains ends, and what she waits with is refused.
    workshop.write_rules(anna={"minutes": 0.05})
    workshop.until("anna", "slow", lambda job: job["state"] == "finished")
    assert "ended: allowance" in workshop.hairpin("anna", "logs", "slow")[1]
    failed = workshop.until("anna", "more", lambda job: job["state"] == "failed")
    assert "of 0.05 minutes of training" in failed["problem"] and failed["refused"]
    code, said = workshop.hairpin("anna", "submit", str(workshop.car))
    assert code == 2 and said.startswith("error: workshop: anna has used") and said.count("\n") == 1
    assert "Your teacher can allow more" in said

    everything = requests.get(f"{workshop.ray['RAY_ADDRESS']}/api/jobs/", headers=token).text
    log = workshop.hairpin("anna", "logs", "slow")[1]
    for secret in (*PASSWORDS.values(), DRIVER["AWS_SECRET_ACCESS_KEY"]):
        assert secret not in everything + log


def _is_of_the_workshop(process: psutil.Process, folder: Path, part: str) -> bool:
    """Whether its command has this part and it is of this cluster."""
    with contextlib.suppress(psutil.Error):
        if part in " ".join(process.cmdline()):
            return process.environ().get("HAIRPIN_WORKSHOP") == str(folder)
    return False


def test_who_keeps_too_much_or_asks_for_too_much_is_told_what_to_do(workshop: Workshop) -> None:
    workshop.write_rules(bert={"bytes": 1000}, carl={})
    workshop.store("bert").put("old/checkpoint", b"0" * 2000)
    code, said = workshop.hairpin("bert", "submit", str(workshop.car))
    assert code == 2 and said.count("\n") == 1
    assert "bert keeps" in said and "hairpin storage rm RUN" in said
    for options, message in (
        (
            ["--workers", "2"],
            "--workers: 2 workers are asked for and carl may have 1. Use --w",
        ),
        (["--storage", "s3://races"], "--storage: is given by the workshop"),
        (["--metrics-port", "9999"], "--metrics-port: is given by the workshop"),
        (["--video", "rtsp://10.0.0.1"], "--video: is given by the workshop"),
    ):
        code, said = workshop.hairpin("carl", "submit", str(workshop.car), *SHORT, *options)
        assert code == 2 and said.startswith(f"error: {message}"), said
        assert said.count("\n") == 1
    code, said = workshop.hairpin("carl", "submit", str(workshop.car), "--as", "anna")
    assert code == 2 and "this password is carl's, not anna's" in said


def test_a_training_that_fills_its_participants_room_saves_and_ends(workshop: Workshop) -> None:
    workshop.write_rules(carl={"bytes": 500_000})
    workshop.submit("carl", "large", "--minutes", "60")  # and not until it drives well
    workshop.until("carl", "large", lambda job: job["state"] == "finished")
    assert (
        "the participant's runs take as much room" in workshop.hairpin("carl", "logs", "large")[1]
    )
    run = Run(workshop.store("carl"), "large")
    result = run.read_json("result.json")
    assert result["stop_reason"] == "room"
    assert run.read_checkpoint("latest")[0].step == result["steps"]

    more = ("submit", "--", "--resume", "large", "--minutes", "60")
    code, said = workshop.hairpin("carl", *more)
    assert code == 2 and "carl keeps" in said and "hairpin storage rm RUN" in said
    workshop.monkeypatch.setenv("HAIRPIN_S3_ENDPOINT", workshop.ray["HAIRPIN_S3_ENDPOINT"])
    workshop.monkeypatch.setenv("AWS_ACCESS_KEY_ID", "tenant-carl")
    workshop.monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", PASSWORDS["carl"])
    assert workshop.hairpin("carl", "storage", "rm", "large", "--storage", run.store.url)[0] == 0
    assert run.store.entries() == {}


def test_who_waits_is_gone_on_with_by_the_next_head(workshop: Workshop) -> None:
    workshop.write_rules(anna={}, bert={}, carl={})
    workshop.idle("carl", "busy")
    workshop.until("carl", "busy", lambda job: job["used_minutes"] is not None)
    workshop.submit("bert", "kept", "--durable", *SHORT)
    workshop.submit("bert", "lost", *SHORT)
    for job in ("kept", "lost"):
        for process in psutil.process_iter():
            if _is_of_the_workshop(process, workshop.folder, f"--run {job} "):
                process.kill()  # as the loss of their head does
        workshop.until("bert", job, lambda job: job["state"] == "failed")

    place = {name: workshop.ray[name] for name in ("HAIRPIN_S3_ENDPOINT", "HAIRPIN_STORAGE")}
    with keeper({**workshop.ray, **place, **DRIVER}):
        workshop.until("bert", "kept.2", lambda job: job["place"] == 1)
        assert "lost.2" not in workshop.jobs("bert")
        assert workshop.hairpin("bert", "stop", "kept")[0] == 0
        assert workshop.jobs("bert")["kept.2"]["state"] == "cancelled"
        deadline = time.monotonic() + 60.0
        while KEPT in Run(workshop.store("bert"), "kept").file_names():
            assert time.monotonic() < deadline
            time.sleep(0.2)
    assert workshop.hairpin("carl", "stop", "busy")[0] == 0
