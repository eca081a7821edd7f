"""A policy's layers, from its stored weights: what every format writes in its own way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rollout_workers.network import NetworkSpec

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class ConvLayer:
    """A convolution: kernel (outputs, inputs, side, side) and bias (outputs,), and its stride."""

    kernel: Floats
    bias: Floats
    stride: int


@dataclass(frozen=True, eq=False)
class DenseLayer:
    """A dense layer: weight (outputs, inputs) and bias (outputs,)."""

    weight: Floats
    bias: Floats


@dataclass(frozen=True, eq=False)
class Layers:
    """From pixels to the policy's outputs; the value head is left out, no car needs it.

    A ReLU follows every layer but the last. The first layer's pixels are scaled as
    `rollout_workers.network` says.

    Attributes:
        network: The network.
        is_discrete: Whether the outputs are logits of actions, or else means in [-1, 1].
        convs: The convolutions, first to last.
        dense: The dense layers. The first takes the last convolution's output in (row, column,
            channel) order.
        head: The layer of the outputs.
    """

    network: NetworkSpec
    is_discrete: bool
    convs: list[ConvLayer]
    dense: list[DenseLayer]
    head: DenseLayer

    @classmethod
    def of(cls, network: NetworkSpec, weights: Mapping[str, Floats]) -> Layers:
        """Takes the weights by their names in the learner's module."""

        def dense(name: str) -> DenseLayer:
            return DenseLayer(weights[f"{name}.weight"], weights[f"{name}.bias"])

        convs = [
            ConvLayer(weights[f"convs.{index}.weight"], weights[f"convs.{index}.bias"], conv.stride)
            for index, conv in enumerate(network.convs)
        ]
        before = [dense(f"dense.{index}") for index in range(len(network.dense))]
        is_discrete = "log_std" not in weights
        return cls(network, is_discrete, convs, [*before, dense("hidden")], dense("policy"))

    @property
    def outputs(self) -> int:
        """How many numbers the policy gives for an image."""
        return len(self.head.bias)

    def channels_first(self) -> list[DenseLayer]:
        """The dense layers where the first takes (channel, row, column) order."""
        if not self.network.convs:
            return self.dense
        rows, columns, channels = self.network.conv_shapes[-1]
        first = self.dense[0]
        weight = first.weight.reshape(-1, rows, columns, channels).transpose(0, 3, 1, 2)
        return [DenseLayer(weight.reshape(len(first.bias), -1), first.bias), *self.dense[1:]]
