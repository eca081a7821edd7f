"""RLlib's own PPO, runner and learner on our environment, network and hyperparameters."""

from __future__ import annotations

from typing import Any

from ray import tune
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from hairpin.bench.peer_env import NextStepTimeTrial
from hairpin.bench.peer_network import RllibModule
from hairpin.bench.timing import rate
from learner.settings import TrainSettings
from rollout_workers.network import NETWORKS

ENV_NAME = "hairpin-bench"
LIFETIME_STEPS = "num_env_steps_sampled_lifetime"


def steps_per_s(settings: TrainSettings, seconds: float) -> float:
    """Environment steps a second of sampling and learning together.

    Ray must be running, with a core for each of our workers.

    Args:
        settings: Our run; its world, network and hyperparameters are taken over.
        seconds: For how long; the last iteration is finished.
    """
    tune.register_env(ENV_NAME, make_env)
    algorithm = configure(settings).build_algo()
    steps = 0

    def iteration() -> int:
        nonlocal steps
        before, steps = steps, int(algorithm.train()["env_runners"][LIFETIME_STEPS])
        return steps - before

    try:
        iteration()
        return rate(iteration, seconds)
    finally:
        algorithm.stop()


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
