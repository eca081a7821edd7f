"""The user's reward function: found, checked before anything starts, called, and counted on."""

from __future__ import annotations

import ast
import inspect
import json
import math
import traceback
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sim.errors import UserError, did_you_mean
from sim.params import Params

RewardFunction = Callable[[Params], Any]  # what it returns is checked at each call

MAX_REWARD = 1e5  # the contract's bound on the size of one reward
_OURS = Path(__file__).parent / "rewards"


def reward_names() -> list[str]:
    """The names of the reward functions that ship with Hairpin."""
    return sorted(path.stem for path in _OURS.glob("*.py") if path.stem != "__init__")


def reward_path(spec: str) -> Path:
    """Finds the file of a reward function.

    Args:
        spec: The path of a file, or the name of one of ours.

    Raises:
        UserError: There is neither.
    """
    if spec in reward_names():
        return _OURS / f"{spec}.py"
    path = Path(spec)
    if path.suffix == ".py" or path.exists() or len(path.parts) > 1:
        return path
    raise UserError(
        f"no reward function {spec!r}",
        where="reward",
        fix=f"{did_you_mean(spec, reward_names())} Or give the path of a .py file.",
    )


def load_reward(spec: str) -> RewardFunction:
    """Imports `reward_function(params)` from a file; its module lives as long as the function.

    Args:
        spec: The path of a file, or the name of one of ours.

    Raises:
        UserError: The file cannot be read, has a syntax error, fails when it is imported, or has no
            `reward_function` of one argument.
    """
    path = reward_path(spec)
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(
            f"cannot read the reward function: {reason}",
            where=str(path),
            fix="Give the path of a Python file with reward_function(params).",
        ) from error
    try:
        tree = ast.parse(source, filename=str(path))
        code = compile(tree, str(path), "exec")
    except (SyntaxError, ValueError) as error:
        raise _syntax_error(path, error) from error
    module = types.ModuleType("reward_function")
    module.__file__ = str(path)
    try:
        exec(code, module.__dict__)
    except Exception as error:
        line = _line_in(error, str(path))
        raise UserError(
            f"{type(error).__name__}: {error}",
            where=f"{path}, line {line}",
            fix="The file fails when it is imported; mend that line.",
        ) from error
    function = module.__dict__.get("reward_function")
    if not callable(function):
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        found = f"It defines {', '.join(names)}" if names else "It defines no function"
        raise UserError(
            "there is no reward_function",
            where=str(path),
            fix=f"{found}; define reward_function(params).",
        )
    try:
        inspect.signature(function).bind({})
    except TypeError as error:
        raise UserError(
            f"reward_function must take exactly one argument: {error}",
            where=f"{path}, line {_definition_line(tree)}",
            fix="Write def reward_function(params):",
        ) from error
    except ValueError:
        pass  # a callable without a signature, such as a C function; the first call will tell
    loaded: RewardFunction = function
    return loaded


@dataclass
class RewardError:
    """One kind of failure of a reward function.

    Attributes:
        kind: The exception's name, or "not a number", "not finite", "too large".
        message: What happened, in a line.
        traceback: The user's part of the traceback; empty if nothing was raised.
        params_json: The params of the first such call.
        count: How often it happened.
    """

    kind: str
    message: str
    traceback: str
    params_json: str
    count: int = 0


class RewardRunner:
    """Calls a reward function; a call that fails is recorded and counts as 0.

    Args:
        function: As `load_reward` returns it.

    Attributes:
        failures: How many calls gave no usable number.
    """

    def __init__(self, function: RewardFunction) -> None:
        self._function = function
        self._errors: dict[tuple[str, str], RewardError] = {}
        self.failures = 0

    def __call__(self, params: Sequence[Params]) -> tuple[list[float], list[int]]:
        """Rewards for a batch of params, and the indices of the calls that failed."""
        rewards: list[float] = []
        failed: list[int] = []
        function = self._function
        for index, one in enumerate(params):
            try:
                result = function(one)
                reward = math.nan if type(result) is str else float(result)
                if not -MAX_REWARD <= reward <= MAX_REWARD:  # also false for NaN
                    self._refuse(result, reward, one)
                    failed.append(index)
                    reward = 0.0
            except Exception as error:
                self._raised(error, one)
                failed.append(index)
                reward = 0.0
            rewards.append(reward)
        self.failures += len(failed)
        return rewards, failed

    def take_errors(self) -> list[RewardError]:
        """The failures since the last call of this method, one record for each distinct one."""
        taken = list(self._errors.values())
        self._errors = {}
        return taken

    def _refuse(self, result: Any, reward: float, params: Params) -> None:
        if isinstance(result, str):
            kind, message = "not a number", f"reward_function returned the text {result!r:.60}"
        elif abs(reward) > MAX_REWARD and math.isfinite(reward):
            kind, message = "too large", f"the reward is beyond {MAX_REWARD:g}"
        else:
            kind, message = "not finite", f"reward_function returned {reward}"
        self._record(kind, message, "", params)

    def _raised(self, error: Exception, params: Params) -> None:
        frames = traceback.extract_tb(error.__traceback__)[1:]
        if not frames:  # float() of what was returned failed; the function itself was fine
            message = f"reward_function returned no number: {error}"
            self._record("not a number", message, "", params)
            return
        text = "".join(traceback.format_list(frames)) + f"{type(error).__name__}: {error}"
        place = f"line {frames[-1].lineno}"
        message = f"{type(error).__name__}: {error} ({place})"
        self._record(type(error).__name__, message, text, params)

    def _record(self, kind: str, message: str, trace: str, params: Params) -> None:
        record = self._errors.get((kind, trace or message))
        if record is None:
            text = json.dumps(params, default=str)
            record = self._errors[kind, trace or message] = RewardError(kind, message, trace, text)
        record.count += 1


def _syntax_error(path: Path, error: SyntaxError | ValueError) -> UserError:
    if not isinstance(error, SyntaxError):
        return UserError(str(error), where=str(path), fix="The file is not Python source.")
    where = f"{path}, line {error.lineno}"
    text = (error.text or "").rstrip("\n")
    if not text.strip():
        return UserError(f"syntax error: {error.msg}", where=where)
    column = max((error.offset or 1) - 1, 0)
    indent = len(text) - len(text.lstrip())
    caret = " " * max(column - indent, 0) + "^"
    return UserError(f"syntax error: {error.msg}\n    {text.strip()}\n    {caret}", where=where)


def _line_in(error: BaseException, filename: str) -> int:
    lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == filename]
    return (lines[-1] if lines else 1) or 1


def _definition_line(tree: ast.Module) -> int:
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == "reward_function":
            return node.lineno
    return 1
