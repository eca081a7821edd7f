"""A real training, read by a real Prometheus: every panel and every alert has what it asks for."""

from __future__ import annotations

import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from dashboards.catalog import METRICS
from tests.servers import SCRAPE_INTERVAL_S, free_port

if TYPE_CHECKING:
    from servers.mediamtx import Mediamtx
    from servers.minio import Minio
    from servers.prometheus import Prometheus

pytestmark = pytest.mark.slow

RULES = Path(__file__).resolve().parents[2] / "dashboards" / "alerts" / "hairpin.rules.yml"
JOB = {"track": "oval", "checkpoint_every_s": 4.0, "stop": {"minutes": 8.0}, "run": "monday"}
AT_LEAST_S = 45.0
LAPS = 'rate(hairpin_lap_time_seconds_count{phase="training"}[20s]) > 0'  # comes last of all
LOOK_EVERY_S = 2.0
# What was read once, just before the endpoint went, is not stepped over.
STEP_S = SCRAPE_INTERVAL_S / 4
EMPTY = {  # what has no data, and why
    "Processors of a node": "Ray that a training starts for itself serves no metrics",
    "Memory of a node": "likewise",
    "Ray's object store": "likewise",
    "Trainings that wait and run": "a workshop's",
    "Longest wait": "likewise",
    "Participants": "likewise",
    "annotation Worker lost": "no worker was lost",
}


@dataclass(frozen=True)
class Watched:
    """A training that has ended, and the Prometheus that watched it."""

    server: Prometheus
    began: float
    ended: float
    firing: list[dict[str, Any]]

    def ever(self, expr: str) -> list[dict[str, Any]]:
        """What an expression gave when it last gave numbers; empty if it never did."""
        at = self.ended
        while at > self.began:
            found = self.server.query(expr, at=at)
            if numbers := [one for one in found if not math.isnan(float(one["value"][1]))]:
                return numbers
            at -= STEP_S
        return []


@pytest.fixture(scope="module")
def watched(
    minio: Minio,
    mediamtx: Mediamtx,
    prometheus: Callable[..., Prometheus],
    tmp_path_factory: pytest.TempPathFactory,
) -> Watched:
    port = free_port()
    jobs = {
        "hairpin": [f"127.0.0.1:{port}"],
        "minio": [minio.endpoint.removeprefix("http://")],
        "mediamtx": [mediamtx.metrics_address],
    }
    server = prometheus(jobs, rules=RULES)
    folder = tmp_path_factory.mktemp("job")
    job = folder / "job.yaml"
    places = {"storage": "s3://hairpin/watched", "metrics_port": port}
    places["video"] = {"to": mediamtx.url}
    job.write_text(json.dumps(JOB | places), encoding="utf-8")
    began = time.time()
    firing: list[dict[str, Any]] = []
    log = folder / "training.log"  # a pipe that nobody reads would stop the training when full
    with log.open("w", encoding="utf-8") as output:
        training = subprocess.Popen(
            [sys.executable, "-m", "hairpin", "train", job],
            stdout=output,
            stderr=output,
            env=os.environ
            | minio.env()
            | mediamtx.env()
            | {"HAIRPIN_SPOOL": str(folder / "spool")},
        )
        while training.poll() is None:
            firing += [alert for alert in server.alerts() if alert["state"] == "firing"]
            if time.time() - began > AT_LEAST_S and server.query(LAPS):
                training.send_signal(signal.SIGTERM)
                training.wait()
                break
            try:
                training.wait(LOOK_EVERY_S)
            except subprocess.TimeoutExpired:
                continue
    assert training.returncode == 0, log.read_text(encoding="utf-8")
    return Watched(server, began, time.time(), firing)


def test_every_panel_has_data(watched: Watched, asked: list[Any]) -> None:
    empty = {(one.where, one.expr) for one in asked if not watched.ever(one.filled_in)}
    assert {where for where, _ in empty} == set(EMPTY), empty


def test_every_metric_of_the_catalogue_is_there(watched: Watched) -> None:
    missing = [
        metric.name
        for metric in METRICS
        if not watched.ever(metric.name + ("_count" if metric.kind == "histogram" else ""))
    ]
    assert missing == []


def test_every_alert_has_what_it_asks_for(watched: Watched) -> None:
    for group in yaml.safe_load(RULES.read_text(encoding="utf-8"))["groups"]:
        for rule in group["rules"]:
            watched.server.query(rule["expr"])
            for name in set(re.findall(r"hairpin_\w+", rule["expr"])):
                assert watched.ever(name), f"{rule['alert']}: {name}"


def test_a_training_that_goes_well_alarms_nobody(watched: Watched) -> None:
    assert watched.firing == []


def test_the_end_was_read_before_the_endpoint_went(watched: Watched) -> None:
    (ended,) = watched.ever("hairpin_run_ended")
    assert ended["metric"]["reason"] == "stopped"
