"""A reward function of class shape, which deepracer-utils scores logs anew with."""

from __future__ import annotations

from typing import Any


class Reward:
    """Pays every step alike."""

    def __init__(self, verbose: bool = False) -> None:
        self.verbose = verbose

    def reward_function(self, params: dict[str, Any]) -> float:
        """Two for being there."""
        return 2.0
