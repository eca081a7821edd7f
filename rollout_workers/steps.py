"""So many steps of every car, wherever they are in their episodes: no car ever waits."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rollout_workers.batch import Act, Batch, Floats, Images
from rollout_workers.gae import advantages


def collect_steps(
    world: Any,
    act: Act,
    value_of: Callable[[Images], Floats],
    crop: Callable[[Images], Images],
    *,
    steps: int,
    gamma: float,
    lambda_: float,
) -> Batch:
    """Drives every car for `steps` control steps, in (step, car) order.

    Args:
        world: Goes on from where it is.
        act: Draws actions for all cars.
        value_of: Cropped observations to values.
        crop: Full images to what the network sees.
        steps: How many.
        gamma: Discount per step.
        lambda_: Of generalised advantage estimation.
    """
    cars = world.num_cars
    obs = np.empty((steps, *crop(world.obs).shape), np.uint8)
    rewards = np.empty((steps, cars), np.float32)
    values = np.empty((steps + 1, cars), np.float32)
    log_probabilities = np.empty((steps, cars), np.float32)
    terminated = np.empty((steps, cars), np.bool_)
    truncated = np.empty((steps, cars), np.bool_)
    actions: list[NDArray[Any]] = []
    final_at: list[tuple[int, int]] = []
    final_obs: list[Images] = []
    episodes: list[Any] = []
    inference_s = 0.0
    for index in range(steps):
        obs[index] = crop(world.obs)
        before = time.perf_counter()
        action, log_probabilities[index], values[index] = act(obs[index])
        inference_s += time.perf_counter() - before
        actions.append(action)
        step = world.step(action)
        rewards[index] = step.rewards
        terminated[index] = step.terminated
        truncated[index] = step.truncated
        for car, image in step.final_obs.items():
            final_at.append((index, car))
            final_obs.append(image)
        episodes.extend(step.episodes)
    before = time.perf_counter()
    values[steps] = value_of(np.ascontiguousarray(crop(world.obs)))
    final_values = np.zeros((steps, cars), np.float32)
    if final_obs:
        last = value_of(np.ascontiguousarray(crop(np.stack(final_obs))))
        final_values[tuple(np.array(final_at).T)] = last
    inference_s += time.perf_counter() - before
    gains = advantages(rewards, values, terminated, truncated, final_values, gamma, lambda_)
    return Batch(
        obs=obs.reshape(-1, *obs.shape[2:]),
        actions=np.concatenate(actions),
        log_probabilities=log_probabilities.ravel(),
        advantages=gains.ravel(),
        value_targets=(gains + values[:-1]).ravel(),
        episodes=episodes,
        inference_s=inference_s,
    )
