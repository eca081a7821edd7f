"""A race against the clock: laps with penalties and resets.

The rules are those of DeepRacer's evaluation. A car that left the track, turned round or got stuck
stands for the penalty, which counts as simulated time, and drives on from rest: in the middle of
the nearer lane, at the progress of its last good step, heading along the track.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sim.car import CAR
from sim.race_result import PAUSE, PREPARE, Lap, Race, RaceStep
from sim.race_settings import RaceSettings
from sim.rules import TERMINAL, Status
from sim.trial import Act
from sim.world import World

Array = NDArray[np.float64]


def run_race(world: World, act: Act, settings: RaceSettings) -> Race:
    """Drives a race from the start line.

    Nothing in it is random: separate trials in one direction are driven alike.

    Args:
        world: A world of one car; its episode under way is given up. With the direction
            alternating, separate trials take turns; a rolling run is driven forward. Its
            `episode_s` also ends a lap.
        act: The policy: (1, H, W) uint8 observations to (1,) or (1, 2) actions.
        settings: The rules.

    Raises:
        ValueError: The world has more than one car.
    """
    if world.num_cars != 1:
        raise ValueError(f"a race is driven by one car, this world has {world.num_cars}")
    settings = settings.model_copy(
        update={"continuous": settings.continuous and world.track.closed}
    )
    drive = _Drive(world, act, settings)
    if settings.continuous:
        drive.run(settings.laps, reverse=world.settings.direction == "reversed")
    else:
        for trial in range(settings.laps):
            turned = {"forward": False, "reversed": True, "alternating": trial % 2 == 1}
            drive.run(1, reverse=turned[world.settings.direction])
    return Race(settings, drive.laps, drive.steps, world.settings.control_hz)


class _Good(NamedTuple):
    """Where the car last was while all was well."""

    s_m: float
    gone_m: float
    nose: Array


class _Drive:
    """Drives runs, one after another on one clock, and keeps their records."""

    def __init__(self, world: World, act: Act, settings: RaceSettings) -> None:
        self.laps: list[Lap] = []
        self.steps: list[RaceStep] = []
        self._world, self._act, self._settings = world, act, settings
        self._step_s = 1.0 / world.settings.control_hz
        self._clock_s = 0.0
        self._begin_lap()

    def run(self, laps: int, *, reverse: bool) -> None:
        """Drives from standstill at the start line until so many laps are done, or it is over."""
        world = self._world
        world.place(0, 0.0, reverse=reverse)
        self._began_s, self._used = self._clock_s, 0
        self._begin_lap()
        self._stand(PREPARE, 0.0)
        self._good = self._now()
        while True:
            status = self._drive()
            if status is Status.LAP_COMPLETE:
                self._end_lap(status, self._crossed_s())
                laps -= 1
                if laps == 0:
                    return
                self._begin_lap(self._crossed_s())
                world.next_lap(0)
                self._good = self._now()
            elif TERMINAL[status]:
                self._counts[status] += 1
                if self._used == self._settings.max_resets:
                    return self._end_lap(status, self._clock_s)
                self._reset()
            if self._clock_s - self._began_s >= self._settings.time_limit_s - 1e-9:
                status = Status.TIME_UP
            if status is Status.TIME_UP:
                return self._end_lap(status, self._clock_s)

    def _drive(self) -> Status:
        """One control step."""
        world = self._world
        actions = self._act(world.obs)
        step = world.advance(actions)
        self._clock_s += self._step_s
        status = Status(int(world.referee.readings[0]["status"]))
        self._return += float(step.rewards[0])
        self._note(status.label, 0.0, np.asarray(actions)[0])
        if status is Status.IN_PROGRESS:
            self._good = self._now()
        return status

    def _reset(self) -> None:
        """Lets the car stand for the penalty and puts it back on the road."""
        world, good = self._world, self._good
        penalty_s = self._settings.off_track_penalty_s
        began_s = self._clock_s
        for k in range(1, int(penalty_s / self._step_s) + 1):
            self._clock_s = began_s + k * self._step_s
            self._stand(PAUSE, penalty_s - k * self._step_s)
        self._clock_s = began_s + penalty_s
        self._used += 1
        self._resets += 1
        self._penalty_s += penalty_s
        world.resume(0, good.s_m, self._lane(good), good.gone_m, penalty_s)
        self._stand(PREPARE, 0.0)

    def _lane(self, good: _Good) -> float:
        """How far left of the centre line the middle of the nearer lane is."""
        track = self._world.track_of(0)
        left, right = (float(half[0]) for half in track.half_widths(np.array([good.s_m])))
        heading = float(track.heading(good.s_m))
        aside = good.nose - track.point(good.s_m)
        lateral = float(aside @ np.array([-np.sin(heading), np.cos(heading)]))
        return min((left / 2.0, -right / 2.0), key=lambda lane: abs(lane - lateral))

    def _now(self) -> _Good:
        memory, reading = self._world.referee.memory[0], self._world.referee.readings[0]
        s_m = float(memory["s"])
        nose = np.array([reading["x"], reading["y"]])
        if not memory["steps"]:
            nose = np.asarray(self._world.track_of(0).point(s_m))
        return _Good(s_m, float(memory["gone"]), nose)

    def _crossed_s(self) -> float:
        """When the finish line was crossed within the last step."""
        world = self._world
        before = int(world.referee.memory[0]["steps"]) - 1
        share = float(world.referee.readings[0]["lap_steps"]) - before
        return self._clock_s - (1.0 - share) * self._step_s

    def _begin_lap(self, now_s: float | None = None) -> None:
        self._lap_began_s = self._clock_s if now_s is None else now_s
        self._first = len(self.steps)
        self._counts: Counter[Status] = Counter()
        self._resets, self._penalty_s, self._return = 0, 0.0, 0.0

    def _end_lap(self, status: Status, now_s: float) -> None:
        world = self._world
        self.laps.append(
            Lap(
                started_s=self._lap_began_s,
                elapsed_s=now_s - self._lap_began_s,
                completed=status is Status.LAP_COMPLETE,
                progress=self.steps[-1].progress,
                end_reason=status.label,
                off_tracks=self._counts[Status.OFF_TRACK],
                immobilized=self._counts[Status.IMMOBILIZED],
                reversals=self._counts[Status.REVERSED],
                resets=self._resets,
                penalty_s=self._penalty_s,
                return_=self._return,
                reverse=bool(world.referee.memory[0]["reverse"]),
            )
        )

    def _stand(self, status: str, pause_s: float) -> None:
        self._note(status, max(pause_s, 0.0), None)

    def _note(self, status: str, pause_s: float, action: NDArray[Any] | None) -> None:
        """Keeps what there is to know now."""
        world = self._world
        reading, memory = world.referee.readings[0], world.referee.memory[0]
        origin, quaternion = world.physics.origin[0].copy(), world.physics.quaternion[0].copy()
        if status == PREPARE:
            nose, yaw = _pose(origin, quaternion)
            heading, progress = float(np.degrees(yaw)), self._standing_progress()
            waypoint, on_track, measured = self._waypoint(float(memory["s"])), True, 0.0
        else:
            nose = np.array([reading["x"], reading["y"]])
            heading, progress = float(reading["heading"]), float(reading["progress"])
            waypoint = self._waypoint(float(reading["projection_distance"]))
            on_track = bool(reading["all_wheels_on_track"])
            measured = float(reading["measured_speed"]) if status != PAUSE else 0.0
        standing = action is None
        self.steps.append(
            RaceStep(
                lap=len(self.laps),
                steps=len(self.steps) - self._first + 1,
                time_s=self._clock_s,
                status=status,
                pause_s=pause_s,
                origin=origin,
                quaternion=quaternion,
                x=float(nose[0]),
                y=float(nose[1]),
                heading_deg=heading,
                steering_deg=0.0 if standing else float(world.commands[0, 0]),
                speed_mps=0.0 if standing else float(world.commands[0, 1]),
                measured_speed_mps=measured,
                action=action,
                reward=0.0 if standing else float(world.rewards[0]),
                all_wheels_on_track=on_track,
                progress=progress,
                waypoint=waypoint,
            )
        )

    def _standing_progress(self) -> float:
        world = self._world
        return 100.0 * float(world.referee.memory[0]["gone"]) / world.track.length_m

    def _waypoint(self, s_m: float) -> int:
        return int(np.abs(self._world.track_of(0).s_of_waypoint - s_m).argmin())


def _pose(origin: Array, quaternion: Array) -> tuple[Array, float]:
    """The nose and the heading (radians) of a car that stands upright."""
    yaw = 2.0 * float(np.arctan2(quaternion[2], quaternion[3]))
    return origin[:2] + CAR.nose_m * np.array([np.cos(yaw), np.sin(yaw)]), yaw
