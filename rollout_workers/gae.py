"""Generalised advantage estimation over a fragment of several cars."""

from __future__ import annotations

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True)  # type: ignore[misc, unused-ignore]
def advantages(
    rewards: NDArray[np.float32],
    values: NDArray[np.float32],
    terminated: NDArray[np.bool_],
    truncated: NDArray[np.bool_],
    final_values: NDArray[np.float32],
    gamma: float,
    lambda_: float,
) -> NDArray[np.float32]:
    """Advantages by GAE (Schulman et al. 2015, eq. 16), cut at every episode's end.

    A terminated episode is worth nothing from there on. A truncated one goes on being worth what
    the value function says of its last observation, which is not the next one in the fragment:
    that belongs to the next episode. At the fragment's end the value of the next observation
    stands in for the rest.

    Args:
        rewards: (T, n) rewards.
        values: (T + 1, n) values of the observations, the last row of the one after the fragment.
        terminated: (T, n) whether the step ended the episode for good.
        truncated: (T, n) whether the step cut the episode off.
        final_values: (T, n) values of the truncated episodes' last observations; unused elsewhere.
        gamma: Discount per step.
        lambda_: Weight between one-step (0) and whole-episode (1) estimates.

    Returns:
        (T, n) float32 advantages; plus ``values[:-1]`` they are the targets of the value function.
    """
    steps, cars = rewards.shape
    result = np.empty((steps, cars), np.float32)
    for car in range(cars):
        running = 0.0
        for step in range(steps - 1, -1, -1):
            following = float(values[step + 1, car])
            if terminated[step, car]:
                following = 0.0
                running = 0.0
            elif truncated[step, car]:
                following = float(final_values[step, car])
                running = 0.0
            error = rewards[step, car] + gamma * following - values[step, car]
            running = error + gamma * lambda_ * running
            result[step, car] = running
    return result
