"""What a worker hands back after `sample`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.recording import Recording
from sim.reward import RewardUse


@dataclass
class Fragment:
    """T steps of n cars, flattened to N = T * n rows in (step, car) order.

    Or whole episodes, one after another, with `lengths`.

    Attributes:
        obs: (N, rows, columns) uint8 images, already cropped as the network wants them.
        actions: (N,) int64 or (N, d) float32.
        log_probabilities: (N,) float32, of the actions when they were drawn.
        advantages: (N,) float32, not normalised.
        value_targets: (N,) float32, advantages plus values.
        worker: Index of the worker, from 1; 0 when it runs in the learner's process.
        weights_version: Which weights the actions were drawn with.
        episodes: Episodes that ended in this fragment (`sim.episode.Episode`).
        reward_errors: What the user's reward function did wrong (`sim.reward.RewardError`).
        lengths: Steps of each episode, if the rows are whole episodes; what the iteration's limit
            left out counts too.
        prints: Lines that the reward function printed.
        prints_dropped: How many more it printed, which were too many to keep.
        reward_use: What its calls took (`sim.reward.RewardUse`).
        seconds: Time spent, by phase: physics, camera, reward, inference, other.
        trace: Lines of `sim.trace` of the episodes that ended, if they are asked for.
        first_episode: Which of the worker's episodes the first one is, from 0 over the run.
        spans_s: Their begin and end, simulated seconds of the worker's world.
        recording: The newest drive of one car that ended in it, if the worker is recorded.
        memory_bytes: Resident memory of the worker's process.
        cpu_s: CPU time that it has used since it started.
    """

    obs: NDArray[np.uint8]
    actions: NDArray[np.int64] | NDArray[np.float32]
    log_probabilities: NDArray[np.float32]
    advantages: NDArray[np.float32]
    value_targets: NDArray[np.float32]
    worker: int = 0
    weights_version: int = 0
    episodes: list[Any] = field(default_factory=list)
    reward_errors: list[Any] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    prints: list[str] = field(default_factory=list)
    prints_dropped: int = 0
    reward_use: RewardUse = field(default_factory=RewardUse)
    seconds: dict[str, float] = field(default_factory=dict)
    trace: bytes = b""
    first_episode: int = 0
    spans_s: list[tuple[float, float]] = field(default_factory=list)
    recording: Recording | None = None
    memory_bytes: int = 0
    cpu_s: float = 0.0

    def __len__(self) -> int:
        return len(self.log_probabilities)

    @property
    def steps(self) -> int:
        """Environment steps that were driven for it."""
        return sum(self.lengths) if self.lengths else len(self)


@dataclass(frozen=True)
class WorkerFailure:
    """An exception inside a worker: told to the learner instead of dying over and over.

    Attributes:
        worker: Index of the worker.
        error: The exception itself if it is one a user can mend, else None.
        traceback: Its whole text.
    """

    worker: int
    error: Exception | None
    traceback: str


ARRAYS = ("obs", "actions", "log_probabilities", "advantages", "value_targets")


def joined(fragments: Sequence[Fragment]) -> dict[str, NDArray[Any]]:
    """The arrays of several fragments, one after another; without a copy for a single one.

    Raises:
        ValueError: There is no fragment.
    """
    if not fragments:
        raise ValueError("no fragments to join")
    if len(fragments) == 1:
        return {name: getattr(fragments[0], name) for name in ARRAYS}
    return {name: np.concatenate([getattr(f, name) for f in fragments]) for name in ARRAYS}


def kept_rows(fragments: Sequence[Fragment], limit: int) -> NDArray[np.bool_]:
    """Which rows of joined fragments of whole episodes to learn from, when there is a limit.

    The episodes are taken in the order of their beginnings, the first of every fragment before the
    second of any, and the last one perhaps in part; so a long episode is not less likely to be kept
    than a short one.

    Args:
        fragments: With `lengths`; each holds at least its own first `limit` steps.
        limit: How many rows at most.

    Returns:
        (N,) bool, in the rows' order.
    """
    masks = [np.zeros(fragment.steps, np.bool_) for fragment in fragments]
    turns = max(len(fragment.lengths) for fragment in fragments)
    for turn in range(turns):
        for mask, fragment in zip(masks, fragments, strict=True):
            first = sum(fragment.lengths[:turn])
            taken = min(sum(fragment.lengths[turn : turn + 1]), limit)
            mask[first : first + taken] = True
            limit -= taken
    return np.concatenate([mask[: len(f)] for mask, f in zip(masks, fragments, strict=True)])
