"""The user's reward function, loaded and called: what runs inside the reward process.

Nothing here may import NumPy: a reward process is to start in tens of milliseconds.
"""

from __future__ import annotations

import ast
import inspect
import json
import linecache
import math
import traceback
import types
from collections.abc import Callable
from typing import Any

from sim.errors import UserError
from sim.reward import MAX_REWARD, RewardError

RewardFunction = Callable[[dict[str, Any]], Any]  # what it returns is checked at each call

MAX_DISTINCT = 50  # failures told apart; a message that differs every time must not fill memory
_PARAMS_CHARS = 20_000


def load_reward(path: str, source: str) -> RewardFunction:
    """Runs a file and returns its `reward_function`; its module lives as long as the function.

    Args:
        path: The file's name, for messages.
        source: Its text.

    Raises:
        UserError: It has a syntax error, fails when it is imported, or has no `reward_function` of
            one argument.
    """
    try:
        tree = ast.parse(source, filename=path)
        code = compile(tree, path, "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _syntax_error(path, error) from error
    # Tracebacks show the lines of a file that this process may not read.
    linecache.cache[path] = (len(source), None, source.splitlines(keepends=True), path)
    module = types.ModuleType("reward_function")
    module.__file__ = path
    try:
        exec(code, module.__dict__)
    except BaseException as error:  # sys.exit() too
        raise UserError(
            f"{type(error).__name__}: {error}",
            where=f"{path}, line {_line_in(error, path)}",
            fix="The file fails when it is imported; mend that line.",
        ) from error
    function = module.__dict__.get("reward_function")
    if not callable(function):
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        found = f"It defines {', '.join(names)}" if names else "It defines no function"
        raise UserError(
            "there is no reward_function",
            where=path,
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


class RewardRunner:
    """Calls a reward function; a call that fails gives 0 and the number of its kind of failure.

    Each car has the function from a module of its own. Reward functions keep the last step's
    numbers in global variables, as DeepRacer allowed, where a process drove one car.

    Args:
        load: Loads the function once more; called at once, and before another car's first call.
        cars: How many cars there are.

    Attributes:
        records: The kinds of failures met so far; the code of a failure is its place here, from 1.
        result: What the last call returned.
    """

    def __init__(self, load: Callable[[], RewardFunction], cars: int = 1) -> None:
        self._load = load
        self._functions: list[RewardFunction | None] = [load(), *[None] * (cars - 1)]
        self._codes: dict[tuple[str, str], int] = {}
        self.records: list[RewardError] = []
        self.result: Any = None

    def is_ready(self, car: int) -> bool:
        """Whether the car has its module; `prepare` it otherwise."""
        return self._functions[car] is not None

    def prepare(self, car: int) -> None:
        """Loads the car's module; one that cannot be loaded twice is shared with the first car."""
        try:
            self._functions[car] = self._load()
        except UserError:
            self._functions[car] = self._functions[0]

    def __call__(self, params: dict[str, Any], car: int = 0) -> tuple[float, int]:
        """The reward of one call, and 0; or 0.0 and the code of its failure."""
        function = self._functions[car]
        assert function is not None
        self.result = None
        try:
            self.result = result = function(params)
            reward = math.nan if isinstance(result, str) else float(result)
        except BaseException as error:  # sys.exit() in a reward is a failure like any other
            return 0.0, self._raised(error, params)
        if -MAX_REWARD <= reward <= MAX_REWARD:  # false for NaN
            return reward, 0
        return 0.0, self._refuse(result, reward, params)

    def _refuse(self, result: Any, reward: float, params: dict[str, Any]) -> int:
        if isinstance(result, str):
            kind, message = "not a number", f"reward_function returned the text {result!r:.60}"
        elif math.isfinite(reward):
            kind, message = "too large", f"the reward {reward:g} is beyond {MAX_REWARD:g}"
        else:
            kind, message = "not finite", f"reward_function returned {reward}"
        return self._record(kind, kind, message, "", params)

    def _raised(self, error: BaseException, params: dict[str, Any]) -> int:
        frames = traceback.extract_tb(error.__traceback__)[1:]
        if not frames:  # float() of what was returned failed; the function itself was fine
            message = f"reward_function returned no number: {error}"
            return self._record("not a number", "float", message, "", params)
        kind = type(error).__name__
        shown = frames if len(frames) <= 20 else [*frames[:10], *frames[-10:]]  # of a recursion
        text = "".join(traceback.format_list(shown)) + f"{kind}: {error}"
        line = frames[-1].lineno
        return self._record(kind, f"line {line}", f"{kind}: {error} (line {line})", text, params)

    def _record(
        self, kind: str, place: str, message: str, trace: str, params: dict[str, Any]
    ) -> int:
        code = self._codes.get((kind, place))
        if code is None:
            if len(self.records) >= MAX_DISTINCT:
                return MAX_DISTINCT
            text = json.dumps(params, default=repr)[:_PARAMS_CHARS]
            self.records.append(RewardError(kind, message[:1000], trace[:8000], text))
            code = self._codes[kind, place] = len(self.records)
        return code


def _syntax_error(path: str, error: BaseException) -> UserError:
    if not isinstance(error, SyntaxError):
        what = str(error) or f"it cannot be parsed ({type(error).__name__})"
        return UserError(what, where=path, fix="The file is not Python source.")
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
