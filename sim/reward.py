"""Reward functions as files: which there are, where they lie, and how one can fail."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sim.errors import UserError, did_you_mean

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


def read_reward(spec: str) -> tuple[Path, str]:
    """Finds and reads the file of a reward function.

    Args:
        spec: The path of a file, or the name of one of ours.

    Returns:
        Its path and its source.

    Raises:
        UserError: There is none, or it cannot be read.
    """
    path = reward_path(spec)
    try:
        return path, path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise UserError(
            f"cannot read the reward function: {reason}",
            where=str(path),
            fix="Give the path of a Python file with reward_function(params).",
        ) from error


@dataclass
class RewardError:
    """One kind of failure of a reward function.

    Attributes:
        kind: The exception's name, or "not a number", "not finite", "too large", "too slow",
            "process ended".
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


@dataclass
class RewardUse:
    """What calling a reward function took, over some time.

    Attributes:
        calls: How many calls there were.
        seconds: Wall-clock seconds inside them.
        longest_s: The longest one.
    """

    calls: int = 0
    seconds: float = 0.0
    longest_s: float = 0.0

    def add(self, other: RewardUse) -> None:
        """Takes up what another one counted."""
        self.calls += other.calls
        self.seconds += other.seconds
        self.longest_s = max(self.longest_s, other.longest_s)
