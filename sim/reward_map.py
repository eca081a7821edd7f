"""What a reward function pays all over a track: by place, heading, speed and steering."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim.reward import RewardError
from sim.reward_process import RewardProcess
from sim.reward_states import CONTROL_HZ, Pose, StateMaker
from sim.track import Array, Track

REACH = 1.15  # sideways, in half widths: a little of what lies beyond the borders is shown too
TURNED_DEG = (-60.0, -30.0, 30.0, 60.0)
SPEEDS_MPS = np.arange(0.25, 4.01, 0.25)
STEERING_DEG = np.arange(-30.0, 30.1, 5.0)
HEADINGS_DEG = np.arange(-180.0, 180.1, 7.5)
_BATCH = 512
_SMOOTH_M = 0.15
_PLACES = 10  # along the lap, over which the last two maps are means


@dataclass(frozen=True, eq=False)
class Road:
    """Rewards of places on the road, for one heading.

    Attributes:
        heading_deg: Of the cars, left of the road's direction.
        corners: (n + 1, m + 1, 2) world frame, metres: of the cells along and across the road.
        rewards: (n, m) in each cell; NaN where the call failed.
    """

    heading_deg: float
    corners: Array
    rewards: Array


@dataclass(frozen=True, eq=False)
class RewardMap:
    """All maps of one reward function.

    Attributes:
        ahead: For cars that look along the road.
        turned: For cars that look aside, by `TURNED_DEG`.
        across: (m,) places across the road in half widths, left positive.
        by_heading: (headings, m) by `HEADINGS_DEG` and place, mean over the lap.
        by_command: (speeds, steering) by `SPEEDS_MPS` and `STEERING_DEG`, on the centre line,
            looking ahead, mean over the lap.
        calls: How many there were.
        failures: How many of them gave no reward.
        errors: Why, one record a kind.
    """

    ahead: Road
    turned: list[Road]
    across: Array
    by_heading: Array
    by_command: Array
    calls: int
    failures: int
    errors: list[RewardError]


def reward_map(
    spec: str,
    maker: StateMaker,
    *,
    speed_mps: float = 2.0,
    steering_deg: float = 0.0,
    reverse: bool = False,
    timeout_s: float = 1.0,
) -> RewardMap:
    """Calls a reward function, in its process, with cars all over a track.

    Args:
        spec: The path of a file, or the name of one of ours.
        maker: Of the track.
        speed_mps: The commanded speed.
        steering_deg: The commanded steering angle, left positive.
        reverse: Drive the track against its rows.
        timeout_s: A call may take so long.

    Raises:
        UserError: The file cannot be read or imported.
    """
    way = maker.tracks[reverse]
    process = RewardProcess(spec, maker.tracks, _BATCH, timeout_s=timeout_s)
    try:
        process.wait()
        counts = [0, 0]

        def pay(poses: list[Pose]) -> Array:
            rewards = _rewards(process, maker, poses)
            counts[0] += len(poses)
            counts[1] += int(np.isnan(rewards).sum())
            return rewards

        def poses(s_m: Array, shares: Array, heading: float) -> list[Pose]:
            lateral = _lateral(way, s_m, shares)
            return [
                Pose(s, float(u), heading, speed_mps, steering_deg, reverse)
                for s, row in zip(s_m.tolist(), lateral, strict=True)
                for u in row
            ]

        length_m = maker.track.length_m
        along = int(np.clip(round(length_m / 0.07), 160, 480))
        ahead = _road(way, pay, poses, 0.0, along, 37)
        turned = [_road(way, pay, poses, h, along // 3, 15) for h in TURNED_DEG]
        across = np.linspace(-REACH, REACH, 37)
        places = (np.arange(_PLACES) + 0.5) / _PLACES * length_m
        by_heading = pay([pose for h in HEADINGS_DEG.tolist() for pose in poses(places, across, h)])
        by_command = pay(
            [
                Pose(s, 0.0, 0.0, speed, steering, reverse)
                for speed in SPEEDS_MPS.tolist()
                for steering in STEERING_DEG.tolist()
                for s in places.tolist()
            ]
        )
        return RewardMap(
            ahead,
            turned,
            across,
            _mean(by_heading.reshape(len(HEADINGS_DEG), _PLACES, len(across)).swapaxes(1, 2)),
            _mean(by_command.reshape(len(SPEEDS_MPS), len(STEERING_DEG), _PLACES)),
            counts[0],
            counts[1],
            process.take_errors(),
        )
    finally:
        process.close()


def _road(
    way: Track,
    pay: Callable[[list[Pose]], Array],
    poses: Callable[[Array, Array, float], list[Pose]],
    heading_deg: float,
    along: int,
    across: int,
) -> Road:
    edges = np.linspace(-REACH, REACH, across + 1)
    ends = np.linspace(0.0, way.length_m, along + 1)
    middles, shares = 0.5 * (ends[1:] + ends[:-1]), 0.5 * (edges[1:] + edges[:-1])
    rewards = pay(poses(middles, shares, heading_deg))
    heading = _smooth_heading(way, ends)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=1)
    lateral = _lateral(way, ends, edges)
    corners = way.point(ends)[:, None] + lateral[..., None] * normal[:, None]
    return Road(heading_deg, corners, rewards.reshape(along, across))


def _rewards(process: RewardProcess, maker: StateMaker, poses: list[Pose]) -> Array:
    found = []
    for first in range(0, len(poses), _BATCH):
        part = poses[first : first + _BATCH]
        judged = maker.judge(part + part[-1:] * (_BATCH - len(part)))
        seconds = judged.memory["steps"] / CONTROL_HZ
        process.send(judged.readings, judged.memory, judged.commands, seconds)
        rewards, failed = process.receive()
        rewards[failed] = np.nan
        found.append(rewards[: len(part)])
    return np.concatenate(found)


def _lateral(way: Track, s_m: Array, shares: Array) -> Array:
    """Metres left of the centre line (n, m), at arc lengths (n,), of shares (m,) of the width."""
    left, right = way.half_widths(s_m)
    return np.asarray(np.where(shares > 0.0, left[:, None], right[:, None]) * shares)


def _smooth_heading(way: Track, s_m: Array) -> Array:
    """The road's direction without the corners of the waypoints, so that cells don't tear."""
    step = way.point(s_m + _SMOOTH_M) - way.point(s_m - _SMOOTH_M)
    return np.asarray(np.arctan2(step[:, 1], step[:, 0]))


def _mean(values: Array) -> Array:
    """Means over the last axis of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    count = known.sum(axis=-1)
    total = np.where(known, values, 0.0).sum(axis=-1)
    return np.asarray(np.where(count > 0, total / np.maximum(count, 1), np.nan))
