"""The files that a world's settings name, by content, for a world that is built elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

from sim.polylines import Floats
from sim.reward import read_reward
from sim.settings import WorldSettings
from sim.tracks import route


@dataclass(frozen=True, eq=False)
class WorldFiles:
    """What `WorldSettings` only says the place of: a worker may share no disk with the driver.

    Attributes:
        track_name: What to call the track.
        route: (N, 6) float64, the track's rows as `sim.route.load_route` returns them, metres.
        reward: The text of the reward function's file.
    """

    track_name: str
    route: Floats
    reward: str

    @classmethod
    def read(cls, settings: WorldSettings) -> WorldFiles:
        """Reads the files here, in a process that has them.

        Raises:
            UserError: The track or the reward function's file cannot be found or read.
        """
        name, rows = route(settings.track)
        _, source = read_reward(settings.reward)
        return cls(name, rows, source)
