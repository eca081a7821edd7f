"""The rules of a time trial: progress, off-track, and what ends an episode.

One compiled kernel looks at every car after a control step. Its meanings are those of the public
DeepRacer simulator: a car is off track with all four wheels out, immobilised after 15 steps without
moving, reversed after 15 steps of falling progress.
"""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim.car import Car
from sim.geometry import Geometry, across, is_left, on_road, project
from sim.track import Array

STILL_M = 0.0003  # a step that moves the car less counts as standing still
PATIENCE_STEPS = 15  # so many such steps, or steps backwards, end the episode


class Status(IntEnum):
    """How an episode stands after a step."""

    IN_PROGRESS = 0
    OFF_TRACK = 1
    LAP_COMPLETE = 2
    IMMOBILIZED = 3
    REVERSED = 4
    TIME_UP = 5

    @property
    def label(self) -> str:
        """The name in traces and records, such as ``off_track``."""
        return self.name.lower()


# By status: whether the car failed. After a full lap or at the time limit it could drive on.
TERMINAL = np.isin(np.arange(len(Status)), (Status.OFF_TRACK, Status.IMMOBILIZED, Status.REVERSED))

READINGS = np.dtype(
    [
        ("x", "f8"),  # of the nose, metres
        ("y", "f8"),
        ("heading", "f8"),  # degrees
        ("distance_from_center", "f8"),
        ("projection_distance", "f8"),  # arc length of the nose from waypoint 0, metres
        ("progress", "f8"),  # percent of the lap since the start
        ("track_width", "f8"),
        ("measured_speed", "f8"),
        ("lap_steps", "f8"),  # steps to the finish line, with its fraction, if it was crossed
        ("all_wheels_on_track", "?"),
        ("is_left_of_center", "?"),
        ("is_offtrack", "?"),
        ("waypoint_behind", "i8"),
        ("waypoint_ahead", "i8"),
        ("status", "i8"),
    ]
)

MEMORY = np.dtype(
    [
        ("near", "i8"),  # segment of the centre line the nose was last projected on
        ("s", "f8"),  # arc length of the nose, metres
        ("gone", "f8"),  # metres driven along the centre line since the start
        ("x", "f8"),
        ("y", "f8"),
        ("still", "i8"),
        ("backwards", "i8"),
        ("steps", "i8"),
        ("reverse", "i8"),  # which of the geometries the car drives: 1 is against the rows
    ]
)


class Referee:
    """Judges all cars of a world after each control step.

    Args:
        forward: Geometry as driven along the rows of the route.
        reverse: Geometry as driven against them.
        car: The car's numbers.
        num_cars: How many cars.
        max_steps: An episode is over after so many steps.

    Attributes:
        memory: (n,) structured array `MEMORY`: what a car's judgement needs from the step before.
        readings: (n,) structured array `READINGS`: what was found at the last step.
    """

    def __init__(
        self, forward: Geometry, reverse: Geometry, car: Car, num_cars: int, max_steps: int
    ) -> None:
        self._forward, self._reverse = forward, reverse
        self._wheels = np.array([(*wheel, car.wheel_radius_m) for wheel in car.wheels_m])
        self._nose_m = car.nose_m
        self._max_steps = max_steps
        self.memory: NDArray[np.void] = np.zeros(num_cars, MEMORY)
        self.readings: NDArray[np.void] = np.zeros(num_cars, READINGS)

    def start(self, car: int, s_m: float, reverse: bool, x_m: float, y_m: float) -> None:
        """Begins an episode of a car that stands on the centre line.

        Args:
            car: Index of the car.
            s_m: Arc length of its origin, as driven.
            reverse: Whether it drives against the rows.
            x_m: Its origin, world frame.
            y_m: The same.
        """
        geometry = self._reverse if reverse else self._forward
        near = _segment(geometry, s_m)
        self.memory[car] = (near, s_m, 0.0, x_m, y_m, 0, 0, 0, int(reverse))

    def resume(self, car: int, s_m: float, gone_m: float, x_m: float, y_m: float) -> None:
        """Goes on with the episode of a car that was put elsewhere; its steps are kept.

        Args:
            car: Index of the car.
            s_m: Arc length of its origin, as driven.
            gone_m: What it keeps of its progress, metres.
            x_m: Its origin, world frame.
            y_m: The same.
        """
        memory = self.memory[car]
        near = _segment(self._reverse if memory["reverse"] else self._forward, s_m)
        steps, reverse = int(memory["steps"]), int(memory["reverse"])
        self.memory[car] = (near, s_m, gone_m, x_m, y_m, 0, 0, steps, reverse)

    def next_lap(self, car: int) -> None:
        """Counts the progress and the steps of a car that crossed the finish line from there."""
        memory = self.memory[car]
        geometry = self._reverse if memory["reverse"] else self._forward
        memory["gone"] -= geometry.s_m[-1]
        memory["steps"] = 0

    def judge(self, origin: Array, quaternion: Array, velocity: Array) -> NDArray[np.void]:
        """Looks at all cars after a step.

        Args:
            origin: (n, 3) car origins, world frame, metres.
            quaternion: (n, 4) orientations, xyzw.
            velocity: (n, 3) m/s.

        Returns:
            `readings`, overwritten by the next call.
        """
        _judge(
            self._forward,
            self._reverse,
            origin,
            quaternion,
            velocity,
            self._wheels,
            self._nose_m,
            self._max_steps,
            self.memory,
            self.readings,
        )
        return self.readings


def _segment(geometry: Geometry, s_m: float) -> int:
    """The segment of the centre line that an arc length lies on."""
    near = int(np.searchsorted(geometry.s_m, s_m, side="right")) - 1
    return min(max(near, 0), len(geometry.s_m) - 2)


@njit(cache=True)
def _judge(
    forward: Geometry,
    reverse: Geometry,
    origin: Array,
    quaternion: Array,
    velocity: Array,
    wheels: Array,
    nose_m: float,
    max_steps: int,
    memory: NDArray[np.void],
    readings: NDArray[np.void],
) -> None:  # pragma: no cover - compiled
    for i in range(origin.shape[0]):
        was, now = memory[i], readings[i]
        geometry = reverse if was.reverse == 1 else forward
        x, y, z, w = quaternion[i]
        r00, r01, r02 = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
        r10, r11, r12 = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
        nose_x, nose_y = origin[i, 0] + r00 * nose_m, origin[i, 1] + r10 * nose_m
        near, s, lateral = project(geometry, nose_x, nose_y, was.near)
        last = geometry.s_m.shape[0] - 1
        length = geometry.s_m[last]

        # Progress: metres along the centre line, unwrapped, so it never jumps at the lap's seam.
        moved = s - was.s
        if geometry.closed:
            if moved > length / 2:
                moved -= length
            elif moved < -length / 2:
                moved += length
        gone = was.gone + moved
        steps = was.steps + 1
        finish = length - was.gone
        now.lap_steps = was.steps + (min(max(finish / moved, 0.0), 1.0) if moved > 0.0 else 1.0)

        inside = 0
        for j in range(4):
            wx = origin[i, 0] + r00 * wheels[j, 0] + r01 * wheels[j, 1] + r02 * wheels[j, 2]
            wy = origin[i, 1] + r10 * wheels[j, 0] + r11 * wheels[j, 1] + r12 * wheels[j, 2]
            if on_road(geometry, wx, wy, near):
                inside += 1

        still = math.hypot(origin[i, 0] - was.x, origin[i, 1] - was.y) <= STILL_M
        was.still = was.still + 1 if still else 0
        was.backwards = was.backwards + 1 if moved < 0.0 else 0
        was.near, was.s, was.gone, was.steps = near, s, gone, steps
        was.x, was.y = origin[i, 0], origin[i, 1]

        behind = near
        while behind < last and geometry.s_m[behind + 1] <= s:
            behind += 1
        now.x, now.y = nose_x, nose_y
        # Of the turns about the world's z, y and x in this order, the first: of a tilted car it is
        # not quite where its nose points.
        now.heading = math.degrees(math.atan2(-r01, r00))
        now.distance_from_center = abs(lateral)
        now.projection_distance = s
        now.progress = min(100.0 * gone / length, 100.0)
        now.track_width = across(geometry, s, near)
        now.measured_speed = math.hypot(velocity[i, 0], velocity[i, 1])
        now.all_wheels_on_track = inside == 4
        now.is_left_of_center = is_left(geometry, nose_x, nose_y, near, abs(lateral))
        now.is_offtrack = inside == 0
        now.waypoint_behind = behind
        now.waypoint_ahead = behind + 1 if behind < last else 0
        if inside == 0:
            now.status = 1
        elif gone >= length - 1e-9:
            now.status = 2
        elif was.still >= PATIENCE_STEPS:
            now.status = 3
        elif was.backwards >= PATIENCE_STEPS:
            now.status = 4
        elif steps >= max_steps:
            now.status = 5
        else:
            now.status = 0
