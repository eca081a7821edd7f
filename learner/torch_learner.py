"""The learner: RLlib's TorchLearner with PPO's loss, and its own way of updating when it is alone.

RLlib's update converts, slices and logs every minibatch through generic code, which on a small
network costs more than the gradients. A learner that shares its gradients with no other one
(`num_learners` 0 or 1) therefore runs `Updater`; several learners run RLlib's own path, with the
same loss.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.core.learner.torch.torch_learner import TorchLearner
from ray.rllib.core.learner.training_data import TrainingData
from ray.rllib.utils.metrics import (
    ALL_MODULES,
    NUM_MODULE_STEPS_TRAINED,
    NUM_MODULE_STEPS_TRAINED_LIFETIME,
)
from torch import Tensor

from learner.loss import STATISTICS, ppo_loss
from learner.precision import choose_precision
from learner.settings import PPOSettings
from learner.updater import Updater

SHUFFLE_RANDOM = "shuffle_random"
LEARNING_RATE = "learning_rate"
SMALLEST_SCALE = 1e-3  # constant rewards have no spread to divide by
ADAM_EPS = 1e-5  # the usual one for PPO; Adam's own 1e-8 makes rare gradients jump


class HairpinLearner(TorchLearner):
    """PPO's loss and update.

    Batches are flat: ``obs`` uint8, ``actions``, ``log_probabilities``, ``advantages`` (normalised)
    and ``value_targets``, as in `rollout_workers.fragment`.
    """

    def build(self) -> None:
        """Builds module and optimizer, and settles threads and precision."""
        super().build()
        self.settings = PPOSettings.model_validate(self.config.learner_config_dict["ppo"])
        self._shuffle = np.random.default_rng(int(self.config.learner_config_dict["seed"]))
        self._kl_exceeded = False
        module = self.module[DEFAULT_MODULE_ID]
        self._amp_dtype = torch.float32
        if self.config.num_learners <= 1:
            self._amp_dtype = choose_precision(self.settings, self._device)
            self._updater = Updater(
                module,
                self.get_optimizer(DEFAULT_MODULE_ID),
                self.settings,
                device=self._device,
                dtype=self._amp_dtype,
            )

    @property
    def threads(self) -> int:
        """Threads that compute gradients."""
        return self._updater.threads if self.config.num_learners <= 1 else 1

    @property
    def precision(self) -> str:
        """float32 or bfloat16."""
        return str(self._amp_dtype).removeprefix("torch.")

    def follow_returns(self, spread: float, *, rate: float) -> float:
        """Moves the value head's unit towards the spread of the returns.

        Args:
            spread: Standard deviation of the value targets of a batch, in units of the rewards.
            rate: How much of the way to go; 1 at the first batch.

        Returns:
            The new unit, by which targets are divided.
        """
        module = self.module[DEFAULT_MODULE_ID].unwrapped()  # out of DDP's hands
        before = float(module.value_scale)
        scale = max(before + rate * (spread - before), SMALLEST_SCALE)
        module.rescale_values(scale)
        return scale

    def configure_optimizers_for_module(self, module_id: str, config: Any = None) -> None:
        """Adam over all parameters, its rate on RLlib's schedule."""
        parameters = self.get_parameters(self._module[module_id])
        self.register_optimizer(
            module_id=module_id,
            optimizer=torch.optim.Adam(parameters, eps=ADAM_EPS, fused=True),
            params=parameters,
            lr_or_lr_schedule=config.lr,
        )

    def update(self, batch: Any = None, **kwargs: Any) -> Any:
        """Runs the epochs over one batch, as `Learner.update`.

        Raises:
            FloatingPointError: The loss is not finite.
        """
        if self.config.num_learners > 1:
            self._kl_exceeded = False
            return super().update(batch, **kwargs)
        self._check_is_built()
        timesteps = kwargs.get("timesteps") or {}
        self.before_gradient_based_update(timesteps=timesteps)
        data = kwargs.get("training_data") or TrainingData(batch=batch)
        data.validate()
        data.solve_refs()
        arrays = data.batch.policy_batches[DEFAULT_MODULE_ID]
        statistics = self._updater.run(
            arrays,
            epochs=int(kwargs.get("num_epochs", 1)),
            minibatch_size=int(kwargs.get("minibatch_size") or len(arrays["actions"])),
            shuffle=self._shuffle,
        )
        self._weights_seq_no += 1
        statistics[LEARNING_RATE] = self._get_optimizer_lr(self.get_optimizer(DEFAULT_MODULE_ID))
        self.metrics.log_dict(statistics, key=DEFAULT_MODULE_ID, window=1)
        trained = len(arrays["actions"]) * int(kwargs.get("num_epochs", 1))
        for module_id in (DEFAULT_MODULE_ID, ALL_MODULES):
            self.metrics.log_value((module_id, NUM_MODULE_STEPS_TRAINED), trained, reduce="sum")
            self.metrics.log_value(
                (module_id, NUM_MODULE_STEPS_TRAINED_LIFETIME), trained, reduce="lifetime_sum"
            )
        self.after_gradient_based_update(timesteps=timesteps)
        return self.metrics.reduce()

    def compute_loss_for_module(
        self, *, module_id: str, config: Any, batch: dict[str, Any], fwd_out: dict[str, Any]
    ) -> Tensor:
        """PPO's loss in RLlib's path: several learners, each with its share of every minibatch.

        Raises:
            FloatingPointError: The loss is not finite.
        """
        loss, statistics = ppo_loss(
            fwd_out[Columns.ACTION_DIST_INPUTS], fwd_out[Columns.VF_PREDS], batch, self.settings
        )
        if torch.distributed.is_initialized():
            torch.distributed.all_reduce(statistics)
            statistics /= torch.distributed.get_world_size()
        numbers = dict(zip(STATISTICS, statistics.tolist(), strict=True))
        if not np.isfinite(list(numbers.values())).all():
            raise FloatingPointError(f"the loss is not finite: {numbers}")
        if self.settings.target_kl is not None and numbers["kl"] > self.settings.target_kl:
            self._kl_exceeded = True  # the same on every learner, because of the all_reduce
        numbers[LEARNING_RATE] = self._get_optimizer_lr(self.get_optimizer(module_id))
        self.metrics.log_dict(numbers, key=module_id, window=1)
        return loss

    def apply_gradients(self, gradients_dict: Any) -> None:
        """Steps the optimizer, unless the policy has already moved as far as it may."""
        if not self._kl_exceeded:
            super().apply_gradients(gradients_dict)

    def get_state(self, components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """RLlib's state and that of the shuffling."""
        state: dict[str, Any] = super().get_state(components, **kwargs)
        state[SHUFFLE_RANDOM] = self._shuffle.bit_generator.state
        return state

    def set_state(self, state: dict[str, Any]) -> None:
        """The way back from `get_state`."""
        super().set_state(state)
        if SHUFFLE_RANDOM in state:
            self._shuffle.bit_generator.state = state[SHUFFLE_RANDOM]
