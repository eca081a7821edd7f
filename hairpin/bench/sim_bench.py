"""Env steps a second on one core, ours against Gymnasium's and EnvPool's CarRacing."""

from __future__ import annotations

import itertools
import statistics
from dataclasses import dataclass
from typing import Literal

import numpy as np

from hairpin.bench.machine import describe, one_core
from hairpin.bench.peers import envpool_carracing, gymnasium_carracing
from hairpin.bench.timing import Work, interleaved, median_ratio, warm_up
from sim.settings import WorldSettings
from sim.world import World

OURS, OURS_LARGE = "hairpin 80x60", "hairpin 160x120"
CARRACING, ENVPOOL = "gymnasium CarRacing-v3", "envpool CarRacing-v2"
ACTION_BLOCK = 256


@dataclass(frozen=True)
class SimResult:
    """Rates of all contestants and how ours compares."""

    env_steps_per_s: float
    """Ours at 80x60; rules, reward parameters and the sample reward included."""
    ratio_carracing: float
    """Ours at 80x60 to Gymnasium's CarRacing-v3."""
    ratio_envpool: float
    """Ours at 80x60 to EnvPool's CarRacing."""
    env_steps_per_s_160x120: float
    """Ours at 160x120."""
    ratio_160x120: float
    """Ours at 160x120 to ours at 80x60."""
    rates: dict[str, float]
    """Median env steps a second of every contestant."""
    shares: dict[str, float]
    """Of our time at 80x60: physics, camera, and reward (with rules and reward parameters)."""
    cars: int
    """Cars in a world of ours, environments in EnvPool's."""
    rounds: int
    """How often each was measured; rates and ratios are medians over the rounds."""
    machine: dict[str, object]


def run(*, cars: int = 16, rounds: int = 5, seconds: float = 1.0, seed: int = 0) -> SimResult:
    """Measures all contestants in turn on one core, several times over.

    A ratio is the median of the rounds' own ratios: the two rates of a round are taken within
    seconds of each other, so a machine that slows down meanwhile does not decide.

    Args:
        cars: Cars in a world of ours.
        rounds: How often each contestant is measured.
        seconds: How long each time.
        seed: Of all random actions.

    Raises:
        UserError: A package to compare with is missing.
    """
    with one_core():
        peers = {CARRACING: gymnasium_carracing(seed), ENVPOOL: envpool_carracing(seed)}
        worlds = {OURS: _world("fast", cars, seed), OURS_LARGE: _world("deepracer", cars, seed)}
        try:
            ours = {name: _random_driver(world, seed) for name, world in worlds.items()}
            contestants = {**ours, **peers}
            warm_up(contestants.values())
            before = dict(worlds[OURS].seconds)
            rates = interleaved(contestants, rounds, seconds)
            spent = {phase: s - before[phase] for phase, s in worlds[OURS].seconds.items()}
        finally:
            for world in worlds.values():
                world.close()
    medians = {name: statistics.median(values) for name, values in rates.items()}
    return SimResult(
        env_steps_per_s=medians[OURS],
        ratio_carracing=median_ratio(rates, OURS, CARRACING),
        ratio_envpool=median_ratio(rates, OURS, ENVPOOL),
        env_steps_per_s_160x120=medians[OURS_LARGE],
        ratio_160x120=median_ratio(rates, OURS_LARGE, OURS),
        rates=medians,
        shares={phase: value / sum(spent.values()) for phase, value in spent.items()},
        cars=cars,
        rounds=rounds,
        machine=describe("hairpin", "gymnasium", "envpool", "box2d", "pybullet", "numpy", "numba"),
    )


def _world(camera: Literal["fast", "deepracer"], cars: int, seed: int) -> World:
    return World(WorldSettings(camera=camera), num_cars=cars, seed=seed)


def _random_driver(world: World, seed: int) -> Work:
    space = world.actions.space
    space.seed(seed)
    block = [[space.sample() for _ in range(world.num_cars)] for _ in range(ACTION_BLOCK)]
    actions = itertools.cycle(np.array(block))

    def step() -> int:
        world.step(next(actions))
        return world.num_cars

    return step
