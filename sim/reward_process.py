"""A reward function in a process of its own, so that it can harm nothing but its rewards.

The process gets the cars' numbers through shared memory and a wake-up through a pipe, works while
the cameras render, and leaves the rewards in the same memory. It is a plain Python without NumPy,
so it starts in tens of milliseconds; what it may touch, `sim.sandbox` says. A call that takes too
long is ended by killing the process, also in the middle of C code. A new one goes on with the next
car.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim import reward_child
from sim.errors import UserError
from sim.params import build_params
from sim.reward import MAX_REWARD, RewardError, RewardUse, read_reward, reward_path
from sim.reward_failures import RewardFailures
from sim.reward_inputs import fill_inputs, waypoints_of
from sim.reward_memory import RewardMemory
from sim.reward_room import Child, Gone
from sim.track import Track

LOAD_LIMIT_S = 30.0  # for importing the file; SciPy takes seconds on a busy machine
MAX_RESTARTS = 5  # so many without GOOD_CALLS between them, and it is given up
GOOD_CALLS = 1000
MAX_LINES = 200  # of prints kept until they are taken


@dataclass(frozen=True)
class Outcome:
    """What one call gave.

    Attributes:
        value: The reward; None if there was none to be had.
        type: The type's name of what was returned.
        error: Why not, if so.
        seconds: How long the call took.
    """

    value: float | None
    type: str
    error: RewardError | None
    seconds: float


class RewardProcess:
    """The user's reward function, loaded in its own process.

    Args:
        spec: The path of a file, or the name of one of ours.
        tracks: The track as driven along its rows, and against them.
        num_cars: How many cars there are in a batch at most.
        timeout_s: A call may take so long.
        memory_mb: The process may have so much address space.
        source: The file's text, where the file itself need not be; read from it by default.

    Attributes:
        walls: What holds the process in, see `sim.sandbox.confine`.
        restarts: How often it had to be started again.

    Raises:
        UserError: The file cannot be read, or not be imported, or has no `reward_function`.
    """

    def __init__(
        self,
        spec: str,
        tracks: Sequence[Track],
        num_cars: int = 1,
        *,
        timeout_s: float = 1.0,
        memory_mb: int = 4096,
        source: str | None = None,
    ) -> None:
        if source is None:
            _, source = read_reward(spec)
        self._file = str(reward_path(spec))
        self._timeout_s = timeout_s
        self._waypoints = waypoints_of(tracks)
        self._length_m = tracks[0].length_m
        self._memory = RewardMemory(num_cars)
        self._setup = {
            "path": [entry for entry in sys.path if entry],
            "file": self._file,
            "source": source,
            "memory_mb": memory_mb,
            "waypoints": self._waypoints,
            "length_m": self._length_m,
            "capacity": num_cars,
        }
        self._failures = RewardFailures()
        self._lines: list[str] = []
        self._dropped = 0
        self._use = RewardUse()
        self._calls_seen, self._seconds_seen = 0, 0.0
        self._deaths, self._good_calls = 0, 0
        self._given_up: int | None = None  # the code of the failure it was given up for
        self._awaited = False  # an answer to a batch
        self.restarts = 0
        self.walls: list[str] = []
        self._child: Child | None = None
        self._start()

    def wait(self) -> None:
        """Waits until the file is imported; raises `UserError` if that fails."""
        if self._child is None or self._child.loaded:
            return
        try:
            answer = self._child.answer(LOAD_LIMIT_S)
        except Gone as gone:
            self._end_child()
            what = (
                f"it did not come to its end within {LOAD_LIMIT_S:g} s"
                if gone.too_slow
                else f"the process ended: {gone}"
            )
            raise UserError(
                f"the file cannot be imported: {what}",
                where=self._file,
                fix="Leave out what it does outside of reward_function.",
            ) from None
        self._note(answer)
        if "error" in answer:
            self._end_child()
            said = answer["error"]
            raise UserError(str(said["what"]), where=str(said["where"]), fix=str(said["fix"]))
        self.walls = [str(wall) for wall in answer.get("walls", [])]
        self._child.loaded = True

    def send(
        self,
        readings: NDArray[np.void],
        memory: NDArray[np.void],
        commands: NDArray[np.float64],
        time_s: float | NDArray[np.float64],
        active: NDArray[np.bool_] | None = None,
    ) -> None:
        """Begins to compute the rewards of all cars; `receive` waits for them.

        Args:
            readings: (n,) of `sim.rules.READINGS`.
            memory: (n,) of `sim.rules.MEMORY`.
            commands: (n, 2) steering degrees (left positive) and commanded speeds, m/s.
            time_s: Simulated time since the world began, seconds; one for all, or (n,).
            active: (n,) which cars get a reward, the others 0; all by default.
        """
        if self._awaited:  # whoever sent was interrupted before it received
            self.receive()
        fill_inputs(self._memory.inputs, readings, memory, commands, time_s, active)
        self._awaited = True
        self._request(0)

    def receive(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """The rewards of the cars that were sent, 0 where a call failed.

        Returns:
            (n,) float64 rewards, and the indices of the cars whose call failed.
        """
        answers, count = self._memory.answers, len(self._memory.answers)
        self._awaited = False
        first = 0
        while self._given_up is None:
            assert self._child is not None
            try:
                answer = self._child.answer(self._timeout_s, self._memory.running)
                if not answer and not first and not answers["code"].any():  # as nearly always
                    self._count_use(count)
                    return self._bounded(answers["reward"].copy()), _NONE
                self._note(answer)
                answers["code"][first:] = self._failures.ours(answers["code"][first:])
                break
            except Gone as gone:
                car = self._running_car(first)
                answers["code"][first:car] = self._failures.ours(answers["code"][first:car])
                inputs = self._memory.inputs[car].tolist()
                params = build_params(inputs, self._waypoints, self._length_m)
                answers[car] = (0.0, self._died(gone, params))
                first = car + 1
                if first == count:
                    self._revive()
                    break
                self._request(first)
        if self._given_up is not None:
            answers["reward"][first:] = 0.0
            answers["code"][first:] = self._given_up
        codes = answers["code"]
        failed = np.flatnonzero(codes)
        for code in codes[failed].tolist():
            self._failures.count(code)
        self._count_use(count - len(failed))
        return self._bounded(answers["reward"].copy()), failed

    def call(self, params: dict[str, Any]) -> Outcome:
        """Calls the function once with params of any kind that JSON can carry."""
        if self._given_up is not None:
            return Outcome(None, "", self._failures.count(self._given_up), 0.0)
        self._revive()
        assert self._child is not None
        data = json.dumps(params).encode()
        began = time.monotonic()
        try:
            self._child.send(reward_child.CALL, len(data), 0, data)
            answer = self._child.answer(self._timeout_s, self._memory.running)
        except Gone as gone:
            code = self._died(gone, params)
            return Outcome(None, "", self._failures.count(code), time.monotonic() - began)
        self._note(answer)
        self._good_calls += 1
        code = int(self._failures.ours(np.array([answer["code"]]))[0])
        error = self._failures.count(code) if code else None
        value = None if error else float(answer["value"])
        return Outcome(value, str(answer["type"]), error, float(answer["seconds"]))

    def take_errors(self) -> list[RewardError]:
        """The failures since the last call of this method, one record for each distinct one."""
        return self._failures.take()

    def take_prints(self) -> tuple[list[str], int]:
        """What the function printed since the last call: lines, and how many more were dropped."""
        taken = self._lines, self._dropped
        self._lines, self._dropped = [], 0
        return taken

    def take_use(self) -> RewardUse:
        """What the calls of batches took since the last call of this method."""
        taken, self._use = self._use, RewardUse()
        return taken

    def close(self) -> None:
        """Ends the process; the object is of no use afterwards."""
        self._end_child()

    def _start(self) -> None:
        self._failures.begin_process()
        self._calls_seen, self._seconds_seen = 0, 0.0
        self._memory.clear_head()
        self._child = Child(self._setup, self._memory.fd, self._memory.size)

    def _revive(self) -> None:
        """Makes sure that a process is there and loaded."""
        if self._child is None and self._given_up is None:
            self._start()
            self.restarts += 1
        self.wait()

    def _request(self, first: int) -> None:
        if self._given_up is not None:
            return
        self._revive()
        assert self._child is not None
        with contextlib.suppress(Gone):  # `receive` meets it again
            self._child.send(reward_child.BATCH, first, len(self._memory.inputs) - first)

    def _running_car(self, first: int) -> int:
        car, _ = self._memory.running()
        return min(max(car, first), len(self._memory.answers) - 1)

    def _died(self, gone: Gone, params: dict[str, Any]) -> int:
        """Takes note of a process that ended or was ended; returns the failure's code."""
        self._end_child()
        if gone.too_slow:
            kind = "too slow"
            message = f"reward_function took longer than {self._timeout_s:g} s, and was ended"
        else:
            kind, message = "process ended", f"reward_function ended its process: {gone}"
        code = self._failures.code_of_death(kind, message, params)
        self._deaths = 1 if self._good_calls >= GOOD_CALLS else self._deaths + 1
        self._good_calls = 0
        if self._deaths > MAX_RESTARTS:
            self._given_up = code
        return code

    def _end_child(self) -> None:
        if self._child is not None:
            self._child.close()
            self._child = None

    @staticmethod
    def _bounded(rewards: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rewards as they are, unless the user's code wrote to the shared memory itself."""
        usable = np.abs(rewards) <= MAX_REWARD
        return rewards if usable.all() else np.where(usable, rewards, 0.0)

    def _note(self, answer: dict[str, Any]) -> None:
        """Takes up what came with an answer: new kinds of failures, and prints."""
        self._failures.learn(answer.get("records", []))
        room = max(0, MAX_LINES - len(self._lines))
        lines = answer.get("lines", [])
        self._lines += lines[:room]
        self._dropped += answer.get("dropped", 0) + len(lines[room:])

    def _count_use(self, good: int) -> None:
        calls, seconds, longest_s = self._memory.use()
        self._use.calls += max(0, calls - self._calls_seen)
        self._use.seconds += max(0.0, seconds - self._seconds_seen)
        self._use.longest_s = max(self._use.longest_s, longest_s)
        self._calls_seen, self._seconds_seen = calls, seconds
        self._good_calls += good


_NONE: NDArray[np.int64] = np.zeros(0, np.int64)


def check_reward(spec: str, track: Track, *, timeout_s: float = 1.0, memory_mb: int = 4096) -> None:
    """Raises `UserError` unless the reward function can be imported and takes one argument."""
    process = RewardProcess(spec, (track, track), timeout_s=timeout_s, memory_mb=memory_mb)
    try:
        process.wait()
    finally:
        process.close()
