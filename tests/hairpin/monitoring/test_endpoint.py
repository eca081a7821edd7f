"""The endpoint in a real Ray cluster: runs, drivers and the endpoint itself come and go."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

import psutil
import pytest
import ray
from prometheus_client.parser import text_string_to_metric_families

from hairpin.head_actor import NAMESPACE
from hairpin.monitoring.endpoint import NAME, find_or_start
from hairpin.monitoring.place import Place
from hairpin.monitoring.publisher import Publisher
from hairpin.monitoring.run_metrics import RunMetrics
from hairpin.monitoring.run_table import Origin
from learner.events import Ended, Measured, Rollout
from sim.reward import RewardUse

PATIENCE_S = 60.0
FORGET_S = 8.0
DRIVER = """
import sys, time
import ray
from hairpin.monitoring.place import Place
from hairpin.monitoring.publisher import Publisher
from hairpin.monitoring.run_metrics import RunMetrics
from hairpin.monitoring.run_table import Origin

ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
metrics = RunMetrics(track="oval", actions="discrete", checkpoint_every_s=60.0)
place = Place("127.0.0.1", int(sys.argv[2]), "127.0.0.1", True, "metrics_port")
Publisher(metrics, Origin("other", "elsewhere", "one", 1.0), place).start()
time.sleep(600.0)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """A Ray's address."""
    context = ray.init(
        address="local",
        num_cpus=1,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
        object_store_memory=100 * 2**20,
    )
    yield context.address_info["address"]
    ray.shutdown()


@pytest.fixture(scope="module")
def port(cluster: str) -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = int(found.getsockname()[1])
    find_or_start("127.0.0.1", port, True, FORGET_S)
    return port


def measured(steps: int) -> Measured:
    rollouts = {1: Rollout(steps, time.time(), 1000, 1.0)}
    return Measured(1, steps, 1.0, steps, {"physics": 1.0}, rollouts, 1, RewardUse(), 0)


@pytest.fixture
def training(port: int) -> Iterator[Callable[..., RunMetrics]]:
    """Begins to publish a run that has driven some steps; returns its metrics."""
    publishers = []

    def begin(name: str, key: str, steps: int, driver: str = "one") -> RunMetrics:
        metrics = RunMetrics(track="oval", actions="discrete", checkpoint_every_s=60.0)
        metrics.note(measured(steps))
        place = Place("127.0.0.1", port, "127.0.0.1", True, "metrics_port")
        publisher = Publisher(metrics, Origin(name, key, driver, time.time()), place)
        publisher.start()
        publishers.append(publisher)
        return metrics

    yield begin
    for publisher in publishers:
        publisher.finish()


def scraped(port: int, path: str = "metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5.0) as answer:
        return answer.read().decode()


def steps(port: int) -> dict[str, float]:
    """Environment steps by run; empty while nobody answers."""
    try:
        families = list(text_string_to_metric_families(scraped(port)))
    except (OSError, http.client.HTTPException):
        return {}
    return {
        sample.labels["run"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "hairpin_env_steps_total"
    }


def until(port: int, wanted: Callable[[dict[str, float]], bool]) -> dict[str, float]:
    deadline = time.monotonic() + PATIENCE_S
    while not wanted(found := steps(port)):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def listening(port: int) -> int:
    """The process that listens on a port."""
    (pid,) = {
        c.pid for c in psutil.net_connections("tcp") if c.status == "LISTEN" and c.laddr[1] == port
    }
    assert pid is not None
    return pid


def test_two_runs_of_one_name_are_told_apart_and_outlive_the_endpoint(port, training) -> None:
    first = training("monday", "here", 100)
    until(port, lambda found: "monday" in found)
    training("monday", "there", 7)
    found = until(port, lambda found: "monday~2" in found)
    assert (found["monday"], found["monday~2"]) == (100.0, 7.0)
    assert '"service": "hairpin-metrics"' in scraped(port, "healthz")

    os.kill(listening(port), signal.SIGKILL)
    first.note(measured(50))
    found = until(port, lambda found: {"monday", "monday~2"} <= set(found))
    assert (found["monday"], found["monday~2"]) == (150.0, 7.0)

    ray.kill(ray.get_actor(NAME, NAMESPACE), no_restart=False)
    found = until(port, lambda found: {"monday", "monday~2"} <= set(found))
    assert (found["monday"], found["monday~2"]) == (150.0, 7.0)


def test_a_killed_driver_is_served_for_a_while_and_then_forgotten(cluster, port) -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, cluster, str(port)])
    try:
        until(port, lambda found: "other" in found)
    finally:
        driver.kill()
        driver.wait()
    killed_at = time.monotonic()
    assert "other" in steps(port), "the endpoint does not die with a driver"
    until(port, lambda found: "other" not in found)
    assert time.monotonic() - killed_at > FORGET_S - 3.0
    assert scraped(port, "healthz")


def test_a_run_that_goes_on_takes_its_own_place(port, training) -> None:
    training("tuesday", "kept here", 1000, driver="killed")
    until(port, lambda found: found.get("tuesday") == 1000.0)
    training("tuesday", "kept here", 30, driver="next")
    until(port, lambda found: found.get("tuesday") == 30.0)
    assert "tuesday~2" not in steps(port)


def test_the_end_is_told_before_the_driver_goes(port) -> None:
    metrics = RunMetrics(track="oval", actions="discrete", checkpoint_every_s=60.0)
    place = Place("127.0.0.1", port, "127.0.0.1", True, "metrics_port")
    publisher = Publisher(metrics, Origin("wednesday", "w", "one", 1.0), place)
    publisher.start()
    metrics.note(Ended(1, 1.0, "goal"))
    publisher.finish()
    assert 'hairpin_run_ended{reason="goal",run="wednesday"} 1.0' in scraped(port)


def test_an_endpoint_that_was_removed_is_made_again(port, training) -> None:
    training("thursday", "t", 5)
    until(port, lambda found: "thursday" in found)
    ray.kill(ray.get_actor(NAME, NAMESPACE), no_restart=True)
    assert until(port, lambda found: "thursday" in found)["thursday"] == 5.0
