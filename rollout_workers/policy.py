"""The policy on a worker: a forward pass in numpy, and sampling.

A worker that only samples needs three matrix products per image and not a training framework,
which costs seconds and hundreds of megabytes per process.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium
import numba
import numpy as np
from numpy.typing import NDArray

from rollout_workers.network import PIXEL_SCALE, PIXEL_SHIFT, NetworkSpec

Floats = NDArray[np.float32]

LOG_2_PI = float(np.log(2.0 * np.pi))


class Policy:
    """A network's forward pass and the action distribution on top of it.

    Args:
        network: What to run.
        action_space: Discrete(n), or Box(-1, 1, (d,)) for a diagonal Gaussian.

    Raises:
        TypeError: The action space is neither.
    """

    def __init__(self, network: NetworkSpec, action_space: gymnasium.Space[Any]) -> None:
        self.network = network
        self.is_discrete = isinstance(action_space, gymnasium.spaces.Discrete)
        if not self.is_discrete and not isinstance(action_space, gymnasium.spaces.Box):
            raise TypeError(f"no policy for the action space {action_space}")
        self._kernels: list[tuple[Floats, Floats]] = []
        self._dense: list[tuple[Floats, Floats]] = []  # the last one is the hidden layer
        self._heads: tuple[Floats, Floats]
        self._log_std: Floats = np.zeros(0, np.float32)
        self._columns: dict[int, Floats] = {}  # by layer, grown to the largest batch seen

    def set_weights(self, weights: Mapping[str, NDArray[np.float32]]) -> None:
        """Takes the learner's weights, named as in the torch module's state.

        The scaling of pixels is folded into the first layer, that of values into the value head,
        and the two heads are joined into one matrix, so that none of it costs anything per image.
        """
        kernels = []
        for index in range(len(self.network.convs)):
            kernel = np.asarray(weights[f"convs.{index}.weight"], np.float32)
            bias = np.asarray(weights[f"convs.{index}.bias"], np.float32)
            matrix = kernel.transpose(2, 3, 1, 0).reshape(-1, kernel.shape[0])
            kernels.append((np.ascontiguousarray(matrix), bias.copy()))
        names = [*(f"dense.{index}" for index in range(len(self.network.dense))), "hidden"]
        dense = [
            (_matrix(weights[f"{name}.weight"]), np.array(weights[f"{name}.bias"], np.float32))
            for name in names
        ]
        first, bias = (kernels or dense)[0]
        bias -= np.float32(PIXEL_SHIFT) * first.sum(axis=0)
        first *= np.float32(PIXEL_SCALE)
        self._kernels, self._dense = kernels, dense
        scale = np.float32(weights["value_scale"])
        heads = [_matrix(weights["policy.weight"]), _matrix(weights["value.weight"]) * scale]
        biases = [weights["policy.bias"], weights["value.bias"] * scale]
        self._heads = (np.concatenate(heads, 1), np.concatenate(biases).astype(np.float32))
        if not self.is_discrete:
            self._log_std = np.array(weights["log_std"], np.float32)

    def forward(self, obs: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Runs the network.

        Args:
            obs: (n, rows, columns) uint8 images, already cropped to ``network.input_shape``.

        Returns:
            (n, outputs) logits or means, and (n,) values in units of the rewards.
        """
        count = len(obs)
        layer: NDArray[np.float32] | NDArray[np.uint8] = obs.reshape(*obs.shape, 1)
        for index, (conv, shape) in enumerate(
            zip(self.network.convs, self.network.conv_shapes, strict=True)
        ):
            kernel, bias = self._kernels[index]
            columns = self._columns_of(index, count * shape[0] * shape[1], kernel.shape[0])
            gather_patches(np.ascontiguousarray(layer), conv.kernel, conv.stride, columns)
            product = columns @ kernel
            add_relu(product, bias)
            layer = product.reshape(count, *shape)
        hidden = layer.reshape(count, -1).astype(np.float32, copy=False)
        for matrix, bias in self._dense:
            hidden = hidden @ matrix
            add_relu(hidden, bias)
        outputs = np.asarray(hidden @ self._heads[0] + self._heads[1], np.float32)
        return outputs[:, :-1], outputs[:, -1]

    def sample(
        self, outputs: Floats, random: np.random.Generator, epsilon: float | None = None
    ) -> tuple[NDArray[np.int64] | Floats, Floats]:
        """Draws an action per row and gives its log-probability.

        Args:
            outputs: (n, outputs) from `forward`.
            random: Where chance comes from.
            epsilon: For discrete actions: explore e-greedily, with so much chance. The
                log-probabilities are the policy's all the same, because PPO improves the policy and
                not the way it explores; DeepRacer's trainer did likewise.

        Returns:
            Actions, (n,) int64 or (n, d) float32, and their (n,) float32 log-probabilities.
        """
        if self.is_discrete:
            log_probabilities = log_softmax(outputs)
            if epsilon is not None:
                best = outputs.argmax(axis=1)
                anything = random.integers(outputs.shape[1], size=len(outputs))
                drawn = np.where(random.random(len(outputs)) < epsilon, anything, best)
                return drawn, log_probabilities[np.arange(len(outputs)), drawn]
            cumulative = np.exp(log_probabilities).cumsum(axis=1)
            draws = random.random((len(outputs), 1)) * cumulative[:, -1:]
            below: NDArray[np.int64] = (cumulative <= draws).sum(axis=1)
            chosen: NDArray[np.int64] = np.minimum(below, outputs.shape[1] - 1)
            return chosen, log_probabilities[np.arange(len(outputs)), chosen]
        noise = random.standard_normal(outputs.shape, dtype=np.float32)
        actions = np.asarray(outputs + np.exp(self._log_std) * noise, np.float32)
        log_density = -0.5 * (noise * noise + LOG_2_PI) - self._log_std
        return actions, log_density.sum(axis=1).astype(np.float32)

    def greedy(self, outputs: Floats) -> NDArray[np.int64] | Floats:
        """The most likely action of each row: (n,) int64 or (n, d) float32."""
        return outputs.argmax(axis=1) if self.is_discrete else outputs

    def crop(self, obs: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Cuts the sky off full images (n, height, width); a view."""
        return obs[:, self.network.crop_top :]

    def act(self, obs: NDArray[np.uint8]) -> NDArray[np.int64] | Floats:
        """Greedy actions for full camera images (n, height, width) uint8."""
        outputs, _ = self.forward(self.crop(obs))
        return self.greedy(outputs)

    def _columns_of(self, layer: int, rows: int, width: int) -> Floats:
        buffer = self._columns.get(layer)
        if buffer is None or len(buffer) < rows:
            buffer = self._columns[layer] = np.empty((rows, width), np.float32)
        return buffer[:rows]


def log_softmax(logits: Floats) -> Floats:
    """Logarithm of the softmax over the last axis, without overflow."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    result: Floats = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return result


@numba.njit(cache=True)  # type: ignore[misc, unused-ignore]
def gather_patches(
    image: NDArray[np.float32] | NDArray[np.uint8], kernel: int, stride: int, out: Floats
) -> None:
    """Copies every patch a convolution looks at into a row of a matrix.

    Args:
        image: (n, rows, columns, channels), uint8 or float32.
        kernel: Side of a patch.
        stride: Step between patches.
        out: (n * patch rows * patch columns, kernel * kernel * channels) float32, written.
    """
    count, rows, columns, channels = image.shape
    patch_rows = (rows - kernel) // stride + 1
    patch_columns = (columns - kernel) // stride + 1
    line = kernel * channels
    flat = image.reshape(count, rows, columns * channels)
    index = 0
    for number in range(count):
        for row in range(patch_rows):
            for column in range(patch_columns):
                left = column * stride * channels
                for offset in range(kernel):
                    source = flat[number, row * stride + offset]
                    target = out[index]
                    start = offset * line
                    for pixel in range(line):
                        target[start + pixel] = source[left + pixel]
                index += 1


@numba.njit(cache=True)  # type: ignore[misc, unused-ignore]
def add_relu(values: Floats, bias: Floats) -> None:
    """Adds a bias to every row of (n, m) values and cuts below zero, in place."""
    rows, columns = values.shape
    for row in range(rows):
        for column in range(columns):
            value = values[row, column] + bias[column]
            values[row, column] = value if value > 0.0 else np.float32(0.0)


def _matrix(weight: NDArray[np.float32]) -> Floats:
    """A dense layer's (outputs, inputs) weight as a contiguous (inputs, outputs) matrix."""
    return np.array(weight.T, np.float32, order="C")
