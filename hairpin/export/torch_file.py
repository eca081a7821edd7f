"""A policy as a torch program that loads with torch alone."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hairpin.export.layers import DenseLayer, Layers
from hairpin.export.names import COMMAND, MEAN, PROBABILITIES
from rollout_workers.network import PIXEL_SCALE, PIXEL_SHIFT
from sim.actions import Actions, ContinuousActions

PROPERTY = "hairpin.json"  # an extra file in the archive: what this is


class PolicyModule(nn.Module):
    """The policy in plain torch layers.

    Args:
        layers: The policy.
        actions: What its outputs mean.
    """

    table: Tensor
    half_range: Tensor
    middle: Tensor

    def __init__(self, layers: Layers, actions: Actions) -> None:
        super().__init__()
        self.crop_top = layers.network.crop_top
        self.is_discrete = layers.is_discrete
        trunk: list[nn.Module] = []
        for conv in layers.convs:
            outputs, inputs, side, _ = conv.kernel.shape
            made = nn.Conv2d(inputs, outputs, side, conv.stride)
            trunk += [_filled(made, conv.kernel, conv.bias), nn.ReLU()]
        trunk.append(nn.Flatten())
        for dense in layers.channels_first():
            trunk += [_linear(dense), nn.ReLU()]
        self.trunk = nn.Sequential(*trunk)
        self.policy = _linear(layers.head)
        if isinstance(actions, ContinuousActions):
            self._keep("half_range", 0.5 * (actions.high - actions.low))
            self._keep("middle", 0.5 * (actions.high + actions.low))
        else:
            self._keep("table", actions.pairs)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Runs the policy.

        Args:
            image: (n, height, width) uint8, the whole gray camera image.

        Returns:
            ``command`` (n, 2): steering angle in degrees, left positive, and speed in m/s; and
            ``probabilities`` (n, A) of the discrete actions or ``mean`` (n, 2) of continuous ones.
        """
        pixels = image[:, None, self.crop_top :].float() * PIXEL_SCALE - PIXEL_SHIFT
        outputs = self.policy(self.trunk(pixels))
        if self.is_discrete:
            probabilities = torch.softmax(outputs, 1)
            return {
                COMMAND: self.table[probabilities.argmax(1)],
                PROBABILITIES: probabilities,
            }
        return {COMMAND: outputs.clamp(-1.0, 1.0) * self.half_range + self.middle, MEAN: outputs}

    def _keep(self, name: str, values: Any) -> None:
        self.register_buffer(name, torch.from_numpy(np.asarray(values, np.float32).copy()))


def torch_program(layers: Layers, actions: Actions, about: Mapping[str, Any]) -> bytes:
    """The policy as torch.export writes it; its inputs and outputs are `PolicyModule.forward`'s.

    Load it with ``torch.export.load(FILE).module()``; this package is not needed there.

    Args:
        layers: The policy.
        actions: What its outputs mean.
        about: JSON-able facts to keep in the file.
    """
    network = layers.network
    example = torch.zeros((2, network.height, network.width), dtype=torch.uint8)
    program = torch.export.export(
        PolicyModule(layers, actions).eval(),
        (example,),
        dynamic_shapes={"image": {0: torch.export.Dim("batch")}},
    )
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files={PROPERTY: json.dumps(about, allow_nan=False)})
    return buffer.getvalue()


def _linear(dense: DenseLayer) -> nn.Module:
    outputs, inputs = dense.weight.shape
    return _filled(nn.Linear(inputs, outputs), dense.weight, dense.bias)


def _filled(layer: nn.Module, weight: Any, bias: Any) -> nn.Module:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight)))
        layer.bias.copy_(torch.from_numpy(np.ascontiguousarray(bias)))
    return layer
