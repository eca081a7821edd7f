"""A log of the lines that analysts of DeepRacer trainings look for, on demand.

The lines of the simulation and of the trainer stand in one file, after a head that says what
deepracer-utils asks a log for: hyperparameters, actions, world, sensors and network.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hairpin.deepracer.metadata import metadata_of
from hairpin.deepracer.training_files import hyperparameters_of, params_of
from hairpin.job import Job
from learner.events import Driven
from sim.trace import as_log
from storage import Run

LOG = "logs/training/training-robomaker.log"


class TrainingLog:
    """Appends to a run's log; a full one becomes the one before it, ``LOG.1``.

    Args:
        run: Where.
        job: What is trained.
        workers: How many workers drive.

    Attributes:
        dropped: How many logs had to go.
    """

    def __init__(self, run: Run, job: Job, workers: int) -> None:
        self._run = run
        self._head = _head(job, workers)
        self._epochs = job.ppo.epochs
        self._limit = round(1e6 * job.trace.max_mb / 2)
        self._size = run.size_of(LOG) if run.has_file(LOG) else 0
        self.dropped = 0

    def note(self, event: Driven) -> None:
        """Writes the lines of an iteration; an evaluation leaves none."""
        if event.phase == "evaluation":
            return
        lines = [as_log(b"".join(driven.trace)) for driven in event.workers.values()]
        text = "".join(_episode_lines(event)) + _policy_line(event.losses, self._epochs)
        self._append(b"".join(lines) + text.encode())

    def _append(self, data: bytes) -> None:
        if self._size + len(data) > self._limit and self._size:
            self.dropped += self._run.has_file(LOG + ".1")
            self._run.put_file(LOG + ".1", self._run.get_file(LOG))
            self._run.delete_file(LOG)
            self._size = 0
        if not self._size:
            data = self._head + data
        self._run.append_file(LOG, data)
        self._size += len(data)


def _episode_lines(event: Driven) -> list[str]:
    return [
        f"Training> Name=main_level/agent, Worker={max(0, worker - 1)}, "
        f"Episode={driven.first + index + 1}, Total reward={episode.return_:.2f}, "
        f"Steps={episode.steps}, Training iteration={event.iteration - 1}\n"
        for worker, driven in event.workers.items()
        for index, episode in enumerate(driven.episodes)
    ]


def _policy_line(losses: Mapping[str, float], epochs: int) -> str:
    """What the iteration's epochs came to; the trainer of DeepRacer has a line for each."""
    return (
        f"Policy training> Surrogate loss={losses.get('policy_loss', 0.0):.6g}, "
        f"KL divergence={losses.get('kl', 0.0):.6g}, Entropy={losses.get('entropy', 0.0):.6g}, "
        f"training epoch={epochs - 1}, learning_rate={losses.get('learning_rate', 0.0):.6g}\n"
    )


def _head(job: Job, workers: int) -> bytes:
    metadata: dict[str, Any] = metadata_of(job)
    hyperparameters = json.dumps(hyperparameters_of(job, workers), indent=2)
    return (
        f" * /WORLD_NAME: {params_of(job, workers)['WORLD_NAME']}\n"
        f"Using the following hyper-parameters\n{hyperparameters}\n"
        f"Action space from file: {json.dumps(metadata['action_space'])}\n"
        f"Sensor list {metadata['sensor']!r}, network {metadata['neural_network']}, "
        f"simapp_version {metadata['version']}\n"
    ).encode()
