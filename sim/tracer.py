"""Notes the trace of a running world, step by step."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sim.car import CAR
from sim.trace import Trace

if TYPE_CHECKING:
    from sim.world import World

AHEAD = 6  # waypoints among which the nearest to a car's nose is looked for, from its origin on


class Tracer:
    """The trace of all cars of a world; episodes under way count from here.

    Args:
        world: Where they drive.

    Attributes:
        trace: Their rows.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        along, against = world.tracks
        self._waypoints = along.waypoints, against.waypoints
        self.trace = Trace(world.num_cars)
        for car in range(world.num_cars):
            self.begin(car)

    def begin(self, car: int) -> None:
        """Begins an episode of a car, from where it stands now."""
        world = self._world
        track = world.track_of(car)
        x, y, z, w = world.physics.quaternion[car].tolist()
        ahead_x, ahead_y = 1 - 2 * (y * y + z * z), 2 * (x * y + w * z)
        origin_x, origin_y = world.physics.origin[car, :2].tolist()
        nose = origin_x + CAR.nose_m * ahead_x, origin_y + CAR.nose_m * ahead_y
        # The nose may be a few waypoints ahead of the origin; another branch is never looked at.
        near, rows = int(world.referee.memory[car]["near"]), track.waypoints
        around = [(near + step) % (len(rows) - 1) for step in range(AHEAD)]
        self.trace.begin(
            car,
            x=nose[0],
            y=nose[1],
            yaw=math.degrees(math.atan2(ahead_y, ahead_x)),
            closest_waypoint=min(around, key=lambda k: math.dist(rows[k], nose)),
            track_len=track.length_m,
            tstamp=world.time_s,
            wall_clock=time.time(),
        )

    def note(self, actions: NDArray[Any], active: NDArray[np.bool_] | None) -> None:
        """Notes the control step that the world has just made.

        Args:
            actions: (n,) indices, or (n, 2) numbers of a continuous action space.
            active: (n,) which cars drove; None: all.
        """
        world = self._world
        self.trace.note(
            world.referee.readings,
            world.commands,
            actions,
            world.rewards,
            active=active,
            waypoints=self._waypoints,
            reverse=world.referee.memory["reverse"],
            track_len=world.track.length_m,
            tstamp=world.time_s,
            wall_clock=time.time(),
        )
