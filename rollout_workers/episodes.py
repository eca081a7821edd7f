"""Whole episodes: so many of them, each from its start to its end, as DeepRacer collected them.

All episodes are finished, also the long ones: stopping at the first so many to end would prefer
those that fail early.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rollout_workers.gae import advantages

Chooser = Callable[
    [NDArray[np.uint8], int], tuple[NDArray[Any], NDArray[np.float32], NDArray[np.float32]]
]


@dataclass
class EpisodeBatch:
    """The steps of whole episodes, N in all, in the order of driving.

    Attributes:
        obs: (N, rows, columns) uint8.
        actions: (N,) int64 or (N, d) float32.
        log_probabilities, advantages, value_targets: (N,) float32.
        episodes: Their records, in the order of their ends.
        dropped: Steps beyond the limit, which are not among the N.
        inference_s: Seconds spent in the policy.
    """

    obs: NDArray[np.uint8]
    actions: NDArray[Any]
    log_probabilities: NDArray[np.float32]
    advantages: NDArray[np.float32]
    value_targets: NDArray[np.float32]
    episodes: list[Any] = field(default_factory=list)
    dropped: int = 0
    inference_s: float = 0.0


def collect_episodes(
    world: Any,
    choose: Chooser,
    value_of: Callable[[NDArray[np.uint8]], NDArray[np.float32]],
    crop: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    *,
    count: int,
    max_steps: int,
    gamma: float,
    lambda_: float,
) -> EpisodeBatch:
    """Drives `count` new episodes to their ends, as many at once as the world has cars.

    Args:
        world: Its episodes under way are given up.
        choose: Cropped observations (n, rows, columns), and how many of the cars matter, to
            actions, their log-probabilities and the values of the observations.
        value_of: Cropped observations to values.
        crop: Full images to what the network sees.
        count: How many episodes.
        max_steps: Steps to keep; later ones are driven and dropped, as the original's memory does.
        gamma: Discount per step.
        lambda_: Of generalised advantage estimation.
    """
    cars = world.num_cars
    active = np.arange(cars) < count
    started = int(active.sum())
    world.restart(np.flatnonzero(active))
    obs, actions = [], []
    rows: dict[str, list[NDArray[Any]]] = {name: [] for name in _COLUMNS}
    final_at, final_obs, episodes = [], [], []
    kept, inference_s, index = 0, 0.0, 0
    while active.any():
        seen = np.ascontiguousarray(crop(world.obs))
        before = time.perf_counter()
        action, log_probability, value = choose(seen, int(active.sum()))
        inference_s += time.perf_counter() - before
        step = world.advance(action, active)
        chosen = np.flatnonzero(active)
        room = max_steps - kept
        obs.append(seen[chosen[:room]])
        actions.append(action[chosen[:room]])
        kept += min(len(chosen), max(room, 0))
        for name, values in zip(
            _COLUMNS,
            (active, log_probability, value, step.rewards, step.terminated, step.truncated),
            strict=True,
        ):
            rows[name].append(np.array(values))
        for car, image in step.final_obs.items():
            if active[car]:
                final_at.append((index, car))
                final_obs.append(image)
        for car, episode in zip(step.ended.tolist(), step.episodes, strict=True):
            if not active[car]:
                world.place(car, 0.0)  # kept where it can do no harm
                continue
            episodes.append(episode)
            if started < count:
                started += 1
                world.restart(np.array([car]))
            else:
                active[car] = False
                world.place(car, 0.0)
        index += 1
    table = {name: np.stack(values) for name, values in rows.items()}
    final_values = np.zeros((index, cars), np.float32)
    if final_obs:
        before = time.perf_counter()
        last = value_of(np.ascontiguousarray(crop(np.stack(final_obs))))
        inference_s += time.perf_counter() - before
        final_values[tuple(np.array(final_at).T)] = last
    gains = advantages(
        table["rewards"].astype(np.float32),
        # No episode goes on after the last row, so the value there is never looked at.
        np.concatenate([table["values"], np.zeros((1, cars), np.float32)]),
        # A car that waits is an episode of one step without reward, so that nothing leaks.
        table["terminated"] | ~table["active"],
        table["truncated"] & table["active"],
        final_values,
        gamma,
        lambda_,
    )
    mask = table["active"]
    return EpisodeBatch(
        obs=np.concatenate(obs),
        actions=np.concatenate(actions),
        log_probabilities=table["log_probabilities"][mask][:kept],
        advantages=gains[mask][:kept],
        value_targets=(gains + table["values"])[mask][:kept],
        episodes=episodes,
        dropped=int(mask.sum()) - kept,
        inference_s=inference_s,
    )


_COLUMNS = ("active", "log_probabilities", "values", "rewards", "terminated", "truncated")


def share_of(count: int, workers: int, worker: int) -> int:
    """How many of `count` episodes a worker (from 0) drives."""
    return count // workers + (worker < count % workers)
