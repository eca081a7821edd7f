"""Trials: a policy drives from given starts, one episode from each, and is watched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from sim.drive import Drive
from sim.episode import Episode
from sim.noise import CommandNoise
from sim.recording import Recording
from sim.world import Images, World

Act = Callable[[Images], NDArray[Any]]


@dataclass(frozen=True)
class Trial:
    """One episode, and the drive if it was recorded."""

    episode: Episode
    recording: Recording | None


def start_points(count: int) -> list[float]:
    """Evenly spread starts, as fractions of the lap; the first is the start line."""
    return [k / count for k in range(count)]


def run_trials(
    world: World,
    act: Act,
    starts: Sequence[float],
    *,
    reverse: Sequence[bool] | None = None,
    record: bool = False,
    noise: CommandNoise | None = None,
) -> list[Trial]:
    """Drives one episode from each start, as many at once as the world has cars.

    Args:
        world: The world to drive in; its episodes under way are given up.
        act: The policy: (n, H, W) uint8 observations of all cars to their (n,) or (n, 2) actions.
        starts: Where to start, as fractions of the lap in driving direction.
        reverse: For each start, whether to drive against the rows of the route; by default as the
            world's settings say.
        record: Whether to keep what a replay needs.
        noise: What happens to commands on their way to the cars.

    Returns:
        One trial a start, in their order.
    """
    trials: list[Trial] = []
    for first in range(0, len(starts), world.num_cars):
        wave = range(first, min(first + world.num_cars, len(starts)))
        for car, index in enumerate(wave):
            way = None if reverse is None else reverse[index]
            world.place(car, starts[index], reverse=way)
        trials += _drive(world, act, len(wave), record, noise)
    return trials


def _drive(
    world: World, act: Act, cars: int, record: bool, noise: CommandNoise | None
) -> list[Trial]:
    episodes: list[Episode | None] = [None] * cars
    drives = [Drive(world, car) for car in range(cars)] if record else []
    while any(episode is None for episode in episodes):
        actions = act(world.obs)
        commands = world.actions.decode(actions)
        if noise is not None:
            commands = noise(commands)
        step = world.advance(actions, commands=commands)
        for drive in drives:
            if episodes[drive.car] is None:
                drive.note(commands[drive.car], float(step.rewards[drive.car]))
        for car, episode in zip(step.ended.tolist(), step.episodes, strict=True):
            if car < cars and episodes[car] is None:
                episodes[car] = episode
        # Cars that are done, or beyond this wave, are kept where they can do no harm.
        for car in step.ended.tolist():
            world.place(car, 0.0)
    finished = [episode for episode in episodes if episode is not None]
    if not drives:
        return [Trial(episode, None) for episode in finished]
    return [
        Trial(episode, drive.recording(episode))
        for episode, drive in zip(finished, drives, strict=True)
    ]
