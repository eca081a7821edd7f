"""Breaks one thing, watches, mends it, and watches until the training drives as before."""

from __future__ import annotations

import itertools
import re
import time

from drill.bench import Bench
from drill.faults import Fault
from drill.outcome import Outcome
from servers.errors import ServerError
from storage import Run, open_store

RECOVERED = 0.85  # of the rate before: iterations of a busy machine differ by a tenth
SETTLES_S = 8.0
UPLOADS_WITHIN_S = 90.0
SEEN_WITHIN_S = 30.0
PORT_FREE_WITHIN_S = 60.0
KILLED, DAMAGED = "driver-killed", "checkpoint-damaged"


def try_fault(bench: Bench, fault: Fault) -> Outcome:
    """Makes a fault, cures it, and says what came of it."""
    outcome = Outcome(fault.name, fault.title)
    training = bench.training
    rate = _settled_rate(bench)
    published = _published(bench)
    since = time.monotonic()
    steps = training.steps
    watched = _Watch(bench, fault, since)
    with fault.broken(bench):
        if not fault.instant:
            bench.hold(watched.complete)
        cured = time.monotonic()
        went_on = [at for at, _ in training.iterations if since < at <= cured]
    cured = time.monotonic() if not fault.instant else since
    took = bench.wait(lambda: training.rate(cured) >= RECOVERED * rate, bench.patience_s)
    ended = time.monotonic()
    outcome.full_speed_s = None if took is None else ended - cured
    outcome.went_on = bool(went_on) or fault.instant
    outcome.longest_pause_s = _longest_pause(training.iterations, since, ended)
    outcome.steps_lost = max(0, round(rate * (ended - since)) - (training.steps - steps))
    bench.wait(watched.complete, SEEN_WITHIN_S)
    outcome.said = watched.said
    outcome.faults += watched.missing()
    _check_checkpoints(bench, published, outcome)
    outcome.judge()
    return outcome


def kill_driver(bench: Bench, interval_s: float, *, damaged: bool) -> Outcome:
    """Kills the driver, perhaps after damaging the newest checkpoint, and resumes.

    Args:
        bench: What is running.
        interval_s: The job's time between checkpoints, seconds.
        damaged: Whether a byte of the newest published checkpoint is flipped before.
    """
    title = "flip a byte in the newest checkpoint, then SIGKILL" if damaged else "SIGKILL"
    outcome = Outcome(DAMAGED if damaged else KILLED, f"{title} the driver, then resume")
    rate = _settled_rate(bench)
    before = bench.training
    bench.wait(lambda: bench.metric("hairpin_uploads_pending") == 0, UPLOADS_WITHIN_S)
    published = _published(bench)
    since = time.monotonic()
    before.kill()
    # Ray's processes need a moment to see that their driver is gone; until then they have the port.
    bench.wait(lambda: not bench.metrics_answer(), PORT_FREE_WITHIN_S)
    newest = _run(bench).checkpoints.resolve("latest")
    if damaged:
        _flip_a_byte(bench, newest)
    bench.start_training("--resume", bench.run)
    training = bench.training
    bench.wait(lambda: training.rate() >= RECOVERED * rate, bench.patience_s)
    outcome.full_speed_s = time.monotonic() - since if training.rate() else None
    outcome.longest_pause_s = training.iterations[0][0] - before.iterations[-1][0]
    resumed_from = training.resumed_from or ""
    outcome.steps_lost = before.steps - int(resumed_from.rpartition("-")[2] or 0)
    if damaged:
        said = [line for line in training.said(since) if newest in line and "damaged" in line]
        outcome.said = said[0] if said else None
        if not said or resumed_from == newest:
            outcome.faults.append("the damaged checkpoint was not named")
    else:
        outcome.said = f"going on from {resumed_from}"
        # A checkpoint is due at the first iteration after the interval, and takes a moment.
        if outcome.steps_lost > 1.5 * rate * interval_s:
            outcome.faults.append("more than one checkpoint interval is lost")
    _check_checkpoints(bench, published, outcome)
    outcome.judge()
    return outcome


class _Watch:
    """Notes whether a fault has been seen in log, metric and alert."""

    def __init__(self, bench: Bench, fault: Fault, since: float) -> None:
        self.said: str | None = None
        self._bench, self._fault, self._since = bench, fault, since
        self._metric = self._alert = False

    def complete(self) -> bool:
        """Looks once more; whether everything has been seen."""
        fault, prometheus = self._fault, self._bench.prometheus
        if self.said is None and fault.log:
            lines = self._bench.training.said(self._since)
            self.said = next((line for line in lines if re.search(fault.log, line)), None)
        try:
            if not self._metric:
                expression = fault.metric.replace("$run", self._bench.run)
                self._metric = bool(prometheus.query(expression))
            if not self._alert and fault.alert:
                firing = [each for each in prometheus.alerts() if each["state"] == "firing"]
                self._alert = fault.alert in {each["labels"]["alertname"] for each in firing}
        except (OSError, ServerError):  # it is busy: one more look will follow
            return False
        return not self.missing()

    def missing(self) -> list[str]:
        """Where it has not been seen."""
        fault = self._fault
        places = [
            ("the log", bool(fault.log) and self.said is None),
            (f"the metric {fault.metric}", not self._metric),
            (f"the alert {fault.alert}", fault.alert is not None and not self._alert),
        ]
        return [f"not seen in {place}" for place, missing in places if missing]


def _settled_rate(bench: Bench) -> float:
    """The rate of a training that is not disturbed, steps a second."""
    since = time.monotonic()
    time.sleep(SETTLES_S)
    bench.wait(lambda: bench.training.rate(since) > 0.0, SETTLES_S)
    return bench.training.rate(since)


def _longest_pause(iterations: list[tuple[float, object]], since: float, until: float) -> float:
    times = [since, *(at for at, _ in iterations if since < at < until), until]
    return max(after - before for before, after in itertools.pairwise(times))


def _run(bench: Bench) -> Run:
    return Run.open(open_store(bench.env["HAIRPIN_STORAGE"]), bench.run)


def _published(bench: Bench) -> set[str]:
    return set(_run(bench).checkpoints.names())


def _check_checkpoints(bench: Bench, published: set[str], outcome: Outcome) -> None:
    """Counts what has not come into the store, and what is gone from it."""
    bench.wait(lambda: bench.metric("hairpin_uploads_pending") == 0, UPLOADS_WITHIN_S)
    written = set(bench.training.checkpoints[:-1])  # the last one may be on its way
    now = _published(bench)
    outcome.checkpoints_dropped = len(written - now)
    outcome.checkpoints_lost = len(published - now)


def _flip_a_byte(bench: Bench, checkpoint: str) -> None:
    """Damages the largest file of a published checkpoint, as a bad disk would."""
    run = _run(bench)
    (info,) = [info for info in run.checkpoints.infos() if info.name == checkpoint]
    name = max(info.files, key=lambda name: info.files[name].size)
    key = f"{bench.run}/checkpoints/{checkpoint}/{name}"
    data = bytearray(run.store.get(key))
    data[len(data) // 2] ^= 1
    run.store.put(key, bytes(data))
