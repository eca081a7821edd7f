"""What can be found wrong with a reward function by calling it, in its own process."""

from __future__ import annotations

import ast
import json
import math
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

from hairpin.validation.branches import QUESTION, Branch, functions_of, watched
from hairpin.validation.findings import IMPORT_ERROR, TEST_FAILURE, Finding, Report
from sim.errors import UserError, did_you_mean
from sim.reward import RewardError
from sim.reward_process import RewardProcess
from sim.reward_states import StateMaker, describe

FATAL = ("too slow", "process ended")
SLOW_S = 75e-6  # a step of the simulator takes about 170 us: such a call is 30 % of the rollout
STEP_S = 170e-6
FIRST_CALL_SHARE = 0.5  # of the limit, from which on a first call is worth a word
AGAIN = 150  # so many states are tried twice in one process
_WATCHED_LIMIT_S = 20.0  # a call is slower when its lines are noted


class Trials:
    """Calls of one reward function with many states.

    Args:
        report: Takes up what is found.
        tree: The file's syntax tree.
        maker: Of the track that the states are of.
        states: The params.
        timeout_s: A call may take so long.
    """

    def __init__(
        self,
        report: Report,
        tree: ast.Module,
        maker: StateMaker,
        states: list[dict[str, Any]],
        timeout_s: float,
    ) -> None:
        self._report, self._tree = report, tree
        self._tracks, self._states = maker.tracks, states
        self._timeout_s = timeout_s
        self._errors: dict[tuple[str, str], Finding] = {}
        # A time trial has no objects, so what fails only among them keeps nobody from training.
        self._objects_only: set[tuple[str, str]] = set()

    def run(self) -> None:
        """Makes all calls; finds failures, and what looks odd about the rewards."""
        report = self._report
        process = RewardProcess(report.file, self._tracks, timeout_s=self._timeout_s)
        try:
            try:
                process.wait()
            except UserError as error:
                report.add([_import_failure(error)], [])
                return
            values = self._first_pass(process)
            again = None if self._errors else self._values(process, self._states[:AGAIN])
        finally:
            process.close()
        failures = [self._errors[key] for key in self._errors if key not in self._objects_only]
        advice = "A time trial has no objects, but a race among them would end here."
        report.add(
            failures,
            [
                replace(self._errors[key], fix=advice)
                for key in self._errors
                if key in self._objects_only
            ],
        )
        if failures:
            return
        report.add([], _odd_rewards(values, self._states))
        report.add([], self._odd_times())
        report.add([], self._watched(values, again))

    def _first_pass(self, process: RewardProcess) -> list[float | None]:
        report = self._report
        values: list[float | None] = []
        for state in self._states:
            outcome = process.call(state)
            values.append(outcome.value)
            report.states += 1
            if outcome.error is None and outcome.value is not None:
                report.rewards.append(outcome.value)
                report.seconds.append(outcome.seconds)
                continue
            assert outcome.error is not None
            self._failed(outcome.error, outcome.type, state)
            if outcome.error.kind in FATAL:
                break  # each of these would be waited for
        return values

    def _failed(self, error: RewardError, returned: str, state: dict[str, Any]) -> None:
        key = (error.kind, error.traceback or error.message)
        among_objects = bool(state["objects_location"]) and error.kind not in FATAL
        if not among_objects:
            self._objects_only.discard(key)
        elif key not in self._errors:
            self._objects_only.add(key)
        known = self._errors.get(key)
        if known:
            self._errors[key] = replace(known, states=known.states + 1)
            return
        found = self._explain(error, returned)
        self._errors[key] = replace(found, states=1, example=describe(state))

    def _explain(self, error: RewardError, returned: str) -> Finding:
        line = _line_of(error, self._report.file)
        message = re.sub(r" \(line \d+\)$", "", error.message)
        column, fix = self._first_column(line), ""
        if error.kind == "KeyError" and line is not None:
            key = re.sub(r"^KeyError: ", "", message).strip("'\"")
            message = f"params has no key {key!r}"
            fix = did_you_mean(key, self._states[0])
            at = self._text(line).find(key)
            column = at if at > 0 else column  # from 1, and the quotation mark counts
        elif error.kind == "not a number":
            line, column = self._definition()
            message = f"reward_function returned {_a(returned)}, not a number"
            if returned == "NoneType":
                message = "reward_function ended without a return"
                fix = "Let every way through it end with return and a number."
        elif error.kind in ("not finite", "too large", *FATAL):
            line, column = self._definition()
            fix = _ADVICE.get(error.kind, "")
        return Finding(TEST_FAILURE, message, line, column, fix)

    def _first_column(self, line: int | None) -> int | None:
        if line is None:
            return None
        text = self._text(line)
        return len(text) - len(text.lstrip()) + 1

    def _text(self, line: int) -> str:
        lines = self._report.source.splitlines()
        return lines[line - 1] if line <= len(lines) else ""

    def _definition(self) -> tuple[int | None, int | None]:
        for node in self._tree.body:
            if isinstance(node, ast.FunctionDef) and node.name == "reward_function":
                return node.lineno, node.col_offset + 1
        return None, None

    def _values(self, process: RewardProcess, states: list[dict[str, Any]]) -> list[float | None]:
        return [process.call(state).value for state in states]

    def _watched(
        self, values: list[float | None], again: list[float | None] | None
    ) -> list[Finding]:
        """A second process: the same rewards? And which lines ran?"""
        with tempfile.TemporaryDirectory(prefix="hairpin-validate-") as folder:
            path = Path(folder) / "reward_function.py"
            path.write_text(watched(self._report.source), encoding="utf-8")
            process = RewardProcess(str(path), self._tracks, timeout_s=_WATCHED_LIMIT_S)
            try:
                process.wait()
                fresh = self._values(process, self._states)
                if None in fresh and None not in values:
                    return []  # it cannot be watched; what matters was called before
                found = [
                    branch.finding(len(self._states))
                    for function in functions_of(self._tree)
                    if _was_run(process, function)
                    for branch in _unreached(process, function)
                ]
            except UserError:
                return []  # likewise
            finally:
                process.close()
        if fresh != values:
            index = next(
                k for k, pair in enumerate(zip(fresh, values, strict=True)) if _differ(pair)
            )
            message = (
                f"the same calls gave other rewards in a new process "
                f"({values[index]:g} and {fresh[index]:g})"
            )
            fix = "If it uses random or the time, two trainings of one seed will differ."
            found.append(Finding("NOT_REPEATABLE", message, *self._definition(), fix))
        elif again is not None and again != values[: len(again)]:
            message = "a second call with the same params gave another reward: it remembers calls"
            fix = "The cars of a rollout worker take turns in one module; keep nothing a car's own."
            found.append(Finding("REMEMBERS_CALLS", message, *self._definition(), fix))
        return found

    def _odd_times(self) -> list[Finding]:
        report, found = self._report, []
        if report.median_s > SLOW_S:
            share = report.median_s / (report.median_s + STEP_S)
            message = (
                f"a call takes {report.median_s * 1e6:.0f} us, "
                f"which would be about {share:.0%} of the rollout"
            )
            fix = "Compute once, outside of reward_function, what is the same at every call."
            found.append(Finding("SLOW", message, *self._definition(), fix))
        if report.seconds[0] > FIRST_CALL_SHARE * self._timeout_s:
            message = (
                f"the first call took {report.seconds[0]:.2g} s of {self._timeout_s:g} s allowed"
            )
            fix = "Compute it when the file is imported."
            found.append(Finding("SLOW_FIRST_CALL", message, *self._definition(), fix))
        return found


_ADVICE = {
    "not finite": "Guard divisions, logarithms and powers.",
    "too large": "Rewards of 0 to 10 or so are learned best.",
    "too slow": "Look for a loop that does not end.",
    "process ended": "Leave out what ends the process, or needs that much memory.",
}


def _was_run(process: RewardProcess, branch: Branch) -> bool:
    return process.call({QUESTION: branch.lines}).value == 1.0


def _unreached(process: RewardProcess, reached: Branch) -> list[Branch]:
    """The outermost branches in one that was reached that were not."""
    found = []
    for branch in reached.inner:
        if not branch.readable:
            continue
        if _was_run(process, branch):
            found += _unreached(process, branch)
        else:
            found.append(branch)
    return found


def _odd_rewards(values: list[float | None], states: list[dict[str, Any]]) -> list[Finding]:
    pairs = [(v, s) for v, s in zip(values, states, strict=True) if v is not None]
    rewards = [value for value, _ in pairs]
    if max(rewards) - min(rewards) < 1e-12:
        message = f"the reward is {rewards[0]:g} in every state: there is nothing to learn from it"
        return [Finding("CONSTANT_REWARD", message)]
    found = []
    if max(rewards) < 0.0:
        message = f"every reward is negative ({min(rewards):g} to {max(rewards):g})"
        fix = "A car that leaves the track at once then loses least; add a constant."
        found.append(Finding("ONLY_NEGATIVE", message, fix=fix))
    off = [value for value, state in pairs if state["is_offtrack"]]
    on = [value for value, state in pairs if state["all_wheels_on_track"]]
    if _mean(off) > _mean(on):
        message = (
            f"off the track pays more ({_mean(off):.3g}) than on it ({_mean(on):.3g}), on average"
        )
        found.append(Finding("OFF_TRACK_PAYS", message, fix="Look at the signs of its terms."))
    return found


def _mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def _differ(pair: tuple[float | None, float | None]) -> bool:
    return pair[0] != pair[1]


def _import_failure(error: UserError) -> Finding:
    number = re.search(r"line (\d+)$", error.where)
    line = int(number.group(1)) if number else None
    return Finding(IMPORT_ERROR, error.what, line, 1 if line else None, error.fix)


def _line_of(error: RewardError, file: str) -> int | None:
    """The last line of the user's file in a traceback."""
    lines = re.findall(rf'File "{re.escape(file)}", line (\d+)', error.traceback)
    return int(lines[-1]) if lines else None


def _a(kind: str) -> str:
    names = {"str": "a text", "dict": "a dict", "NoneType": "None"}
    return names.get(kind, f"a value of type {json.dumps(kind)}" if kind else "something else")
