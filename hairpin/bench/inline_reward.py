"""The reward function in the worker's own process: what the reward process is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.params import INPUTS, build_params
from sim.reward import RewardError, RewardUse, read_reward
from sim.reward_process import RewardProcess
from sim.reward_runner import RewardRunner, load_reward
from sim.track import Track


class InlineReward(RewardProcess):
    """Calls the reward function here, without any protection; made like a `RewardProcess`."""

    def __init__(
        self, spec: str, tracks: Sequence[Track], num_cars: int = 1, **limits: Any
    ) -> None:
        path, source = read_reward(spec)
        self._runner = RewardRunner(lambda: load_reward(str(path), source), num_cars)
        for car in range(num_cars):
            self._runner.prepare(car)
        self._ways = [[(float(x), float(y)) for x, y in track.waypoints] for track in tracks]
        self._length = tracks[0].length_m
        self._results: list[tuple[float, int]] = []

    def wait(self) -> None:
        """Nothing to wait for."""

    def send(
        self,
        readings: NDArray[np.void],
        memory: NDArray[np.void],
        commands: NDArray[np.float64],
        time_s: float | NDArray[np.float64],
        active: NDArray[np.bool_] | None = None,
    ) -> None:
        """Computes the rewards at once."""
        columns = {name: readings[name].tolist() for name, _ in INPUTS if name in _READ}
        columns |= {name: memory[name].tolist() for name in ("steps",)}
        columns["reverse"] = memory["reverse"].astype(bool).tolist()
        columns["steering_angle"], columns["speed"] = commands.T.tolist()
        columns["sim_time"] = np.broadcast_to(time_s, len(readings)).tolist()
        columns["active"] = [True] * len(readings)
        rows = zip(*(columns[name] for name, _ in INPUTS), strict=True)
        self._results = [
            self._runner(build_params(row, self._ways, self._length), car)
            for car, row in enumerate(rows)
        ]

    def receive(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """What `send` computed."""
        rewards, codes = zip(*self._results, strict=True)
        return np.array(rewards), np.flatnonzero(codes)

    def take_errors(self) -> list[RewardError]:
        """Not counted here."""
        return []

    def take_prints(self) -> tuple[list[str], int]:
        """Prints went where this process prints."""
        return [], 0

    def take_use(self) -> RewardUse:
        """Not measured here."""
        return RewardUse()

    def close(self) -> None:
        """Nothing to end."""


_READ = frozenset(
    name
    for name, _ in INPUTS
    if name not in ("steps", "reverse", "steering_angle", "speed", "sim_time", "active")
)
