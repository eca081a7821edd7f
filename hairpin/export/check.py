"""Holds an exported file against the policy in torch, on images of a real drive."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hairpin.job import Job
from rollout_workers.network import NETWORKS
from sim.actions import make_actions

Floats = NDArray[np.float32]

TOLERANCE = 1e-4  # of a probability, or of a mean in [-1, 1]
# Actions whose probabilities are nearer to each other than sums in float32 are to the truth.
TIE = 1e-6
BATCH = 100  # images run at once


class CheckFailed(RuntimeError):
    """The exported file does not do what the policy does."""


@dataclass(frozen=True)
class CheckResult:
    """What came of a check.

    Attributes:
        frames: Images that both were run on.
        same_action: On how many of them both chose the same action, or, where two actions are
            equally likely to within `TIE`, one of the two.
        ties: On how many of them two actions were that near.
        max_difference: The largest difference of a probability, or of a mean.
        tolerance: How large it may be.
        against: What the file was held against.
    """

    frames: int
    same_action: int
    ties: int
    max_difference: float
    tolerance: float = TOLERANCE
    against: str = "torch"

    @property
    def passed(self) -> bool:
        """Whether the file does what the policy does."""
        # A NaN is not within the tolerance.
        return self.same_action == self.frames and self.max_difference <= self.tolerance

    def as_dict(self) -> dict[str, Any]:
        """Itself as JSON-able values."""
        return asdict(self)


def compare(expected: Floats, found: Floats, *, is_discrete: bool) -> CheckResult:
    """Compares outputs of the policy and of a file, (n, A) probabilities or (n, 2) means.

    Means are the same action if they are within the tolerance.
    """
    if expected.shape != found.shape:
        raise CheckFailed(f"it gives {found.shape} numbers and not {expected.shape}")
    difference = np.abs(expected - found).max(axis=1)
    if not is_discrete:
        same, tied = difference <= TOLERANCE, np.zeros(len(expected), bool)
    else:
        rows, chosen = np.arange(len(expected)), found.argmax(axis=1)
        top = np.sort(expected, axis=1)
        tied = top[:, -1] - top[:, -2] < TIE if expected.shape[1] > 1 else np.zeros(len(top), bool)
        same = expected.max(axis=1) - expected[rows, chosen] < TIE
        same |= chosen == expected.argmax(axis=1)
    return CheckResult(len(expected), int(same.sum()), int(tied.sum()), float(difference.max()))


def torch_outputs(
    job: Job, weights: dict[str, NDArray[np.float32]], frames: NDArray[np.uint8]
) -> Floats:
    """What the learner's own module says to (n, height, width) camera images."""
    import logging

    import gymnasium
    import torch

    from learner.module import HairpinModule

    # RLlib warns of deprecations in its own code.
    logging.getLogger("ray._common.deprecation").setLevel(logging.CRITICAL)

    network, space = NETWORKS[job.preset], make_actions(job.actions).space
    module = HairpinModule(
        observation_space=gymnasium.spaces.Box(0, 255, network.input_shape, np.uint8),
        action_space=space,
        model_config={"network": network.to_dict(), "seed": 0},
    )
    module.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()})
    is_discrete = isinstance(space, gymnasium.spaces.Discrete)
    found = []
    with torch.no_grad():
        for batch in batches(frames[:, network.crop_top :]):
            outputs = module.outputs(torch.from_numpy(np.ascontiguousarray(batch)))[0]
            found.append(torch.softmax(outputs, 1) if is_discrete else outputs[:, :2])
    result: Floats = torch.cat(found).numpy()
    return result


def file_outputs(path: Path, frames: NDArray[np.uint8]) -> Floats:
    """What the file at `path` says to camera images, in a process of its own.

    TensorFlow and torch bring libraries that cannot always live in one process.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        try:
            return pool.submit(_outputs_here, path, frames).result()
        except BrokenProcessPool as error:
            raise CheckFailed("the process that ran it died") from error


def _outputs_here(path: Path, frames: NDArray[np.uint8]) -> Floats:
    from hairpin.export.drive import load_model

    run = load_model(path).run
    return np.concatenate([run(batch) for batch in batches(frames)])


def batches(images: NDArray[np.uint8]) -> list[NDArray[np.uint8]]:
    """Pieces of an array of images, small enough to run at once."""
    return [images[first : first + BATCH] for first in range(0, len(images), BATCH)]
