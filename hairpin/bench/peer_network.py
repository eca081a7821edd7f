"""Our network in plain torch layers, as somebody who uses another framework would write it."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from gymnasium import spaces
from ray.rllib.core.columns import Columns
from ray.rllib.core.rl_module.apis.value_function_api import ValueFunctionAPI
from ray.rllib.core.rl_module.torch.torch_rl_module import TorchRLModule
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from torch import Tensor, nn

from rollout_workers.network import PIXEL_SCALE, NetworkSpec


def build_trunk(network: NetworkSpec) -> nn.Sequential:
    """Convolutions and dense layer: (n, 1, rows, columns) float32 to (n, hidden) features."""
    channels = [1, *(conv.filters for conv in network.convs)]
    layers: list[nn.Module] = []
    for conv, (inputs, outputs) in zip(network.convs, pairwise(channels), strict=True):
        layers += [nn.Conv2d(inputs, outputs, conv.kernel, conv.stride), nn.ReLU()]
    layers += [nn.Flatten(), nn.Linear(network.flat_size, network.hidden), nn.ReLU()]
    return nn.Sequential(*layers)


class Sb3Trunk(BaseFeaturesExtractor):
    """For Stable-Baselines3, which scales the pixels and adds the two heads."""

    def __init__(self, observation_space: spaces.Box, network: NetworkSpec) -> None:
        super().__init__(observation_space, network.hidden)
        self.trunk = build_trunk(network)

    def forward(self, images: Tensor) -> Tensor:
        """(n, 1, rows, columns) float32 images in [0, 1] to (n, hidden) features."""
        features: Tensor = self.trunk(images)
        return features


class RllibModule(TorchRLModule, ValueFunctionAPI):
    """For RLlib; ``model_config["network"]`` has the fields of NetworkSpec."""

    def setup(self) -> None:
        """Builds the layers."""
        network = NetworkSpec.from_dict(self.model_config["network"])
        self.trunk = build_trunk(network)
        self.policy = nn.Linear(network.hidden, int(self.action_space.n))
        self.value = nn.Linear(network.hidden, 1)

    def compute_values(self, batch: dict[str, Any], embeddings: Tensor | None = None) -> Tensor:
        """Values of a batch's observations (n,)."""
        features = self._features(batch) if embeddings is None else embeddings
        values: Tensor = self.value(features).squeeze(-1)
        return values

    def _forward(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return {Columns.ACTION_DIST_INPUTS: self.policy(self._features(batch))}

    def _forward_train(self, batch: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        features = self._features(batch)
        return {
            Columns.EMBEDDINGS: features,
            Columns.ACTION_DIST_INPUTS: self.policy(features),
        }

    def _features(self, batch: dict[str, Any]) -> Tensor:
        features: Tensor = self.trunk(batch[Columns.OBS][:, None].float() * PIXEL_SCALE)
        return features
