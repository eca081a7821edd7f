"""Whole episodes: exactly so many, each from its start to its end, as DeepRacer collects them.

What has begun is finished: stopping at the first so many to end would prefer those that fail early.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rollout_workers.batch import Act, Batch, Floats, Images
from rollout_workers.gae import advantages


def collect_episodes(
    world: Any,
    act: Act,
    value_of: Callable[[Images], Floats],
    crop: Callable[[Images], Images],
    *,
    count: int,
    max_steps: int,
    gamma: float,
    lambda_: float,
) -> Batch:
    """Drives `count` new episodes to their ends, as many at once as the world has cars.

    A car that ends takes the next episode that has not begun; when there is none, it costs no
    picture, no inference and no reward.

    Args:
        world: Its episodes under way are given up.
        act: Draws actions for the cars that drive.
        value_of: Cropped observations to values.
        crop: Full images to what the network sees.
        count: How many episodes, at least one.
        max_steps: So many steps are kept, in the order of the episodes' beginnings. Advantages are
            those of the whole episodes all the same.
        gamma: Discount per step.
        lambda_: Of generalised advantage estimation.
    """
    cars = world.num_cars
    began = min(cars, count)
    episode_of = np.full(cars, -1)  # that a car drives; -1: none any more
    episode_of[:began] = np.arange(began)
    world.restart(np.arange(began))
    lengths = np.zeros(count, np.int64)
    records: list[Any] = [None] * count
    columns: list[tuple[NDArray[Any], ...]] = []
    pictures: list[tuple[NDArray[np.int64], NDArray[np.int64], Images]] = []
    final_obs: dict[int, Images] = {}
    inference_s = 0.0
    while (active := episode_of >= 0).any():
        driving = np.flatnonzero(active)
        which = episode_of[driving]
        seen = crop(world.obs)[driving]
        before = time.perf_counter()
        chosen, log_probabilities, values = act(seen)
        inference_s += time.perf_counter() - before
        actions = np.zeros((cars, *chosen.shape[1:]), chosen.dtype)
        actions[driving] = chosen
        step = world.advance(actions, active)
        ends = (step.rewards[driving], step.terminated[driving], step.truncated[driving])
        columns.append((which, chosen, log_probabilities, values, *ends))
        # Earlier episodes only grow: what lies beyond the limit now will not come before it.
        at = lengths[which]
        keep = (np.cumsum(lengths) - lengths)[which] + at < max_steps
        pictures.append((which[keep], at[keep], seen[keep]))
        lengths[which] += 1
        for car, image in step.final_obs.items():
            final_obs[int(episode_of[car])] = image
        for car, record in zip(step.ended.tolist(), step.episodes, strict=True):
            records[int(episode_of[car])] = record
            episode_of[car] = -1
            if began < count:
                episode_of[car] = began
                began += 1
                world.restart(np.array([car]))
    total = int(lengths.sum())
    first = np.cumsum(lengths) - lengths
    joined = [np.concatenate(parts) for parts in zip(*columns, strict=True)]
    order = np.argsort(joined[0], kind="stable")
    _, chosen, log_probabilities, values, rewards, terminated, truncated = (
        part[order] for part in joined
    )
    final_values = np.zeros(total, np.float32)
    if final_obs:
        before = time.perf_counter()
        last = value_of(np.ascontiguousarray(crop(np.stack(list(final_obs.values())))))
        inference_s += time.perf_counter() - before
        ended = np.array(list(final_obs))
        final_values[first[ended] + lengths[ended] - 1] = last
    gains = advantages(
        rewards[:, None],
        np.append(values, np.float32(0.0))[:, None],  # each episode's end cuts it off from the next
        terminated[:, None],
        truncated[:, None],
        final_values[:, None],
        gamma,
        lambda_,
    )[:, 0]
    rows = min(total, max_steps)
    obs = np.empty((rows, *seen.shape[1:]), np.uint8)
    for episodes, at, images in pictures:
        place = first[episodes] + at
        obs[place[place < rows]] = images[place < rows]
    return Batch(
        obs=obs,
        actions=chosen[:rows],
        log_probabilities=log_probabilities[:rows],
        advantages=gains[:rows],
        value_targets=(gains + values)[:rows],
        episodes=records,
        lengths=lengths.tolist(),
        inference_s=inference_s,
    )


def share_of(count: int, workers: int, worker: int) -> int:
    """How many of `count` episodes a worker (from 0) drives."""
    return count // workers + (worker < count % workers)
