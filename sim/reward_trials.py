"""The states that a reward function is tried on before a training depends on it."""

from __future__ import annotations

import numpy as np

from sim.params import Params
from sim.reward_states import Pose, StateMaker, Thing
from sim.track import Track

PLACES = 12  # along the lap
# Sideways, as a share of the half width; from 1.15 on the car is half or wholly off the road.
LATERAL = (0.0, 0.1, -0.1, 0.35, -0.35, 0.6, -0.6, 0.9, -0.9, 1.15, -1.15, 1.7, -1.7)
HEADINGS_DEG = (0.0, 0.0, 4.0, -4.0, 15.0, -15.0, 40.0, -40.0, 95.0, -95.0, 180.0)
SPEEDS_MPS = (0.5, 1.0, 1.5, 2.0, 3.0, 4.0)
STEERING_DEG = (-30.0, -20.0, -10.0, 0.0, 0.0, 10.0, 20.0, 30.0)


def trial_states(track: Track, *, seed: int = 0) -> list[Params]:
    """Params from all over a track, the same at every call: every 27 keys, as a drive fills them.

    On the centre line, beside it, half off and off the road; looking ahead, aside and back; slow
    and fast; both directions; the first step of an episode, slow and fast finishes; with and
    without objects.

    Args:
        track: Where.
        seed: Of the choice of headings, speeds and steering angles.
    """
    random = np.random.default_rng(seed)
    maker = StateMaker(track)
    half_m, length_m = 0.5 * track.width_m, track.length_m
    poses = [
        Pose(
            s_m=float((place + random.uniform()) / PLACES * length_m),
            lateral_m=share * half_m,
            heading_deg=float(random.choice(HEADINGS_DEG)),
            speed_mps=float(random.choice(SPEEDS_MPS)),
            steering_deg=float(random.choice(STEERING_DEG)),
            reverse=reverse,
        )
        for reverse in (False, True)
        for place in range(PLACES)
        for share in LATERAL
    ]
    states = maker.params(poses)
    states += _with_objects(maker, poses[:: len(LATERAL) // 4], half_m)
    return _firsts(maker) + states + _lasts(maker)


def _firsts(maker: StateMaker) -> list[Params]:
    """First steps of episodes: at the start line, and at a start of the round robin."""
    length_m = maker.track.length_m
    poses = [
        Pose(share * length_m + 0.14, speed_mps=speed, reverse=reverse)
        for share in (0.0, 0.5)
        for speed in (0.1, 1.0)
        for reverse in (False, True)
    ]
    states = maker.params(poses)
    for params in states:
        params.update(steps=1.0, progress=14.0 / length_m, sim_time=0.0)
    return states


def _lasts(maker: StateMaker) -> list[Params]:
    """Finishes, quick and slow, and the hundredth steps that timetables look at."""
    length_m = maker.track.length_m
    states = []
    for steps, progress, speed in (
        (80.0, 100.0, 4.0),
        (150.0, 100.0, 3.0),
        (10_000.0, 100.0, 1.0),
        (100.0, 60.0, 3.0),
        (100.0, 20.0, 1.0),
        (200.0, 80.0, 2.0),
        (300.0, 55.0, 1.0),
    ):
        for reverse in (False, True):
            at_m = min(progress / 100.0 * length_m, length_m - 1e-3)
            (params,) = maker.params([Pose(at_m, speed_mps=speed, reverse=reverse)])
            params.update(steps=steps, progress=progress, sim_time=steps / 15.0)
            states.append(params)
    return states


def _with_objects(maker: StateMaker, poses: list[Pose], half_m: float) -> list[Params]:
    """States among boxes in alternate lanes and a bot car; every third has an object just ahead."""
    length_m = maker.track.length_m
    states = maker.params(poses)
    for k, params in enumerate(states):
        lane = 0.45 * half_m
        things = [
            Thing(share * length_m, (lane, -lane)[n % 2], 0.2 if n == 3 else 0.0)
            for n, share in enumerate((0.12, 0.27, 0.45, 0.58, 0.73, 0.88))
        ]
        if k % 3 == 0:
            here_m = params["projection_distance"]
            along = length_m - here_m if params["is_reversed"] else here_m
            gap_m = (0.1, 0.4, 0.7)[k // 3 % 3] * (-1.0 if params["is_reversed"] else 1.0)
            things.append(Thing((along + gap_m) % length_m, (lane, -lane)[k % 2]))
        maker.add_objects(params, things)
    return states
