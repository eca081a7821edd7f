"""hyperparameters.json: what a DeepRacer training is told about its algorithm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from hairpin.deepracer.foreign import Float, Foreign, Int, check, unknown_keys
from hairpin.deepracer.small_file import read_json

HYPERPARAMETERS_NAME = "hyperparameters.json"
_LOSSES = {"huber": "huber", "mean squared error": "mse"}
_EXPLORATIONS = {"categorical": "categorical", "e-greedy": "e_greedy"}
_UNUSED = {  # keys that have no place in our training, and why
    "stack_size": "one frame is seen at a time, whatever it says, as in DeepRacer",
    "sac_alpha": "it belongs to SAC, and this trains with PPO",
    "term_cond_max_episodes": "say when to stop with --minutes, --steps or --until",
    "term_cond_avg_score": "say when to stop with --minutes, --steps or --until",
}


class Hyperparameters(Foreign):
    """The file's values; what it leaves out is what DeepRacer's trainer takes then."""

    batch_size: Int = Field(
        default=64, ge=16, le=100_000, description="16 or more: samples per optimiser step."
    )
    num_epochs: Int = Field(
        default=10, ge=1, le=30, description="1 to 30: passes over an iteration's samples."
    )
    lr: Float = Field(
        default=0.0003, gt=0.0, le=0.1, description="Above 0, at most 0.1: Adam's step size."
    )
    beta_entropy: Float = Field(
        default=0.01, ge=0.0, le=1.0, description="0 to 1: weight of the entropy bonus."
    )
    discount_factor: Float = Field(
        default=0.999, gt=0.0, le=1.0, description="Above 0, at most 1: discount per step."
    )
    loss_type: Literal["huber", "mean squared error"] = Field(
        default="mean squared error", description="huber or mean squared error."
    )
    num_episodes_between_training: Int = Field(
        default=20, ge=1, le=1000, description="1 to 1000: whole episodes of an iteration."
    )
    exploration_type: Literal["categorical", "e-greedy"] = Field(
        default="categorical", description="categorical or e-greedy."
    )
    e_greedy_value: Float = Field(
        default=0.05, ge=0.0, le=1.0, description="0 to 1: part of actions drawn by chance alone."
    )
    epsilon_steps: Int = Field(
        default=10_000, ge=1, le=10**12, description="1 or more: steps until it is so small."
    )
    stack_size: Int = Field(default=1, ge=1, description="1 or more; it has no effect.")
    sac_alpha: Float = Field(default=0.2, ge=0.0, le=1.0, description="0 to 1; for SAC.")
    term_cond_max_episodes: Int = Field(default=100_000, ge=1, description="1 or more.")
    term_cond_avg_score: Float = Field(default=100_000.0, description="A number.")

    def ppo(self) -> Iterator[tuple[str, str, Any]]:
        """The `ppo` settings that say the same: name, the file's key, value."""
        yield "minibatch_size", "batch_size", self.batch_size
        yield "epochs", "num_epochs", self.num_epochs
        yield "learning_rate", "lr", self.lr
        yield "learning_rate_final", "lr", 1.0  # DeepRacer's does not fall
        yield "entropy_coefficient", "beta_entropy", self.beta_entropy
        yield "gamma", "discount_factor", self.discount_factor
        yield "value_loss", "loss_type", _LOSSES[self.loss_type]
        yield (
            "episodes_per_iteration",
            "num_episodes_between_training",
            self.num_episodes_between_training,
        )
        yield "exploration", "exploration_type", _EXPLORATIONS[self.exploration_type]
        yield "epsilon", "e_greedy_value", self.e_greedy_value
        yield "epsilon_steps", "epsilon_steps", self.epsilon_steps

    def unused(self) -> list[str]:
        """What the file says without effect, each with the reason."""
        return [f"{key} ({_UNUSED[key]})" for key in _UNUSED if key in self.model_fields_set]


def read_hyperparameters(path: Path) -> tuple[Hyperparameters, list[str]]:
    """Reads a hyperparameters.json.

    Returns:
        Its values, and what it says without effect, each with the reason.

    Raises:
        UserError: It cannot be read or is malformed; names file, key, value and what is allowed.
    """
    data = read_json(path)
    values = check(Hyperparameters, data, str(path))
    return values, values.unused() + unknown_keys(data, Hyperparameters.model_fields)
