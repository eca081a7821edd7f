"""Minibatch epochs of PPO on one device; on a CPU, data-parallel on Python threads.

On networks this small, OpenMP threads inside an operator cost more than they give. Threads that
each take a part of every minibatch through forward and backward share the parameters and nothing
else; torch lets go of Python's lock while it computes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import torch
from torch import Tensor

from learner.loss import STATISTICS, ppo_loss
from learner.settings import PPOSettings
from sim.machine import available_cores

KL_TARGET_MARGIN = 1.5  # a minibatch's estimate is noisy; stop when it is clearly over


class Updater:
    """Runs epochs over a batch.

    Args:
        module: With ``outputs(obs) -> (distribution, values)``.
        optimizer: Over the module's parameters.
        settings: Of PPO.
        device: Where the module is.
        dtype: Of the forward pass: float32, or bfloat16 by autocast.
    """

    def __init__(
        self,
        module: Any,
        optimizer: torch.optim.Optimizer,
        settings: PPOSettings,
        *,
        device: torch.device,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.module = module
        self.optimizer = optimizer
        self.settings = settings
        self.device = torch.device(device)
        self.dtype = dtype
        self.threads = 1
        self._pool: ThreadPoolExecutor | None = None
        if self.device.type == "cpu":
            torch.set_num_threads(1)
            self.threads = settings.threads or available_cores()
        if self.threads > 1:
            self._pool = ThreadPoolExecutor(
                self.threads,
                thread_name_prefix="gradients",
                initializer=torch.set_num_threads,
                initargs=(1,),
            )
        self._parameters = [p for p in module.parameters() if p.requires_grad]

    def run(
        self,
        arrays: Mapping[str, Any],
        *,
        epochs: int,
        minibatch_size: int,
        shuffle: np.random.Generator,
    ) -> dict[str, float]:
        """Takes `epochs` shuffled passes over a batch.

        Args:
            arrays: ``obs`` (N, rows, columns) uint8, ``actions``, ``log_probabilities``,
                ``advantages``, ``value_targets``.
            epochs: Passes.
            minibatch_size: Rows of an optimiser step; a smaller rest is taken too.
            shuffle: Draws the order.

        Returns:
            Means over all steps of the numbers in STATISTICS, and ``grad_norm`` (before clipping)
            and ``minibatches``.

        Raises:
            FloatingPointError: The loss or the gradient is not finite.
        """
        batch = {name: _tensor(arrays[name]).to(self.device) for name in _NAMES}
        rows = len(batch["actions"])
        totals = torch.zeros(len(STATISTICS) + 1, device=self.device)
        steps = 0
        for _ in range(epochs):
            order = torch.from_numpy(shuffle.permutation(rows)).to(self.device)
            for chosen in order.split(_even_size(rows, minibatch_size)):
                statistics = self._step(batch, chosen)
                totals += statistics
                steps += 1
                if self._has_moved_enough(statistics):
                    return self._means(totals, steps)
            self._require_finite(totals)
        return self._means(totals, steps)

    def gradients(
        self, batch: Mapping[str, Tensor], chosen: Tensor, rows: int
    ) -> tuple[Sequence[Tensor], Tensor]:
        """Gradients of the loss over some rows of a batch, and its statistics.

        Args:
            batch: Tensors on the device.
            chosen: Indices of the rows to take.
            rows: Size of the minibatch that they are a part of.
        """
        part = {name: values.index_select(0, chosen) for name, values in batch.items()}
        with torch.autocast(
            self.device.type, dtype=torch.bfloat16, enabled=self.dtype is torch.bfloat16
        ):
            distribution, values = self.module.outputs(part["obs"])
        loss, statistics = ppo_loss(distribution, values, part, self.settings, rows)
        return torch.autograd.grad(loss, self._parameters), statistics

    def _step(self, batch: Mapping[str, Tensor], chosen: Tensor) -> Tensor:
        rows = len(chosen)
        if self._pool is None:
            gradients, statistics = self.gradients(batch, chosen, rows)
            for parameter, gradient in zip(self._parameters, gradients, strict=True):
                parameter.grad = gradient.contiguous()
        else:
            futures = [
                self._pool.submit(self.gradients, batch, part, rows)
                for part in chosen.chunk(self.threads)
            ]
            parts = [future.result() for future in futures]
            statistics = torch.stack([part[1] for part in parts]).sum(0)
            for parameter, *shares in zip(
                self._parameters, *(part[0] for part in parts), strict=True
            ):
                # The fused Adam goes through memory as it lies: parameters, gradients and moments
                # must all lie alike.
                parameter.grad = sum(shares[1:], shares[0]).contiguous()
        norm = torch.nn.utils.clip_grad_norm_(self._parameters, self.settings.grad_clip)
        self.optimizer.step()
        return torch.cat([statistics, norm.reshape(1)])

    def _has_moved_enough(self, statistics: Tensor) -> bool:
        target = self.settings.target_kl
        return target is not None and float(statistics[_KL]) > KL_TARGET_MARGIN * target

    def _means(self, totals: Tensor, steps: int) -> dict[str, float]:
        self._require_finite(totals)
        means: dict[str, float] = dict(
            zip([*STATISTICS, "grad_norm"], (totals / max(steps, 1)).tolist(), strict=True)
        )
        means["minibatches"] = float(steps)
        return means

    def _require_finite(self, totals: Tensor) -> None:
        if not bool(torch.isfinite(totals).all()):
            named = dict(zip([*STATISTICS, "grad_norm"], totals.tolist(), strict=True))
            raise FloatingPointError(
                f"the loss is not finite: {named}; lower learning_rate, or look for huge rewards"
            )


_NAMES = ("obs", "actions", "log_probabilities", "advantages", "value_targets")
_KL = STATISTICS.index("kl")


def _tensor(values: Any) -> Tensor:
    """A tensor over an array's memory; arrays out of Ray's store are read-only, which is fine."""
    if isinstance(values, Tensor):
        return values
    array = np.asarray(values)
    if not array.flags.writeable:
        array = array.copy()
    return torch.from_numpy(array)


def _even_size(rows: int, minibatch_size: int) -> int:
    """The size that cuts `rows` into equal minibatches of about `minibatch_size`.

    A last one of a few rows would step as far as the full ones on far noisier gradients.
    """
    pieces = max(1, round(rows / minibatch_size))
    return -(-rows // pieces)
