"""How a reward function failed: told apart, numbered and counted, whichever process ran it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.reward import RewardError


class RewardFailures:
    """The distinct failures of one reward function, by their codes, from 1."""

    def __init__(self) -> None:
        self._errors: list[RewardError] = []
        self._code_of_death: dict[str, int] = {}
        self._codes: list[int] = []  # of the running process: our codes by its own

    def begin_process(self) -> None:
        """A new process runs, which numbers what it meets from 1 again."""
        self._codes = []

    def learn(self, records: Iterable[dict[str, Any]]) -> None:
        """Takes up failures that the running process met first, in the order of its codes."""
        self._codes += [self._code_of(RewardError(**record)) for record in records]

    def ours(self, codes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Codes of the running process as ours; 0, no failure, stays 0."""
        table = np.array([0, *self._codes], np.int64)
        return table[np.clip(codes, 0, len(table) - 1)]

    def code_of_death(self, kind: str, message: str, params: dict[str, Any]) -> int:
        """The code of a call that its process did not survive.

        Args:
            kind: As in `RewardError`.
            message: What happened; the same is the same failure.
            params: Of the call.
        """
        code = self._code_of_death.get(message)
        if code is None:
            self._errors.append(RewardError(kind, message, "", json.dumps(params, default=repr)))
            code = self._code_of_death[message] = len(self._errors)
        return code

    def count(self, code: int) -> RewardError:
        """Counts one more of a failure; returns it."""
        self._errors[code - 1].count += 1
        return self._errors[code - 1]

    def take(self) -> list[RewardError]:
        """Those counted since the last call of this method, one record for each."""
        taken = [replace(error) for error in self._errors if error.count]
        for error in self._errors:
            error.count = 0
        return taken

    def _code_of(self, error: RewardError) -> int:
        """A process that was started again meets the same failures again."""
        for code, known in enumerate(self._errors, 1):
            if (known.kind, known.traceback) == (error.kind, error.traceback):
                return code
        self._errors.append(error)
        return len(self._errors)
