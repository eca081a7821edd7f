"""model_metadata.json: read with all its versions and defaults, refused line by line, written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hairpin.deepracer.metadata import (
    NETWORKS,
    ActionBounds,
    metadata_of,
    parse_metadata,
    read_metadata,
)
from hairpin.job import Job
from sim.actions import make_actions
from sim.errors import UserError

ACTION = {"steering_angle": -30.0, "speed": 0.6, "index": 0}
BOUNDS = {"steering_angle": {"low": -30, "high": 30}, "speed": {"low": 1, "high": 2}}


def write(folder: Path, content: Any) -> Path:
    path = folder / "model_metadata.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_every_field_is_read(tmp_path: Path) -> None:
    metadata = read_metadata(
        write(
            tmp_path,
            {
                "action_space": [ACTION, {"steering_angle": 15, "speed": "1.5"}],
                "sensor": ["LEFT_CAMERA", "SECTOR_LIDAR"],
                "lidar_config": {"num_sectors": 16, "clipping_dist": 0.5},
                "neural_network": "DEEP_CONVOLUTIONAL_NETWORK_DEEP",
                "training_algorithm": "clipped_ppo",
                "action_space_type": "discrete",
                "version": "5",
            },
        )
    )
    assert metadata.actions() == {"type": "discrete", "pairs": [[-30.0, 0.6], [15.0, 1.5]]}
    assert metadata.sensor == ("LEFT_CAMERA", "SECTOR_LIDAR")
    assert metadata.lidar_config.num_sectors == 16
    assert metadata.lidar_config.num_values_per_sector == 8
    assert metadata.lidar_config.clipping_dist == 0.5
    assert metadata.neural_network == "DEEP_CONVOLUTIONAL_NETWORK_DEEP"
    assert (metadata.action_space_type, metadata.version) == ("discrete", 5)


def test_what_is_left_out_is_what_deepracer_takes(tmp_path: Path) -> None:
    metadata = parse_metadata({"action_space": [ACTION]}, "m.json")
    assert metadata.sensor == ("observation",)
    assert metadata.neural_network == "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW"
    assert metadata.training_algorithm == "clipped_ppo"
    assert (metadata.action_space_type, metadata.version) == ("discrete", 1)
    lidar = metadata.lidar_config
    assert (lidar.num_sectors, lidar.num_values_per_sector, lidar.clipping_dist) == (8, 8, 2.0)
    with_sensor = {"action_space": [ACTION], "sensor": ["FRONT_FACING_CAMERA"]}
    assert parse_metadata(with_sensor, "m.json").version == 2


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6, "6"])
def test_all_versions_are_read(version: Any) -> None:
    data = {"action_space": [ACTION], "version": version}
    assert parse_metadata(data, "m.json").version == int(version)


@pytest.mark.parametrize("algorithm", ["clipped_ppo", "sac"])
def test_a_continuous_space_has_bounds(algorithm: str) -> None:
    data = {"action_space": BOUNDS, "training_algorithm": algorithm}
    metadata = parse_metadata(data, "m.json")
    assert isinstance(metadata.action_space, ActionBounds)
    assert metadata.action_space_type == "continuous"
    assert metadata.actions() == {
        "type": "continuous",
        "steering_deg": [-30.0, 30.0],
        "speed_mps": [1.0, 2.0],
    }


def test_the_place_in_the_list_counts_and_not_the_index() -> None:
    actions = [{**ACTION, "speed": speed, "index": 3 - speed} for speed in (1, 2, 3)]
    metadata = parse_metadata({"action_space": actions}, "m.json")
    assert [speed for _, speed in metadata.actions()["pairs"]] == [1.0, 2.0, 3.0]


def with_action(**change: Any) -> dict[str, Any]:
    return {"action_space": [ACTION, {**ACTION, **change}]}


def with_field(**fields: Any) -> dict[str, Any]:
    return {"action_space": [ACTION], **fields}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (with_action(speed=5), "action_space[1].speed: 5 is above 4. Speeds are 0.1 to 4 m/s."),
        (with_action(speed=0), "action_space[1].speed: 0 is below 0.1. Speeds are 0.1 to 4 m/s."),
        (
            with_action(steering_angle=-31),
            "action_space[1].steering_angle: -31 is below -30. Steering angles are -30 to 30",
        ),
        (with_action(speed="fast"), "action_space[1].speed: 'fast' is not a number. Speeds"),
        (with_action(speed=True), "action_space[1].speed: true is not a number. Speeds"),
        (with_action(speed=None), "action_space[1].speed: None is not a number. Speeds"),
        (with_action(speed=10**400), "action_space[1].speed: a number of 401 digits is too large"),
        (with_action(speed="\ud800"), "action_space[1].speed: '\\ud800' is not valid Unicode"),
        ({"action_space": [{"speed": 1}]}, "action_space[0].steering_angle: is missing. Steering"),
        ({"action_space": [7]}, "action_space[0]: 7 is not a mapping of keys to values"),
        ({"action_space": []}, "action_space: has 0 actions. A list has 1 to 1000."),
        ({"action_space": 3}, "action_space: 3 is not a list. A list of 1 to 1000 actions"),
        ({}, "action_space: is missing. It is a list"),
        (
            {"action_space": {**BOUNDS, "speed": {"low": 2, "high": 1}}},
            "action_space: speed: low (2) is not below high (1)",
        ),
        (
            {"action_space": {**BOUNDS, "speed": {"low": 1, "high": 12}}},
            "action_space.speed.high: 12 is above 4. Speeds are 0.1 to 4 m/s.",
        ),
        ({"action_space": {"speed": BOUNDS["speed"]}}, "action_space.steering_angle: is missing"),
        (
            with_field(action_space_type="continuous"),
            "action_space_type: 'continuous' does not go with the action_space, which is discrete",
        ),
        (with_field(action_space_type="discreet"), "Did you mean 'discrete'"),
        (with_field(version=7), "version: 7 is above 6. 1 to 6"),
        (with_field(version="new"), "version: 'new' is not a whole number. 1 to 6"),
        (with_field(sensor="LIDAR"), "sensor: 'LIDAR' is not a list"),
        (with_field(sensor=["LIDAR"]), "sensor: LIDAR. It is exactly one of observation, FRONT"),
        (with_field(sensor=[]), "sensor: none. It is exactly one of"),
        (with_field(sensor=["CAMERA"]), "sensor[0]: 'CAMERA' is not one of observation"),
        (with_field(lidar_config={"num_sectors": 7}), "num_sectors: 7 does not divide 64"),
        (
            with_field(lidar_config={"clipping_dist": 13}),
            "lidar_config.clipping_dist: 13 is above 12. 0.15 to 12 m",
        ),
        (with_field(neural_network="DEEP"), "neural_network: 'DEEP' is not one of DEEP_CONVOL"),
        (with_field(training_algorithm="dqn"), "'dqn' is not one of clipped_ppo, sac"),
        (with_field(training_algorithm="sac"), "'sac' does not go with a discrete action_space"),
        ("[]", "is not a JSON object"),
        ("{", "line 1, column 2: not valid JSON"),
        ('{"version": NaN}', "NaN is not a number that JSON has"),
        ('{"version": 1, "version": 2}', "the key 'version' is there twice"),
        ("[" * 100_000, "nested too deeply"),
        ('{"a": ' * 60 + "1" + "}" * 60, "nested too deeply"),
        ('{"version": ' + "9" * 5000 + "}", "a number of thousands of digits"),
    ],
)
def test_mistakes_are_one_line_with_file_key_value_and_what_is_allowed(
    tmp_path: Path, content: Any, expected: str
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(UserError) as caught:
        read_metadata(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert expected in message
    assert "\n" not in message
    assert "more)" not in message


JOBS = [
    {},
    {"actions": {"type": "discrete", "pairs": [[10.0, 0.7], [-5.5, 3.9], [0.0, 1.0]]}},
    {"actions": {"type": "continuous", "steering_deg": [-25, 30], "speed_mps": [0.5, 4]}},
]


@pytest.mark.parametrize("values", JOBS)
@pytest.mark.parametrize("preset", sorted(NETWORKS.values()))
def test_what_is_written_is_read_as_the_same(values: dict[str, Any], preset: str) -> None:
    job = Job.model_validate({**values, "preset": preset})
    written = json.loads(json.dumps(metadata_of(job)))
    metadata = parse_metadata(written, "m.json")
    again = Job.model_validate(
        {"preset": NETWORKS[metadata.neural_network], "actions": metadata.actions()}
    )
    ours, theirs = make_actions(job.actions), make_actions(again.actions)
    assert type(ours) is type(theirs)
    for name in vars(ours):
        assert (getattr(ours, name) == getattr(theirs, name)).all()
    assert again.preset == preset
    assert metadata.version == 5
    assert metadata.sensor == ("FRONT_FACING_CAMERA",)
    assert metadata.action_space_type == job.actions.type


def test_indices_are_the_places_of_the_policys_outputs() -> None:
    written = metadata_of(Job.model_validate({}))
    pairs = make_actions(Job.model_validate({}).actions).pairs
    assert [action["index"] for action in written["action_space"]] == list(range(len(pairs)))
    assert [action["speed"] for action in written["action_space"]] == pairs[:, 1].tolist()
