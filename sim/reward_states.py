"""Params as a reward function would see them, of cars put wherever one likes on a track.

The world's own referee and params builder look at the cars, so what comes out has every key, type
and convention of a drive. Only the length of the drive so far is made up: an episode is taken to
have begun at the start line, and to have gone at the commanded speed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.car import CAR
from sim.geometry import Geometry
from sim.params import Params, build_params
from sim.reward_inputs import REWARD_INPUT, fill_inputs, waypoints_of
from sim.rules import Referee
from sim.track import Array, Track

CONTROL_HZ = 15
SIGHT_M = 1.5  # an object nearer than this and ahead counts as in the camera's view


@dataclass(frozen=True)
class Pose:
    """A car on a track.

    Attributes:
        s_m: Arc length of the nose along the lap, in driving direction.
        lateral_m: How far left (positive) of the centre line the nose is.
        heading_deg: Where the car looks, left of the direction of the road.
        speed_mps: Commanded.
        steering_deg: Commanded, left positive.
        reverse: Whether the track is driven against its rows.
    """

    s_m: float
    lateral_m: float = 0.0
    heading_deg: float = 0.0
    speed_mps: float = 2.0
    steering_deg: float = 0.0
    reverse: bool = False


@dataclass(frozen=True)
class Thing:
    """An object on the road: a box, or a bot car if it moves.

    Attributes:
        s_m: Arc length along the rows of the route, metres.
        lateral_m: Left (positive) of the centre line as the rows run, metres.
        speed_mps: 0 for a box.
    """

    s_m: float
    lateral_m: float
    speed_mps: float = 0.0


@dataclass(frozen=True, eq=False)
class Judged:
    """What the referee found.

    Attributes:
        readings: (n,) of `sim.rules.READINGS`.
        memory: (n,) of `sim.rules.MEMORY`.
        commands: (n, 2) steering degrees (left positive) and commanded speeds, m/s.
    """

    readings: NDArray[np.void]
    memory: NDArray[np.void]
    commands: Array


class StateMaker:
    """Makes params of cars on one track.

    Args:
        track: As driven along its rows.

    Attributes:
        track: The same.
        tracks: It, and it as driven against its rows.
    """

    def __init__(self, track: Track) -> None:
        self.track = track
        self.tracks = (track, track.turned())
        self._forward, self._reverse = (Geometry.of(way) for way in self.tracks)
        self._waypoints = waypoints_of(self.tracks)

    def judge(self, poses: Sequence[Pose]) -> Judged:
        """What the referee says of cars, one a pose, in the form that `RewardProcess` takes."""
        count = len(poses)
        referee = Referee(self._forward, self._reverse, CAR, count, 10**9)
        origin = np.zeros((count, 3))
        quaternion = np.zeros((count, 4))
        nose, heading = self._placed(poses)
        ahead = np.stack([np.cos(heading), np.sin(heading)], axis=1)
        origin[:, :2] = nose - CAR.nose_m * ahead
        quaternion[:, 2], quaternion[:, 3] = np.sin(heading / 2), np.cos(heading / 2)
        speed = np.array([pose.speed_mps for pose in poses])
        velocity = np.zeros((count, 3))
        velocity[:, :2] = speed[:, None] * ahead
        for k, pose in enumerate(poses):
            referee.start(k, pose.s_m, pose.reverse, float(nose[k, 0]), float(nose[k, 1]))
        readings = referee.judge(origin, quaternion, velocity)
        s_m = np.array([pose.s_m for pose in poses])
        readings["progress"] = 100.0 * s_m / self.track.length_m
        referee.memory["steps"] = np.ceil(s_m / np.maximum(speed, 0.1) * CONTROL_HZ) + 1
        steering = np.array([pose.steering_deg for pose in poses])
        return Judged(readings, referee.memory, np.stack([steering, speed], axis=1))

    def params(self, poses: Sequence[Pose]) -> list[Params]:
        """One dict a pose."""
        if not poses:
            return []
        judged = self.judge(poses)
        inputs = np.zeros(len(poses), REWARD_INPUT)
        time_s = judged.memory["steps"] / CONTROL_HZ
        fill_inputs(inputs, judged.readings, judged.memory, judged.commands, time_s)
        return [build_params(row, self._waypoints, self.track.length_m) for row in inputs.tolist()]

    def add_objects(self, params: Params, things: Iterable[Thing]) -> None:
        """Fills the keys of objects, as an object avoidance race does."""
        reverse = bool(params["is_reversed"])
        way, length_m = self.tracks[reverse], self.track.length_m
        ordered = sorted(
            (Thing(length_m - t.s_m, -t.lateral_m, t.speed_mps) if reverse else t for t in things),
            key=lambda thing: thing.s_m,
        )
        s_m = np.array([thing.s_m for thing in ordered])
        heading = way.heading(s_m)
        lateral = np.array([thing.lateral_m for thing in ordered])
        place = way.point(s_m) + lateral[:, None] * _left_of(heading)
        moving = [thing.speed_mps > 0.0 for thing in ordered]
        here_m = params["projection_distance"]
        ahead = int(np.searchsorted(s_m, here_m, side="right"))
        gap_m = (s_m[ahead % len(s_m)] - here_m) % length_m
        apart_m = np.hypot(place[:, 0] - params["x"], place[:, 1] - params["y"])
        params.update(
            closest_objects=[(ahead - 1) % len(s_m), ahead % len(s_m)],
            objects_location=[(float(x), float(y)) for x, y in place],
            objects_distance=s_m.tolist(),
            objects_distance_from_center=np.abs(lateral).tolist(),
            # Radians of bot cars and 0.0 of boxes, as the original simulator has it.
            objects_heading=[float(h) if m else 0.0 for h, m in zip(heading, moving, strict=True)],
            objects_speed=[thing.speed_mps for thing in ordered],
            objects_left_of_center=[thing.lateral_m > 0.0 for thing in ordered],
            object_in_camera=bool(gap_m < SIGHT_M),
            is_crashed=bool(apart_m.min() < CAR.width_m),
        )

    def _placed(self, poses: Sequence[Pose]) -> tuple[Array, Array]:
        """Noses (n, 2), metres, and headings (n,), radians, in the world frame."""
        nose, heading = np.zeros((len(poses), 2)), np.zeros(len(poses))
        reverse = np.array([pose.reverse for pose in poses])
        s_m = np.array([pose.s_m for pose in poses])
        for flag in (False, True):
            chosen = reverse == flag
            nose[chosen] = self.tracks[flag].point(s_m[chosen])
            heading[chosen] = self.tracks[flag].heading(s_m[chosen])
        nose += np.array([pose.lateral_m for pose in poses])[:, None] * _left_of(heading)
        return nose, heading + np.radians([pose.heading_deg for pose in poses])


def describe(params: Params) -> str:
    """Where and how a car of these params drives, in a line for a person."""
    side = "left" if params["is_left_of_center"] else "right"
    place = "off the track" if params["is_offtrack"] else "on the track"
    if not params["is_offtrack"] and not params["all_wheels_on_track"]:
        place = "half off the track"
    behind, ahead = (params["waypoints"][k] for k in params["closest_waypoints"])
    road_deg = math.degrees(math.atan2(ahead[1] - behind[1], ahead[0] - behind[0]))
    turned = (params["heading"] - road_deg + 180.0) % 360.0 - 180.0
    parts = [
        f"progress {params['progress']:.1f} %",
        f"step {params['steps']:.0f}",
        f"{place}, {params['distance_from_center']:.2f} m {side} of the centre",
        f"nose {abs(turned):.0f} degrees {'left' if turned >= 0 else 'right'} of the road",
        f"{params['speed']:g} m/s",
        f"steering {params['steering_angle']:g} degrees",
    ]
    if params["is_reversed"]:
        parts.append("reversed track")
    if params["objects_location"]:
        parts.append(f"{len(params['objects_location'])} objects")
    return ", ".join(parts)


def _left_of(heading_rad: Array) -> Array:
    return np.stack([-np.sin(heading_rad), np.cos(heading_rad)], axis=-1)
