"""The network as an RLlib module, in torch."""

from __future__ import annotations

from typing import Any

import gymnasium
import torch
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis.value_function_api import ValueFunctionAPI
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchRLModule
from torch import Tensor, nn
from torch.nn import functional

from rollout_workers.network import PIXEL_SCALE, PIXEL_SHIFT, NetworkSpec

POLICY_GAIN = 0.01  # a policy head near zero starts close to uniform
VALUE_GAIN = 1.0
_WORD = torch.int64.itemsize  # pixels
INITIAL_LOG_STD = -0.5  # continuous actions: a spread of 0.6 on [-1, 1]


class HairpinModule(TorchRLModule, ValueFunctionAPI):
    """Convolutions and dense layers shared by a policy head and a value head.

    ``model_config`` has ``network`` (the fields of NetworkSpec) and ``seed`` of the first weights.
    `rollout_workers.policy.Policy` computes the same in numpy from this module's state.

    The value head speaks in units of ``value_scale``, the spread of the returns, so that rewards of
    any size give gradients of one size and the shared layers are not pulled by the value loss
    alone. `rescale_values` changes the unit and not the values (van Hasselt et al. 2016, PopArt,
    without its mean).
    """

    value_scale: Tensor

    def setup(self) -> None:
        """Builds the layers and draws their first weights."""
        self.network = NetworkSpec.from_dict(self.model_config["network"])
        self.is_discrete = isinstance(self.action_space, gymnasium.spaces.Discrete)
        channels = 1
        self.convs = nn.ModuleList()
        for conv in self.network.convs:
            self.convs.append(nn.Conv2d(channels, conv.filters, conv.kernel, conv.stride))
            channels = conv.filters
        self.dense = nn.ModuleList()
        width = self.network.flat_size
        for units in self.network.dense:
            self.dense.append(nn.Linear(width, units))
            width = units
        self.hidden = nn.Linear(width, self.network.hidden)
        outputs = self.action_space.n if self.is_discrete else self.action_space.shape[0]
        self.policy = nn.Linear(self.network.hidden, int(outputs))
        self.value = nn.Linear(self.network.hidden, 1)
        self.register_buffer("value_scale", torch.ones(()))
        if not self.is_discrete:
            self.log_std = nn.Parameter(torch.full((int(outputs),), INITIAL_LOG_STD))
        self._draw_weights(int(self.model_config["seed"]))

    def outputs(self, obs: Tensor) -> tuple[Tensor, Tensor]:
        """Runs the network.

        Args:
            obs: (n, rows, columns) uint8 images, already cropped.

        Returns:
            (n, A) logits, or (n, 2 d) means and logarithms of standard deviations; (n,) values in
            units of ``value_scale``.
        """
        hidden = self._trunk(obs)
        distribution = self.policy(hidden)
        if not self.is_discrete:
            spread = self.log_std.to(distribution.dtype).expand_as(distribution)
            distribution = torch.cat([distribution, spread], -1)
        return distribution, self.value(hidden)[:, 0]

    def compute_values(self, batch: dict[str, Any], embeddings: Any = None) -> Tensor:
        """Values of a batch's observations (n,), in units of the rewards."""
        return self.outputs(batch[Columns.OBS])[1] * self.value_scale

    @torch.no_grad()
    def rescale_values(self, scale: float) -> None:
        """Changes the unit of the value head; what it says in units of the rewards stays."""
        ratio = float(self.value_scale) / scale
        self.value.weight.mul_(ratio)
        self.value.bias.mul_(ratio)
        self.value_scale.fill_(scale)

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        distribution, values = self.outputs(batch[Columns.OBS])
        return {Columns.ACTION_DIST_INPUTS: distribution, Columns.VF_PREDS: values}

    def _trunk(self, obs: Tensor) -> Tensor:
        layer = obs
        for index, conv in enumerate(self.convs):
            layer = functional.relu(self._first(obs) if index == 0 else conv(layer))
        if len(self.convs):
            # (row, column, channel) order: no copy, because channels come last in memory.
            layer = layer.permute(0, 2, 3, 1)
        else:
            layer = layer.float() * PIXEL_SCALE - PIXEL_SHIFT
        layer = layer.flatten(1)
        for dense in self.dense:
            layer = functional.relu(dense(layer))
        return functional.relu(self.hidden(layer))

    def _first(self, obs: Tensor) -> Tensor:
        """The first convolution, with the scaling of pixels folded into its small weights."""
        conv = self.convs[0]
        weight = conv.weight * PIXEL_SCALE
        bias = conv.bias - PIXEL_SHIFT * conv.weight.sum((1, 2, 3))
        side = conv.kernel_size[0]
        if conv.stride[0] != side:
            return functional.conv2d(obs[:, None].to(weight.dtype), weight, bias, conv.stride)
        # Patches that do not overlap make the convolution one matrix product.
        patches = _patches(obs, side).to(weight.dtype)
        return functional.linear(patches, weight.flatten(1), bias).permute(0, 3, 1, 2)

    def _draw_weights(self, seed: int) -> None:
        """Orthogonal weights and zero biases, the same for the same seed."""
        generator = torch.Generator().manual_seed(seed)
        gains: list[tuple[Any, float]] = [
            (layer, 2.0**0.5) for layer in [*self.convs, *self.dense, self.hidden]
        ]
        gains += [(self.policy, POLICY_GAIN), (self.value, VALUE_GAIN)]
        for layer, gain in gains:
            nn.init.orthogonal_(layer.weight, gain, generator=generator)
            nn.init.zeros_(layer.bias)


def _patches(obs: Tensor, side: int) -> Tensor:
    """Cuts (n, rows, columns) uint8 images into (n, patch rows, patch columns, pixels)."""
    count, rows, columns = len(obs), obs.shape[1] // side, obs.shape[2] // side
    cut = obs[:, : rows * side, : columns * side].contiguous()
    # Eight pixels moved at once take a sixth of the time.
    dtype = torch.int64 if side % _WORD == 0 else torch.uint8
    width = side // dtype.itemsize
    pieces = cut.view(dtype).view(count, rows, side, columns, width)
    moved = pieces.transpose(2, 3).contiguous().view(torch.uint8)
    return moved.view(count, rows, columns, side * side)
