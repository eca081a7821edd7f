"""RLlib's own PPO, runner and learner on our environment, network and hyperparameters."""

from __future__ import annotations

from typing import Any

from ray import tune
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from hairpin.bench.peer_env import NextStepTimeTrial
from hairpin.bench.peer_network import RllibModule
from learner.settings import TrainSettings
from rollout_workers.network import NETWORKS

ENV_NAME = "hairpin-bench"
LIFETIME_STEPS = "num_env_steps_sampled_lifetime"


class RllibPeer:
    """PPO as RLlib ships it. Ray must be running, with a core for each worker.

    Args:
        settings: Our run; its world, network and hyperparameters are taken over.
    """

    def __init__(self, settings: TrainSettings) -> None:
        tune.register_env(ENV_NAME, make_env)
        self._algorithm = configure(settings).build_algo()
        self._steps = 0

    def iterate(self) -> int:
        """Samples and learns once; returns the environment steps of it."""
        before = self._steps
        self._steps = int(self._algorithm.train()["env_runners"][LIFETIME_STEPS])
        return self._steps - before

    def close(self) -> None:
        """Stops the workers."""
        self._algorithm.stop()


def make_env(context: Any) -> NextStepTimeTrial:
    """Our vector environment, for RLlib's registry."""
    return NextStepTimeTrial(
        int(context.get("num_envs", 1)), crop_top=context["crop_top"], **context["world"]
    )


def configure(settings: TrainSettings) -> PPOConfig:
    """PPO as RLlib ships it; only what our run sets is set."""
    ppo, network = settings.ppo, NETWORKS[settings.network]
    return (
        PPOConfig()
        .environment(
            ENV_NAME,
            env_config={"crop_top": network.crop_top, "world": settings.world.model_dump()},
        )
        .env_runners(
            num_env_runners=settings.workers,
            num_envs_per_env_runner=settings.cars_per_worker,
            gym_env_vectorize_mode="vector_entry_point",
            rollout_fragment_length=ppo.fragment_steps,
        )
        .learners(num_learners=0)
        .training(
            train_batch_size_per_learner=settings.workers
            * settings.cars_per_worker
            * ppo.fragment_steps,
            minibatch_size=ppo.minibatch_size,
            num_epochs=ppo.epochs,
            lr=ppo.learning_rate,
            gamma=ppo.gamma,
            lambda_=ppo.gae_lambda,
            clip_param=ppo.clip,
            entropy_coeff=ppo.entropy_coefficient,
            vf_loss_coeff=ppo.value_coefficient,
            grad_clip=ppo.grad_clip,
            use_kl_loss=False,
        )
        .rl_module(
            rl_module_spec=RLModuleSpec(
                module_class=RllibModule,
                model_config={"network": network.to_dict()},
            )
        )
        .debugging(seed=settings.seed, log_level="ERROR")
    )
