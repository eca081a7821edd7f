"""What driving gives to learn from, however it was collected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
Floats = NDArray[np.float32]
# Cropped observations (k, rows, columns) of the cars that drive, to their actions, the actions'
# log-probabilities and the observations' values.
Act = Callable[[Images], tuple[NDArray[Any], Floats, Floats]]


@dataclass
class Batch:
    """N steps of driving.

    Attributes:
        obs: (N, rows, columns) uint8, cropped.
        actions: (N,) int64 or (N, d) float32.
        log_probabilities, advantages, value_targets: (N,) float32.
        episodes: Records of the episodes that ended.
        lengths: Of whole episodes, their steps; they add up to N and those that a limit left out.
        inference_s: Seconds spent in the policy.
    """

    obs: Images
    actions: NDArray[Any]
    log_probabilities: Floats
    advantages: Floats
    value_targets: Floats
    episodes: list[Any]
    lengths: list[int] = field(default_factory=list)
    inference_s: float = 0.0
