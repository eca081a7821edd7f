"""Our settings as RLlib's, translated in one place.

Importing this module must not import torch: sampling processes do it when Ray unpickles the config.
The learner and the module are named by methods of the config, and imported there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from learner.settings import TrainSettings
from rollout_workers.env_runner import RolloutWorker
from rollout_workers.network import NETWORKS, NetworkSpec
from sim.actions import make_actions
from sim.world_files import WorldFiles

# A worker that is starting again answers no ping; asking must not hold up the others.
PROBE_TIMEOUT_S = 0.05
SAMPLE_TIMEOUT_S = 600.0
EPISODES_TIMEOUT_S = 3600.0  # a hundred whole episodes seen by a large network may take this long


def build_config(
    settings: TrainSettings,
    *,
    network: NetworkSpec | None = None,
    world_factory: Callable[..., Any] | None = None,
) -> HairpinPPOConfig:
    """Translates our settings into RLlib's.

    Args:
        settings: Of the run.
        network: Another network than the settings name.
        world_factory: What the workers step through, instead of `sim.world.World`.

    Raises:
        UserError: The track or the reward function's file cannot be found or read.
    """
    ppo = settings.ppo
    network = network or NETWORKS[settings.network]
    config = HairpinPPOConfig()
    config.framework("torch")
    config.environment(
        observation_space=gymnasium.spaces.Box(0, 255, (network.height, network.width), np.uint8),
        action_space=make_actions(settings.world.actions).space,
        env_config={
            "world": settings.world.model_dump(mode="json"),
            "files": WorldFiles.read(settings.world) if world_factory is None else None,
            "network": network.to_dict(),
            "seed": settings.seed,
            "world_factory": world_factory,
            "collection": {
                "episodes": ppo.episodes_per_iteration,
                "max_steps": ppo.max_iteration_steps,
                "epsilon": ppo.epsilon if ppo.exploration == "e_greedy" else None,
                "epsilon_steps": ppo.epsilon_steps,
            },
            "trace_every": settings.trace.every if settings.trace.enabled else 0,
            "recorded_workers": settings.recorded_workers or 0,
        },
        disable_env_checking=True,
    )
    config.env_runners(
        num_env_runners=settings.workers,
        num_envs_per_env_runner=settings.cars,
        # Whole episodes are of no known length; "auto" is what RLlib then finds consistent.
        rollout_fragment_length=ppo.fragment_steps
        if ppo.episodes_per_iteration is None
        else "auto",
        create_local_env_runner=False,
        sample_timeout_s=SAMPLE_TIMEOUT_S
        if ppo.episodes_per_iteration is None
        else EPISODES_TIMEOUT_S,
        # RLlib drops what exceeds this, weights too; two syncs may follow one another at a start.
        max_requests_in_flight_per_env_runner=8,
    )
    config.fault_tolerance(
        restart_failed_env_runners=True,
        delay_between_env_runner_restarts_s=0.0,
        env_runner_health_probe_timeout_s=PROBE_TIMEOUT_S,
    )
    learners = max(1, settings.num_learners)
    batch_size = settings.iteration_steps
    final_rate = ppo.learning_rate * ppo.learning_rate_final
    config.training(
        gamma=ppo.gamma,
        lambda_=ppo.gae_lambda,
        lr=[[0, ppo.learning_rate], [ppo.learning_rate_decay_steps, final_rate]],
        train_batch_size_per_learner=batch_size // learners,
        minibatch_size=min(ppo.minibatch_size, batch_size) // learners,
        num_epochs=ppo.epochs,
        clip_param=ppo.clip,
        entropy_coeff=ppo.entropy_coefficient,
        vf_loss_coeff=ppo.value_coefficient,
        grad_clip=ppo.grad_clip,
        use_kl_loss=False,
        learner_config_dict={"ppo": ppo.model_dump(mode="json"), "seed": settings.seed},
    )
    config.grad_clip_by = "global_norm"
    config.learners(
        num_learners=settings.num_learners, num_gpus_per_learner=settings.num_gpus_per_learner
    )
    # Nothing of ours lives in RLlib's connectors; merging their states would cost every iteration.
    config._dont_auto_sync_env_runner_states = True
    return config


class HairpinPPOConfig(PPOConfig):
    """RLlib's PPO config with our learner, module and workers as defaults."""

    def __init__(self, algo_class: Any = None) -> None:
        if algo_class is None:
            from learner.ppo import HairpinPPO

            algo_class = HairpinPPO
        super().__init__(algo_class=algo_class)
        self.env_runner_cls = RolloutWorker

    def get_default_learner_class(self) -> Any:
        """HairpinLearner, imported when asked for."""
        from learner.torch_learner import HairpinLearner

        return HairpinLearner

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """HairpinModule with the network of the `env_config`."""
        from learner.module import HairpinModule

        return RLModuleSpec(
            module_class=HairpinModule,
            model_config={
                "network": self.env_config["network"],
                "seed": self.env_config["seed"],
            },
        )
