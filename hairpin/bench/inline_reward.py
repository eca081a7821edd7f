"""The reward function in the worker's own process: what the reward process is measured against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.params import build_params
from sim.reward import RewardError, RewardUse, read_reward, reward_path
from sim.reward_inputs import REWARD_INPUT, fill_inputs, waypoints_of
from sim.reward_process import RewardProcess
from sim.reward_runner import RewardRunner, load_reward
from sim.track import Track


class InlineReward(RewardProcess):
    """Calls the reward function here, without any protection; made like a `RewardProcess`."""

    def __init__(
        self,
        spec: str,
        tracks: Sequence[Track],
        num_cars: int = 1,
        *,
        source: str | None = None,
        **limits: Any,
    ) -> None:
        text = read_reward(spec)[1] if source is None else source
        self._runner = RewardRunner(lambda: load_reward(str(reward_path(spec)), text), num_cars)
        for car in range(num_cars):
            self._runner.prepare(car)
        self._ways = waypoints_of(tracks)
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
        inputs = np.zeros(len(readings), REWARD_INPUT)
        fill_inputs(inputs, readings, memory, commands, time_s, active)
        self._results = [
            self._runner(build_params(row, self._ways, self._length), car)
            for car, row in enumerate(inputs.tolist())
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
