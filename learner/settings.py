"""What a training run can be told: typed, documented, unknown keys refused."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field, field_validator, model_validator

from sim.settings import Settings, WorldSettings

Preset = Literal["fast", "deepracer", "deepracer_deep", "deepracer_deeper"]
UNTIL = re.compile(r"^(completion|lap_time)\s*=\s*(\d+(?:\.\d*)?|\.\d+)$")


class PPOSettings(Settings):
    """Proximal policy optimisation: how much is sampled and how it is learned from."""

    fragment_steps: int = Field(
        default=128, ge=8, le=4096, description="Control steps of each car per iteration."
    )
    episodes_per_iteration: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="Whole episodes of an iteration, over all workers, as DeepRacer collects them; "
        "null: fragment_steps of each car.",
    )
    max_iteration_steps: int = Field(
        default=10_000,
        ge=100,
        description="With whole episodes: steps of an iteration to learn from; later ones are "
        "dropped.",
    )
    exploration: Literal["categorical", "e_greedy"] = Field(
        default="categorical",
        description="How actions are drawn: from the policy, or the best one but for chance.",
    )
    epsilon: float = Field(
        default=0.05,
        ge=0.0,
        le=1.0,
        description="With e_greedy: the part of actions drawn by chance alone, at the end.",
    )
    epsilon_steps: int = Field(
        default=10_000,
        ge=1,
        description="With e_greedy: environment steps in which that part falls from 1 to epsilon.",
    )
    minibatch_size: int = Field(
        default=512, ge=16, description="Samples per optimiser step, over all learners."
    )
    epochs: int = Field(default=3, ge=1, le=30, description="Passes over an iteration's samples.")
    learning_rate: float = Field(default=5e-4, gt=0.0, le=0.1, description="Adam's step size.")
    learning_rate_final: float = Field(
        default=0.1,
        ge=0.0,
        le=1.0,
        description="The learning rate falls linearly to this fraction of its first value.",
    )
    learning_rate_decay_steps: int = Field(
        default=1_000_000, ge=1, description="Environment steps until it has."
    )
    gamma: float = Field(default=0.99, gt=0.0, le=1.0, description="Discount per control step.")
    gae_lambda: float = Field(
        default=0.95, ge=0.0, le=1.0, description="Weight of longer returns in the advantages."
    )
    clip: float = Field(
        default=0.2, gt=0.0, le=1.0, description="How far a probability ratio may leave 1."
    )
    entropy_coefficient: float = Field(
        default=0.01,
        ge=0.0,
        description="Weight of the entropy bonus, which keeps exploring alive.",
    )
    value_coefficient: float = Field(default=0.5, ge=0.0, description="Weight of the value loss.")
    value_loss: Literal["huber", "mse"] = Field(
        default="huber", description="Loss of the value function: huber or mean squared error."
    )
    huber_delta: float = Field(
        default=10.0,
        gt=0.0,
        description="Errors above this, in units of the returns' spread, count linearly in huber.",
    )
    grad_clip: float = Field(
        default=0.5, gt=0.0, description="The gradient's norm is cut down to this."
    )
    target_kl: float | None = Field(
        default=None,
        gt=0.0,
        description="Stop an iteration's epochs when the policy has moved so far; null: never.",
    )
    threads: int | None = Field(
        default=None, ge=1, description="Learner threads on a CPU; null: one for each core."
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="Arithmetic of the learner; auto: bfloat16 where the processor has it.",
    )


class EvaluateSettings(Settings):
    """Greedy evaluation during training; its steps are not counted as training steps."""

    every_s: float = Field(default=15.0, gt=0.0, description="Seconds between two evaluations.")
    starts: int = Field(
        default=20, ge=1, le=1000, description="Start points, evenly spread over the lap."
    )
    best_by: Literal["progress", "reward", "lap_time"] = Field(
        default="progress",
        description="Which evaluation is the best: by mean progress (then mean lap time), mean "
        "return, or mean lap time, in which an unfinished lap counts 999.999 s.",
    )


class TraceSettings(Settings):
    """What is kept of every step, in the files that DeepRacer's tools read."""

    enabled: bool = Field(default=True, description="Whether to write traces and metrics.")
    every: int = Field(default=1, ge=1, description="Trace one of so many iterations.")
    max_mb: float = Field(
        default=300.0,
        gt=0.0,
        description="Traces may take so much, MB; the oldest but the very first are removed.",
    )
    log: bool = Field(
        default=False,
        description="Write a log of SIM_TRACE_LOG, Training> and Policy training> lines too.",
    )
    compress: bool = Field(
        default=False, description="Write .csv.gz, a quarter of the size, to be unpacked for tools."
    )


class StopSettings(Settings):
    """When to stop; what comes first.

    None given: when every greedy lap is complete, or after 10 minutes.
    """

    minutes: float | None = Field(default=None, gt=0.0, description="Minutes of training.")
    steps: int | None = Field(default=None, gt=0, description="Environment steps.")
    until: str | None = Field(
        default=None,
        description="A greedy evaluation that is good enough: completion=0.95 or lap_time=9.5 (s).",
    )

    @field_validator("until")
    @classmethod
    def _understood(cls, until: str | None) -> str | None:
        match = UNTIL.match(until) if until is not None else None
        if until is not None and match is None:
            raise ValueError(f"{until!r} is not understood; write completion=0.95 or lap_time=9.5")
        if match and match.group(1) == "completion" and not 0.0 < float(match.group(2)) <= 1.0:
            raise ValueError(
                f"{until!r}: completion is a fraction, at most 1; write completion=0.95"
            )
        return until

    @property
    def goal(self) -> tuple[str, float] | None:
        """`until` as (completion or lap_time, number)."""
        match = UNTIL.match(self.until) if self.until else None
        return (match.group(1), float(match.group(2))) if match else None

    def or_default(self) -> StopSettings:
        """Itself, or the default rule when nothing is set."""
        if self.minutes is None and self.steps is None and self.until is None:
            return StopSettings(minutes=10.0, until="completion=1.0")
        return self


class TrainSettings(Settings):
    """A whole training run."""

    world: WorldSettings = Field(default=WorldSettings(), description="What is driven.")
    network: Preset = Field(
        default="fast", description="The policy's network; it must fit the camera."
    )
    workers: int = Field(default=2, ge=1, description="Sampling processes.")
    cars_per_worker: int = Field(
        default=16, ge=1, le=512, description="Cars in each worker's world."
    )
    ppo: PPOSettings = Field(default=PPOSettings(), description="The algorithm.")
    evaluate: EvaluateSettings = Field(default=EvaluateSettings(), description="Greedy evaluation.")
    trace: TraceSettings = Field(default=TraceSettings(), description="Traces of every step.")
    recorded_workers: int | None = Field(
        default=None,
        ge=0,
        description="Workers whose newest episodes are recorded for live video; null: nothing is, "
        "no greedy evaluation either.",
    )
    checkpoint_every_s: float = Field(
        default=60.0, gt=0.0, description="Seconds between two checkpoints."
    )
    stop: StopSettings = Field(default=StopSettings(), description="When to stop.")
    seed: int = Field(default=0, ge=0, description="Of all random numbers.")
    num_learners: int = Field(
        default=0, ge=0, description="RLlib's remote learners; 0: one in the main process."
    )
    num_gpus_per_learner: float = Field(default=0.0, ge=0.0, description="GPUs of each learner.")

    @model_validator(mode="after")
    def _exploration_fits(self) -> TrainSettings:
        check_exploration(self.ppo, self.world)
        episodes = self.ppo.episodes_per_iteration
        if episodes is not None and self.workers > episodes:
            raise ValueError(
                f"{self.workers} workers cannot share {episodes} episodes. Use at most {episodes}"
            )
        return self

    @property
    def iteration_steps(self) -> int:
        """Environment steps that an iteration learns from; with whole episodes, at most."""
        if self.ppo.episodes_per_iteration is not None:
            return self.ppo.max_iteration_steps
        return self.workers * self.cars_per_worker * self.ppo.fragment_steps

    @property
    def cars(self) -> int:
        """Cars in a worker's world: no more than it has episodes to drive."""
        episodes = self.ppo.episodes_per_iteration
        if episodes is None:
            return self.cars_per_worker
        return min(self.cars_per_worker, -(-episodes // self.workers))


def check_exploration(ppo: PPOSettings, world: WorldSettings) -> None:
    """Raises `ValueError` if the exploration does not fit the action space."""
    if ppo.exploration == "e_greedy" and world.actions.type == "continuous":
        raise ValueError(
            "exploration e_greedy needs discrete actions. Use categorical, which for continuous "
            "actions draws from the policy's Gaussian"
        )
