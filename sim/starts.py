"""Where training episodes begin: round the lap in turn, one way, the other or both."""

from __future__ import annotations

from typing import Any

from sim.settings import WorldSettings


class Starts:
    """The round robin of a world's starts; nothing in it is random.

    Args:
        settings: Where it begins, how far it moves on, and the driving direction.
        seed: Moves its beginning on by so many places.
    """

    def __init__(self, settings: WorldSettings, seed: int) -> None:
        self._settings = settings
        self._start = (settings.start_offset + seed * settings.round_robin) % 1.0
        self._reverse = settings.direction == "reversed"

    def take(self) -> tuple[float, bool]:
        """The next start, as a fraction of the lap, and whether it is driven in reverse."""
        taken = self._start, self._reverse
        self._start = (self._start + self._settings.round_robin) % 1.0
        if self._settings.direction == "alternating":
            self._reverse = not self._reverse
        return taken

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on, JSON-able."""
        return {"next_start": self._start, "next_reverse": self._reverse}

    def set_state(self, state: dict[str, Any]) -> None:
        """The way back from `state`."""
        self._start = float(state["next_start"])
        self._reverse = bool(state["next_reverse"])
