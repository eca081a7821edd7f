"""A job: everything that `hairpin train` can be told."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from hairpin.job_errors import explain
from hairpin.places import absolute, storage_url, variable
from hairpin.streaming.settings import VideoSettings
from learner.settings import (
    EvaluateSettings,
    PPOSettings,
    Preset,
    StopSettings,
    TraceSettings,
    TrainSettings,
    check_exploration,
)
from sim.errors import UserError
from sim.machine import available_cores
from sim.race_settings import RaceSettings
from sim.settings import WorldSettings

MAX_WORKERS = 1000


class Job(WorldSettings):
    """What to train, on what, for how long, and where to keep it.

    The settings of the world stand at the top level, except that the camera comes with `preset`.
    """

    camera: Literal["fast", "deepracer"] = Field(default="fast", exclude=True, repr=False)
    preset: Preset = Field(
        default="fast",
        description="Camera and network: fast is 80x60 and built for CPUs; deepracer is 160x120 "
        "with DeepRacer's usual network, deepracer_deep and deepracer_deeper with its larger ones.",
    )
    workers: int | None = Field(
        default=None,
        ge=1,
        le=MAX_WORKERS,
        description="Processes that drive; default: $HAIRPIN_WORKERS, or one a core.",
    )
    cars_per_worker: int = Field(default=16, ge=1, le=512, description="Cars in a worker's world.")
    ppo: PPOSettings = Field(default=PPOSettings(), description="The learning algorithm's numbers.")
    evaluate: EvaluateSettings = Field(
        default=EvaluateSettings(), description="Greedy evaluation while training."
    )
    race: RaceSettings = Field(
        default=RaceSettings(), description="The rules of `hairpin evaluate`."
    )
    trace: TraceSettings = Field(
        default=TraceSettings(),
        description="Files with every step and every episode, for DeepRacer's tools.",
    )
    checkpoint_every_s: float = Field(
        default=60.0, gt=0.0, description="Time between checkpoints, s."
    )
    stop: StopSettings = Field(
        default=StopSettings(), description="When to stop: whatever of these comes first."
    )
    seed: int = Field(default=0, ge=0, le=2**31 - 1, description="Of all random numbers.")
    num_learners: int = Field(
        default=0, ge=0, le=64, description="Learner processes; 0 learns in the driver."
    )
    num_gpus_per_learner: float = Field(
        default=0.0, ge=0.0, le=8.0, description="GPUs of each learner."
    )
    clone: str | None = Field(
        default=None,
        description="Start from the weights of RUN, RUN@best, RUN@latest or RUN@STEP, in the same "
        "storage; what the job does not say is then as in that run.",
    )
    run: str | None = Field(default=None, description="The run's name; default: made up.")
    storage: str | None = Field(
        default=None, description="Where runs are kept; default: $HAIRPIN_STORAGE or ./runs."
    )
    keep_last: int = Field(
        default=5, ge=1, le=10_000, description="Checkpoints to keep: the newest so many."
    )
    keep_every: int = Field(
        default=0, ge=0, le=10_000, description="And every so-manieth one for good; 0: none."
    )
    video: VideoSettings = Field(
        default=VideoSettings(), description="Live video of the cars that are driving."
    )
    metrics_port: int | None = Field(
        default=None,
        ge=1,
        le=65535,
        description="Serve metrics for Prometheus on this port; default: $HAIRPIN_METRICS_PORT, "
        "or none.",
    )
    address: str | None = Field(
        default=None, description="A Ray cluster's address; default: Ray starts on this machine."
    )

    @model_validator(mode="before")
    @classmethod
    def _camera_follows_preset(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            if "camera" in data:
                raise ValueError("unknown key 'camera'. The camera comes with preset")
            preset = data.get("preset")
            large = isinstance(preset, str) and preset.startswith("deepracer")
            return {**data, "camera": "deepracer" if large else "fast"}
        return data

    @model_validator(mode="after")
    def _exploration_fits(self) -> Job:
        check_exploration(self.ppo, self)
        return self

    def world_settings(self) -> WorldSettings:
        """The part that the simulator needs."""
        return WorldSettings(**{name: getattr(self, name) for name in WorldSettings.model_fields})

    def train_settings(self) -> TrainSettings:
        """The part that the training loop needs."""
        return TrainSettings(
            world=self.world_settings(),
            network=self.preset,
            workers=min(
                self.workers or usual_workers(), self.ppo.episodes_per_iteration or MAX_WORKERS
            ),
            cars_per_worker=self.cars_per_worker,
            ppo=self.ppo,
            evaluate=self.evaluate,
            trace=self.trace,
            recorded_workers=self.video.workers if self.video.target else None,
            checkpoint_every_s=self.checkpoint_every_s,
            stop=self.stop,
            seed=self.seed,
            num_learners=self.num_learners,
            num_gpus_per_learner=self.num_gpus_per_learner,
        )


def usual_workers() -> int:
    """How many workers drive when a job does not say.

    Raises:
        UserError: $HAIRPIN_WORKERS is no number of workers.
    """
    return _number_in("HAIRPIN_WORKERS", MAX_WORKERS, ", or --workers") or available_cores()


def most_workers() -> int | None:
    """How many CPUs workers can have when the cluster has grown; None if nobody says.

    Raises:
        UserError: $HAIRPIN_MAX_WORKERS is no such number.
    """
    return _number_in("HAIRPIN_MAX_WORKERS", sys.maxsize, "")


def _number_in(name: str, most: int, otherwise: str) -> int | None:
    text = variable(name)
    if not text:
        return None
    if not text.isdecimal() or not 1 <= int(text) <= most:
        upper = "" if most == sys.maxsize else f" to {most}"
        raise UserError(
            f"{text!r} is no number of workers",
            where=f"${name}",
            fix=f"Use 1{upper or ' or more'}{otherwise}.",
        )
    return int(text)


def validate_job(data: Mapping[str, Any], where: Any) -> Job:
    """Makes a `Job` of plain values; `where` names the place of a way, for the `UserError`."""
    try:
        return Job.model_validate(data)
    except ValidationError as error:
        raise explain(error, data, where) from None


def resolved(job: Job) -> Job:
    """`job` with what depends on this machine filled in: workers and storage."""
    workers = job.workers or usual_workers()
    storage = absolute(storage_url(job.storage), Path())
    return job.model_copy(update={"workers": workers, "storage": storage})
