"""Which walls this system can build around a reward function."""

from __future__ import annotations

from sim.reward_process import RewardProcess
from sim.track import Track


def walls_here() -> list[str]:
    """The walls that stand around a reward function on this machine, of `sim.sandbox.WALLS`.

    Raises:
        UserError: No reward process can be started.
    """
    process = RewardProcess("centre_line", (Track.load("oval"),) * 2)
    try:
        process.wait()
        return process.walls
    finally:
        process.close()
