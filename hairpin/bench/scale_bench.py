"""What many workers ask of learner, driver and network, from what one worker costs here.

An iteration samples, gathers, learns and sends the weights back, one after the other (learner.ppo).
`needs` is that sum on paper; `run` measures what is in it.
"""

from __future__ import annotations

import contextlib
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import psutil
import ray

from hairpin.bench.machine import describe
from hairpin.bench.timing import rate, warm_up
from hairpin.bench.train_bench import raw_learning
from hairpin.bench.trainings import on_threads, ray_for
from hairpin.job import Job
from learner.config import build_config
from rollout_workers.fragment import Fragment, joined

JOINED = 16
HEAD_PROCESSES = ("gcs_server", "dashboard.py")  # a raylet is on every machine
MIB = 1 << 20
GIGABIT_BYTES = 125e6


@dataclass(frozen=True)
class ScaleResult:
    """What one of each costs on this machine."""

    worker_steps_per_s: float
    """Of one worker that has its core to itself."""
    learner_steps_per_s: float
    """Of the learner in the driver, through all epochs."""
    fragment_steps: int
    """What a worker hands back in an iteration."""
    fragment_bytes: int
    """The same as Ray moves it."""
    weights_bytes: int
    """What the driver sends in an iteration: once to each machine, whose workers share it."""
    join_bytes_per_s: float
    """At which the driver copies fragments into one batch, by its CPU time."""
    call_s: float
    """The driver's CPU time to call one worker and take its answer."""
    broadcast_s: dict[int, float]
    """By number of actors on this machine: until all of them have unpacked new weights."""
    head_bytes: float
    """Memory of Ray's own processes on the head, for each actor."""
    head_connections: float
    """TCP connections of Ray's control store, for each actor."""
    machine: dict[str, object]


@dataclass(frozen=True)
class Needs:
    """An iteration of many workers, on paper; seconds."""

    workers: int
    sampling_s: float
    network_s: float
    """Fragments to the head and weights from it, over the head's network."""
    driver_s: float
    """Calls, and copying fragments into one batch, on one core."""
    learning_s: float
    steps_per_s: float
    """Of all of it, end to end."""
    batch_bytes: float
    """Of all fragments: the head's object store holds them, and its heap the copy."""
    head_bytes: float
    """Ray's own processes on the head."""

    @property
    def slowest(self) -> str:
        """What takes the most of an iteration: sampling, network, driver or learning."""
        parts = ("sampling", "network", "driver", "learning")
        return max(parts, key=lambda part: float(getattr(self, f"{part}_s")))


def needs(
    one: ScaleResult,
    workers: int,
    *,
    gigabits: float = 10.0,
    workers_per_machine: int = 4,
    learner_steps_per_s: float | None = None,
) -> Needs:
    """The sum on paper.

    Args:
        one: What was measured.
        workers: How many there are.
        gigabits: Of the head's network, a second.
        workers_per_machine: How many share one copy of the weights.
        learner_steps_per_s: Of another learner; None: the one that was measured.
    """
    steps = workers * one.fragment_steps
    batch = workers * one.fragment_bytes
    sent = -(-workers // workers_per_machine) * one.weights_bytes
    sampling_s = one.fragment_steps / one.worker_steps_per_s
    network_s = (batch + sent) / (gigabits * GIGABIT_BYTES)
    driver_s = 2 * workers * one.call_s + batch / one.join_bytes_per_s
    learning_s = steps / (learner_steps_per_s or one.learner_steps_per_s)
    return Needs(
        workers=workers,
        sampling_s=sampling_s,
        network_s=network_s,
        driver_s=driver_s,
        learning_s=learning_s,
        steps_per_s=steps / (sampling_s + network_s + driver_s + learning_s),
        batch_bytes=batch,
        head_bytes=workers * one.head_bytes,
    )


def run(
    *,
    seconds: float = 5.0,
    receivers: Sequence[int] = (4, 16),
    report: Callable[[str], None] = lambda doing: None,
) -> ScaleResult:
    """Measures one worker, the learner, their messages, and Ray with many actors.

    Args:
        seconds: How long each rate is measured.
        receivers: Numbers of actors that weights are sent to, ascending.
        report: Told what is being done.

    Raises:
        UserError: The default job learns elsewhere.
    """
    settings = Job().train_settings()
    with contextlib.ExitStack() as stack:
        report("starting Ray and two workers")
        stack.enter_context(ray_for(settings, workers=settings.workers))
        algorithm = build_config(settings).build_algo()
        stack.callback(algorithm.stop)
        group = algorithm.env_runner_group
        last: list[Fragment] = []

        def sample() -> int:
            last[:] = group.foreach_env_runner(
                "sample", remote_worker_ids=[1], local_env_runner=False
            )
            return last[0].steps

        learn = on_threads(1, raw_learning(settings, algorithm.learner_facts()[1]))
        warm_up([sample, learn])
        report("measuring a worker, then the learner")
        worker = rate(sample, seconds)
        learner = rate(learn, seconds) / settings.ppo.epochs
        weights = algorithm.learner_group.get_weights()
        size = moved_bytes(last[0])
        many = last * JOINED

        def join() -> int:
            return sum(array.nbytes for array in joined(many).values())

        report(f"measuring Ray with {receivers[-1]} more actors")
        found = _actors(weights, receivers, seconds)
        return ScaleResult(
            worker_steps_per_s=worker,
            learner_steps_per_s=learner,
            fragment_steps=last[0].steps,
            fragment_bytes=size,
            weights_bytes=moved_bytes(weights),
            join_bytes_per_s=_per_cpu_second(join),
            machine=describe("hairpin", "ray", "torch", "numpy"),
            **found,
        )


def moved_bytes(value: object) -> int:
    """Bytes of a value as Ray moves it: pickled, with the buffers of arrays beside it."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    return len(head) + sum(buffer.raw().nbytes for buffer in buffers)


def _per_cpu_second(work: Callable[[], int], times: int = 10) -> float:
    """A rate that others who use the machine leave nearly as it is."""
    work()
    began = time.process_time()
    done = sum(work() for _ in range(times))
    return done / (time.process_time() - began)


class _Receiver:
    """An actor that does with weights what every worker does first: it unpacks them."""

    def take(self, weights: Any) -> int:
        return sum(array.nbytes for array in _arrays(weights))


def _arrays(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _arrays(item)
    elif hasattr(value, "nbytes"):
        yield value


def _actors(weights: Any, receivers: Sequence[int], seconds: float) -> dict[str, Any]:
    """What Ray takes for actors, and sending weights to them: fields of `ScaleResult`."""
    before = _head()
    remote = ray.remote(num_cpus=0)(_Receiver)
    actors: list[Any] = []
    broadcast_s: dict[int, float] = {}
    calls = cpu_s = 0.0
    for number in receivers:
        actors += [remote.remote() for _ in range(number - len(actors))]

        def send() -> int:
            reference = ray.put(weights)
            ray.get([actor.take.remote(reference) for actor in actors])  # noqa: B023
            return 1

        send()  # waits until they are there
        began = time.process_time()
        rounds = rate(send, min(seconds, 2.0))
        cpu_s += time.process_time() - began
        calls += number * rounds * min(seconds, 2.0)
        broadcast_s[number] = 1.0 / rounds
    after = _head()
    for actor in actors:
        ray.kill(actor)
    return {
        "broadcast_s": broadcast_s,
        "call_s": cpu_s / calls,
        "head_bytes": (after[0] - before[0]) / len(actors),
        "head_connections": (after[1] - before[1]) / len(actors),
    }


def _head() -> tuple[int, int]:
    """Memory of Ray's own processes here, and connections of the control store."""
    memory = connections = 0
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            command = " ".join(process.cmdline()[:3])
            if any(name in command for name in HEAD_PROCESSES):
                memory += process.memory_info().rss
            if "gcs_server" in command:
                connections += len(process.net_connections("tcp"))
    return memory, connections
