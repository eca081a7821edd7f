"""What a DeepRacer model folder says about its training: hyperparameters and parameters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hairpin.deepracer.metadata import METADATA_NAME, metadata_of

if TYPE_CHECKING:
    from hairpin.job import Job

HYPERPARAMETERS = "ip/hyperparameters.json"
METADATA = f"model/{METADATA_NAME}"
TRAINING_PARAMS = "training_params.yaml"


def training_files(job: Job, workers: int) -> dict[str, bytes]:
    """The files of a run that do not change while it trains, by their names in its folder.

    Args:
        job: What is trained.
        workers: How many workers drive.
    """
    import yaml

    return {
        METADATA: _json(metadata_of(job)),
        HYPERPARAMETERS: _json(hyperparameters_of(job, workers)),
        TRAINING_PARAMS: yaml.safe_dump(params_of(job, workers), sort_keys=True).encode(),
    }


def hyperparameters_of(job: Job, workers: int) -> dict[str, Any]:
    """Our numbers under DeepRacer's names.

    An iteration that is not measured in episodes counts as one episode of each car: the tools
    refuse a file without ``num_episodes_between_training``.
    """
    ppo = job.ppo
    return {
        "batch_size": ppo.minibatch_size,
        "beta_entropy": ppo.entropy_coefficient,
        "discount_factor": ppo.gamma,
        "e_greedy_value": ppo.epsilon,
        "epsilon_steps": ppo.epsilon_steps,
        "exploration_type": ppo.exploration.replace("_", "-"),
        "loss_type": {"huber": "huber", "mse": "mean squared error"}[ppo.value_loss],
        "lr": ppo.learning_rate,
        "num_episodes_between_training": ppo.episodes_per_iteration
        or workers * job.cars_per_worker,
        "num_epochs": ppo.epochs,
        "stack_size": 1,
        "term_cond_avg_score": 100000.0,
        "term_cond_max_episodes": 100000,
    }


def params_of(job: Job, workers: int) -> dict[str, str]:
    """Our job under the names of DeepRacer's run configuration, all values texts as there."""
    return {
        "WORLD_NAME": job.track.rsplit("/", 1)[-1].removesuffix(".npy"),
        "RACE_TYPE": "TIME_TRIAL",
        "JOB_TYPE": "TRAINING",
        "NUM_WORKERS": str(workers),
        "TRACK_DIRECTION_CLOCKWISE": str(job.direction == "reversed"),
        "ALTERNATE_DRIVING_DIRECTION": str(job.direction == "alternating"),
        "ROUND_ROBIN_ADVANCE_DIST": f"{job.round_robin:g}",
        "START_POSITION_OFFSET": f"{job.start_offset:g}",
        "MIN_EVAL_TRIALS": str(job.evaluate.starts),
        "REWARD_FILE_S3_KEY": "reward_function.py",
        "HYPERPARAMETER_FILE_S3_KEY": HYPERPARAMETERS,
        "MODEL_METADATA_FILE_S3_KEY": METADATA,
    }


def _json(content: dict[str, Any]) -> bytes:
    return (json.dumps(content, indent=2) + "\n").encode()
