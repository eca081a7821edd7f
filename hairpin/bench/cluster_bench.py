"""Sampling on a Ray cluster against sampling on this machine, by the number of workers."""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hairpin.bench.machine import describe
from hairpin.bench.training_run import run_training
from hairpin.jobs.server import JobServer
from hairpin.preflight import new_run_name
from sim.errors import UserError

LOCAL, CLUSTER = "here", "cluster"
Events = list[Mapping[str, Any]]
Train = Callable[[Mapping[str, Any]], Events]
WARM_UP = 3  # iterations
NOT_SAMPLING = ("learning", "sync")  # of an iteration's time
KEPT_IN = "/tmp/hairpin-bench"  # on the head, and gone with it


@dataclass(frozen=True)
class ClusterResult:
    """Rates of both, and how they compare."""

    rates: dict[str, dict[int, float]]
    """Median environment steps per second of sampling, by place and number of workers."""
    efficiency: dict[str, float]
    """The rate of the most workers, to so many times the rate of the fewest, by place."""
    ratio: float
    """The cluster's efficiency, to this machine's."""
    rounds: int
    """How often each was measured; rates are medians over the rounds."""
    address: str
    machine: dict[str, object]


def run(
    *,
    address: str | None,
    workers: tuple[int, ...] = (1, 2),
    rounds: int = 3,
    steps: int = 60_000,
    report: Callable[[str], None] = lambda doing: None,
) -> ClusterResult:
    """Trains the default job with so many workers, here and there in turn.

    Args:
        address: The cluster's job server, as for `JobServer`.
        workers: Numbers of workers, ascending.
        rounds: How often each is measured.
        steps: How many steps each time.
        report: Told what is being done.

    Raises:
        UserError: The cluster does not answer, or a training fails.
    """
    server = JobServer(address)
    places: dict[str, Train] = {LOCAL: _here, CLUSTER: lambda job: _there(server, job)}
    found: dict[str, dict[int, list[float]]] = {
        place: {count: [] for count in workers} for place in places
    }
    for number in range(rounds):
        for count in workers:
            for place, train in places.items():
                report(f"round {number + 1} of {rounds}: {count} workers, {place}")
                rate = sampling_rate(train(_job(count, steps)))
                found[place][count].append(rate)
    rates = {
        place: {count: statistics.median(values) for count, values in each.items()}
        for place, each in found.items()
    }
    efficiency = {place: _efficiency(each) for place, each in rates.items()}
    return ClusterResult(
        rates=rates,
        efficiency=efficiency,
        ratio=efficiency[CLUSTER] / efficiency[LOCAL],
        rounds=rounds,
        address=server.address,
        machine=describe("hairpin", "ray", "torch", "numpy"),
    )


def sampling_rate(events: Iterable[Mapping[str, Any]]) -> float:
    """Environment steps per second of the time that was spent sampling, the median iteration's.

    Raises:
        UserError: There are too few iterations.
    """
    done = [event for event in events if event["event"] == "iteration_done"][WARM_UP:]
    if not done:
        raise UserError("too few steps to measure", where="--steps", fix="Take more.")
    shares = [1.0 - sum(event["shares"][name] for name in NOT_SAMPLING) for event in done]
    rates = [event["steps_per_s"] / share for event, share in zip(done, shares, strict=True)]
    return float(statistics.median(rates))


def _job(workers: int, steps: int) -> dict[str, Any]:
    return {"workers": workers, "evaluate": {"every_s": 3600.0}, "stop": {"steps": steps}}


def _efficiency(rates: Mapping[int, float]) -> float:
    fewest, most = min(rates), max(rates)
    return rates[most] / rates[fewest] / (most / fewest)


def _here(job: Mapping[str, Any]) -> Events:
    return [event.record for event in run_training(job).events]


def _there(server: JobServer, job: Mapping[str, Any]) -> Events:
    name = new_run_name("bench")
    with tempfile.TemporaryDirectory(prefix="hairpin-bench-") as folder:
        text = json.dumps({**job, "storage": KEPT_IN, "run": name})
        Path(folder, "job.json").write_text(text, encoding="utf-8")
        # Without video, as here.
        command = "HAIRPIN_VIDEO= hairpin train --json job.json"
        submitted = server.submit(name, command, Path(folder))
        ended = server.follow(submitted, lambda text: None)
    if ended.exit_code:
        raise UserError(f"{name} is {ended.state}: {ended.problem}", where=server.address)
    lines = server.log(ended).splitlines()
    return [json.loads(line) for line in lines if line.startswith('{"event"')]
