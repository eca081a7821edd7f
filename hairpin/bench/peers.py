"""The environments that Hairpin's simulator is measured against."""

from __future__ import annotations

import contextlib
import importlib
import itertools
import warnings
from collections.abc import Iterator
from types import ModuleType

import numpy as np

from hairpin.bench.timing import Work
from sim.errors import UserError

ENVPOOL_CARS = 16  # as many as a world of ours has by default
ACTION_BLOCK = 256


def gymnasium_carracing(seed: int = 0) -> Work:
    """Gymnasium's CarRacing-v3 as it is made by default: 96x96 RGB, continuous actions."""
    gymnasium = peer("gymnasium")
    peer("Box2D")
    peer("pygame")
    with _quietly():
        env = gymnasium.make("CarRacing-v3")
        env.reset(seed=seed)
    actions = _random_actions(env.action_space, seed, shape=(ACTION_BLOCK,))

    def step() -> int:
        *_, terminated, truncated, _ = env.step(next(actions))
        if terminated or truncated:
            env.reset()
        return 1

    return step


def envpool_carracing(seed: int = 0) -> Work:
    """EnvPool's CarRacing-v2, written in C++: 96x96 RGB, continuous actions, one thread."""
    envpool = peer("envpool")
    with _quietly():
        pool = envpool.make(
            "CarRacing-v2",
            env_type="gymnasium",
            num_envs=ENVPOOL_CARS,
            num_threads=1,
            seed=seed,
        )
        pool.reset()
        actions = _random_actions(pool.action_space, seed, shape=(ACTION_BLOCK, ENVPOOL_CARS))

    def step() -> int:
        pool.step(next(actions))
        return ENVPOOL_CARS

    return step


def peer(module: str) -> ModuleType:
    """Imports a package that only benchmarks need.

    Raises:
        UserError: It is not installed.
    """
    try:
        with _quietly():
            return importlib.import_module(module)
    except ImportError as error:
        raise UserError(
            f"the benchmark compares with a package that cannot be imported ({error})",
            fix="Install it with: pip install 'hairpin[bench]'",
        ) from error


def _random_actions(
    space: object, seed: int, *, shape: tuple[int, ...]
) -> itertools.cycle[np.ndarray]:
    # Drawn beforehand: what is measured is the environment, not the sampling of an action space.
    low, high = np.asarray(space.low), np.asarray(space.high)  # type: ignore[attr-defined]
    rng = np.random.default_rng(seed)
    return itertools.cycle(rng.uniform(low, high, (*shape, *low.shape)).astype(np.float32))


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
