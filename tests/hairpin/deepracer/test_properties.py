"""Well-formed files with any values in them: a valid job, or one line that names the file."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hairpin.deepracer.drfc import job_of_env
from hairpin.deepracer.drfc_keys import TAKEN
from hairpin.deepracer.env_file import parse_env
from hairpin.deepracer.foreign import check
from hairpin.deepracer.hyperparameters import Hyperparameters
from hairpin.deepracer.metadata import ModelMetadata, metadata_of, parse_metadata
from hairpin.deepracer.small_file import parse_json
from hairpin.job import Job
from sim.actions import make_actions
from sim.errors import UserError

JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
STEERING = st.floats(-30, 30) | st.integers(-30, 30)
SPEED = st.floats(0.1, 4) | st.integers(1, 4)
ACTION = st.fixed_dictionaries(
    {"steering_angle": STEERING, "speed": SPEED}, optional={"index": JUNK, "note": JUNK}
)


def mostly(good: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Good values, and now and then anything at all."""
    return st.integers(0, 9).flatmap(lambda number: good if number else JUNK)


def bounds(low: st.SearchStrategy[Any], high: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries({"low": mostly(low), "high": mostly(high)})


SPACES = st.lists(mostly(ACTION), max_size=8) | st.fixed_dictionaries(
    {
        "steering_angle": bounds(st.floats(-30, 0), st.floats(0, 30)),
        "speed": bounds(st.floats(0.1, 2), st.floats(2, 4)),
    }
)
METADATA = st.fixed_dictionaries(
    {"action_space": mostly(SPACES)},
    optional={
        "sensor": mostly(st.lists(st.sampled_from(["FRONT_FACING_CAMERA", "LIDAR", "x"]))),
        "lidar_config": mostly(st.dictionaries(st.sampled_from(["num_sectors", "x"]), JUNK)),
        "neural_network": mostly(st.sampled_from(["DEEP_CONVOLUTIONAL_NETWORK", "x"])),
        "training_algorithm": mostly(st.sampled_from(["clipped_ppo", "sac"])),
        "action_space_type": mostly(st.sampled_from(["discrete", "continuous"])),
        "version": mostly(st.integers(1, 6) | st.sampled_from("123456")),
    },
)
HYPERPARAMETERS = st.fixed_dictionaries(
    {},
    optional={
        "batch_size": mostly(st.integers(1, 600)),
        "num_epochs": mostly(st.integers(1, 20)),
        "lr": mostly(st.floats(1e-8, 1e-3)),
        "beta_entropy": mostly(st.floats(0, 1)),
        "discount_factor": mostly(st.floats(0, 1)),
        "loss_type": mostly(st.sampled_from(["huber", "mean squared error"])),
        "num_episodes_between_training": mostly(st.integers(1, 100)),
        "exploration_type": mostly(st.sampled_from(["categorical", "e-greedy"])),
        "e_greedy_value": mostly(st.floats(0, 1)),
        "epsilon_steps": mostly(st.integers(1, 10**6)),
        "stack_size": mostly(st.integers(1, 4)),
    },
)


def one_line(error: UserError, file: str) -> None:
    assert str(error).startswith(file)
    assert "\n" not in str(error)
    assert len(str(error)) < 500
    str(error).encode("utf-8", "backslashreplace")


@given(METADATA)
@settings(max_examples=400, deadline=None)
def test_any_metadata_is_a_job_or_one_line(data: dict[str, Any]) -> None:
    try:
        metadata = parse_metadata(parse_json(json.dumps(data), "m.json"), "m.json")
    except UserError as error:
        one_line(error, "m.json")
        return
    assert isinstance(metadata, ModelMetadata)
    job = Job.model_validate({"actions": metadata.actions()})
    again = parse_metadata(metadata_of(job), "m.json")
    ours, theirs = make_actions(job.actions), make_actions(Job(actions=again.actions()).actions)
    assert repr(ours) == repr(theirs)


@given(HYPERPARAMETERS)
@settings(max_examples=400, deadline=None)
def test_any_hyperparameters_are_a_job_or_one_line(data: dict[str, Any]) -> None:
    try:
        parsed = parse_json(json.dumps(data), "h.json")
        values = check(Hyperparameters, parsed, "h.json")
    except UserError as error:
        one_line(error, "h.json")
        return
    ppo = {ours: value for ours, _, value in values.ppo()}
    job = Job.model_validate({"ppo": ppo})
    assert {name: getattr(job.ppo, name) for name in ppo} == ppo


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
@settings(max_examples=400, deadline=None)
def test_any_text_is_an_object_or_one_line(text: str) -> None:
    try:
        assert isinstance(parse_json(text, "x.json"), dict)
    except UserError as error:
        one_line(error, "x.json")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(sorted(TAKEN)),
            st.text(max_size=12)
            | st.sampled_from(
                [
                    "True",
                    "False",
                    "3",
                    "0.5",
                    "TIME_TRIAL",
                    "laptime",
                    "reinvent_base",
                    "nan",
                    "1e999",
                ]
            ),
        ),
        max_size=4,
    )
)
@settings(max_examples=400, deadline=None)
def test_any_env_file_is_a_job_or_one_line(lines: list[tuple[str, str]]) -> None:
    text = "\n".join(f"{key}={value}" for key, value in lines)
    try:
        settings_ = job_of_env(parse_env(text, "run.env"))
    except UserError as error:
        one_line(error, "run.env")
        return
    assert {setting.key for setting in settings_.settings} <= {key for key, _ in lines} | set(
        parse_env(text, "run.env")
    )
    nested: dict[str, Any] = {}
    for way, value in settings_.values.items():
        node = nested
        for part in way[:-1]:
            node = node.setdefault(part, {})
        node[way[-1]] = value
    Job.model_validate(nested)
