"""States made for trying rewards are what a drive would have given."""

from __future__ import annotations

import math

import pytest

from sim.car import CAR
from sim.reward_states import Pose, StateMaker, Thing, describe
from sim.reward_trials import trial_states
from sim.settings import WorldSettings
from sim.track import Track
from sim.world import World


@pytest.fixture(scope="module")
def track() -> Track:
    return Track.load("hairpin")


def test_a_pose_is_where_it_was_put(track: Track) -> None:
    maker = StateMaker(track)
    for reverse in (False, True):
        pose = Pose(3.0, 0.2, 20.0, 1.5, -10.0, reverse)
        (params,) = maker.params([pose])
        assert params["projection_distance"] == pytest.approx(3.0, abs=0.15)  # a bend is near
        assert params["distance_from_center"] == pytest.approx(0.2, abs=0.02)
        assert params["is_left_of_center"] and params["all_wheels_on_track"]
        assert params["is_reversed"] is reverse
        assert (params["speed"], params["steering_angle"]) == (1.5, -10.0)
        heading = math.degrees(float(Track.load("hairpin", reverse=reverse).heading(3.0)))
        assert (params["heading"] - heading) % 360.0 == pytest.approx(20.0)


def test_off_the_road_is_off_track(track: Track) -> None:
    half_m = 0.5 * track.width_m
    maker = StateMaker(track)
    on, half, off = maker.params([Pose(2.0, share * half_m) for share in (0.3, 1.0, 1.8)])
    assert on["all_wheels_on_track"] and not on["is_offtrack"]
    assert not half["all_wheels_on_track"] and not half["is_offtrack"]
    assert not off["all_wheels_on_track"] and off["is_offtrack"]


def test_readings_are_those_of_a_car_in_a_world(track: Track) -> None:
    world = World(WorldSettings(track="hairpin"), num_cars=1)
    maker = StateMaker(track)
    for reverse in (False, True):
        start = 0.02  # on the first straight, so the nose is straight ahead of the origin
        world.place(0, start, reverse=reverse)
        driven = world.referee.judge(
            world.physics.origin, world.physics.quaternion, world.physics.velocity
        )
        at_m = start * track.length_m + CAR.nose_m
        made = maker.judge([Pose(at_m, speed_mps=0.0, reverse=reverse)]).readings
        for name in ("x", "y", "heading", "distance_from_center", "projection_distance"):
            assert made[name] == pytest.approx(driven[name], abs=1e-6), name
        for name in ("track_width", "waypoint_behind", "waypoint_ahead", "all_wheels_on_track"):
            assert made[name] == pytest.approx(driven[name]), name
    world.close()


def test_all_keys_have_the_types_of_the_contract(track: Track) -> None:
    (params,) = StateMaker(track).params([Pose(1.0)])
    kinds = {key: type(value) for key, value in params.items()}
    flags = {key for key, kind in kinds.items() if kind is bool}
    assert flags == {
        "all_wheels_on_track",
        "is_left_of_center",
        "is_reversed",
        "is_offtrack",
        "is_crashed",
        "object_in_camera",
    }
    lists = {key for key, kind in kinds.items() if kind is list}
    assert lists == {"waypoints", "closest_waypoints", "closest_objects"} | {
        key for key in params if key.startswith("objects_")
    }
    assert all(kinds[key] is float for key in set(kinds) - flags - lists)
    assert len(params) == 28 and type(params["waypoints"][0]) is tuple


@pytest.mark.parametrize("spec", ["hairpin", "crossover", "dash", "bramble"])
def test_trials_are_all_kinds_of_states_and_always_the_same(spec: str) -> None:
    track = Track.load(spec)
    states = trial_states(track)
    assert states == trial_states(track)
    assert 300 < len(states) < 600
    for key, wanted in {
        "all_wheels_on_track": {True, False},
        "is_offtrack": {True, False},
        "is_left_of_center": {True, False},
        "is_reversed": {True, False},
        "object_in_camera": {True, False},
        "is_crashed": {True, False},
    }.items():
        assert {state[key] for state in states} == wanted, key
    assert {len(state["objects_location"]) for state in states} >= {0, 6}
    assert {-30.0, 0.0, 30.0} <= {state["steering_angle"] for state in states}
    assert {0.1, 1.0, 4.0} <= {state["speed"] for state in states}
    assert any(state["steps"] == 1.0 for state in states)
    assert any(state["progress"] == 100.0 for state in states)
    for state in states:
        assert all(math.isfinite(v) for v in state.values() if isinstance(v, float))
        assert 0.0 <= state["progress"] <= 100.0 and state["steps"] >= 1.0
        for k in state["closest_waypoints"]:
            assert 0 <= k < len(state["waypoints"])
        assert describe(state)


def test_objects_lie_where_their_keys_say(track: Track) -> None:
    maker = StateMaker(track)
    things = [Thing(4.0, 0.1), Thing(9.0, -0.1, 0.2), Thing(15.0, 0.1)]
    for reverse, order in ((False, (0, 1, 2)), (True, (2, 1, 0))):
        (params,) = maker.params([Pose(7.0, reverse=reverse)])
        maker.add_objects(params, things)
        behind, ahead = params["closest_objects"]
        here = params["projection_distance"]
        distances = params["objects_distance"]
        assert distances == sorted(distances)
        assert distances[behind] < here < distances[ahead]
        for k, thing in zip(range(3), (things[n] for n in order), strict=True):
            at_m = track.length_m - thing.s_m if reverse else thing.s_m
            assert distances[k] == pytest.approx(at_m)
            assert params["objects_left_of_center"][k] is ((thing.lateral_m > 0) != reverse)
            assert params["objects_speed"][k] == thing.speed_mps
            assert (params["objects_heading"][k] != 0.0) is (thing.speed_mps > 0)
            centre = track.point(thing.s_m)
            assert math.dist(params["objects_location"][k], centre) == pytest.approx(0.1, abs=0.01)
            assert params["objects_distance_from_center"][k] == pytest.approx(0.1)
