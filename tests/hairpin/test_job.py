"""Jobs: read from files and folders, overridden by options, mistakes said in one line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import yaml

from hairpin.job import Job
from hairpin.job_source import load_job
from hairpin.job_text import describe_job
from sim.errors import UserError

REWARD = "def reward_function(params):\n    return 1.0\n"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_job(folder: Path, text: str, name: str = "job.yaml") -> str:
    (folder / name).write_text(text)
    return str(folder / name)


def test_the_default_job_stops_when_the_car_laps_or_after_ten_minutes() -> None:
    job = load_job().job
    assert (job.stop.minutes, job.stop.until, job.stop.steps) == (10.0, "completion=1.0", None)
    assert job.world_settings().camera == "fast"
    assert job.train_settings().workers >= 1


def test_a_job_file_is_read(here: Path) -> None:
    source = write_job(
        here,
        """
        track: oval
        preset: deepracer
        actions: {type: continuous, speed_mps: [0.5, 3]}
        ppo: {epochs: 5}
        stop: {steps: 1000}
        """,
    )
    job = load_job(source).job
    assert job.track == "oval"
    assert job.world_settings().camera == "deepracer"
    assert job.train_settings().network == "deepracer"
    assert job.world_settings().actions.speed_mps == (0.5, 3.0)
    assert job.ppo.epochs == 5
    assert (job.stop.minutes, job.stop.until, job.stop.steps) == (None, None, 1000)


def test_json_says_the_same_as_yaml(here: Path) -> None:
    data = {"track": "oval", "stop": {"minutes": 2}}
    from_json = load_job(write_job(here, json.dumps(data, indent="\t"), "job.json")).job
    assert from_json == load_job(write_job(here, yaml.safe_dump(data))).job


def test_options_win_over_the_file_and_none_is_no_option(here: Path) -> None:
    source = write_job(here, "track: oval\nseed: 3\nstop: {minutes: 2, steps: 50}\n")
    options = {("track",): "bowtie", ("stop", "minutes"): 7.0, ("seed",): None}
    job = load_job(source, options).job
    assert (job.track, job.seed) == ("bowtie", 3)
    assert (job.stop.minutes, job.stop.steps) == (7.0, 50)


def test_paths_in_a_file_are_relative_to_it_and_options_to_here(here: Path) -> None:
    (here / "jobs").mkdir()
    source = write_job(here / "jobs", "track: my.npy\nreward: ../r.py\nstorage: out\n")
    job = load_job(source).job
    assert job.track == str(here / "jobs" / "my.npy")
    assert job.reward == str(here / "r.py")
    assert job.storage == str(here / "jobs" / "out")
    job = load_job(source, {("track",): "x/a.npy", ("reward",): "q.py", ("storage",): "o"}).job
    assert (job.track, job.reward, job.storage) == (
        str(here / "x" / "a.npy"),
        str(here / "q.py"),
        str(here / "o"),
    )


def test_names_of_ours_and_addresses_are_no_paths(here: Path) -> None:
    job = load_job(write_job(here, "track: random:7\nreward: centre_line\nstorage: s3://b/p")).job
    assert (job.track, job.reward, job.storage) == ("random:7", "centre_line", "s3://b/p")


def test_a_folder_with_a_reward_is_a_job(here: Path) -> None:
    (here / "car").mkdir()
    (here / "car" / "reward_function.py").write_text(REWARD)
    assert load_job("car").job.reward == str(here / "car" / "reward_function.py")
    write_job(here / "car", "track: oval\n")
    job = load_job("car").job
    assert (job.track, job.reward) == ("oval", str(here / "car" / "reward_function.py"))


def test_a_job_file_in_a_folder_may_name_another_reward(here: Path) -> None:
    (here / "reward_function.py").write_text(REWARD)
    write_job(here, "reward: centre_line\n")
    assert load_job(".").job.reward == "centre_line"


def test_the_described_job_is_the_job(here: Path) -> None:
    job = load_job(write_job(here, "actions: {type: continuous}\nrun: 'yes'\nworkers: 3\n")).job
    text = describe_job(job)
    assert load_job(write_job(here, text, "again.yaml")).job == job
    assert Job.model_validate(job.model_dump(mode="json")) == job
    assert "# " in text
    assert "camera:" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("trak: oval", r"job.yaml, line 1: unknown key 'trak'. Did you mean 'track'"),
        ("camera: fast", "line 1: unknown key 'camera'. The camera comes with preset"),
        ("track: oval\nppo: {gama: 1}", "line 2: ppo: unknown key 'gama'. Did you mean 'gamma'"),
        ("stop:\n  minute: 1", "line 2: stop: unknown key 'minute'. Did you mean 'minutes'"),
        (
            "preset: fas",
            "line 1: preset: 'fas' is not one of fast, .*deepracer_deeper. Did you mean 'fast'",
        ),
        ("seed: x", "line 1: seed: 'x' is not a whole number"),
        ("seed: 1.5", "line 1: seed: 1.5 is not a whole number"),
        ("seed: -1", "line 1: seed: -1 is below 0"),
        ("friction: .nan", "line 1: friction: nan is not"),
        ("stop: 3", "line 1: stop: 3 is not a mapping"),
        ("stop: {minutes: 0}", "line 1: stop.minutes: 0 is not above 0"),
        ("stop: {until: soon}", "line 1: stop.until: 'soon' is not understood"),
        ("physics_hz: 100", "physics_hz .100. must be a multiple of control_hz"),
        ("actions: {type: discret}", "line 1: actions: 'discret' is not a type of actions"),
        ("actions: {steering_deg: [1]}", r"line 1: actions.type: is missing. Write type: discrete"),
        (
            "actions:\n  type: discrete\n  speed_mps: [1,\n    5]",
            r"job.yaml, line 4: actions.speed_mps\[1\]: 5 is above 4. Speeds are 0.1 to 4 m/s",
        ),
        (
            "actions: {type: discrete, speed_mps: [0.05]}",
            r"actions.speed_mps\[0\]: 0.05 is below 0.1. Speeds are 0.1 to 4 m/s",
        ),
        (
            "actions: {type: discrete, steering_deg: [-31]}",
            r"actions.steering_deg\[0\]: -31 is below -30. Steering angles are -30 to 30 degrees",
        ),
        (
            "actions: {type: discrete, pairs: [[10, 1], [40, 1]]}",
            r"actions.pairs\[1\]\[0\]: 40 is above 30. Steering angles",
        ),
        ("actions: {type: discrete, speed_mps: []}", "actions.speed_mps: needs at least 1"),
        (
            "actions: {type: continuous, speed_mps: [2, 1]}",
            "line 1: actions: speed_mps: the first bound .2.0. must be below",
        ),
        ("track: oval\ntrack: bowtie", "line 2: the key 'track' is there twice, first on line 1"),
        ("track: [oval", r"job.yaml, line 1, column \d+: not valid YAML"),
        ("- track", "a job is a mapping"),
        ("trak: a\nseed: -1", r"unknown key 'trak'"),
        ("seed: -1\nfriction: 9", r"\(and 1 more\)"),
    ],
)
def test_mistakes_in_a_file_are_said_with_their_place(here: Path, text: str, expected: str) -> None:
    with pytest.raises(UserError, match=expected) as caught:
        load_job(write_job(here, text))
    assert "\n" not in str(caught.value)


def test_mistakes_in_options_name_the_option(here: Path) -> None:
    for options, expected in [
        ({("seed",): -1}, "^--seed: -1 is below 0"),
        ({("stop", "until"): "soon"}, "^--until: 'soon' is not understood"),
        ({("workers",): 0}, "^--workers: 0 is below 1"),
    ]:
        with pytest.raises(UserError, match=expected):
            load_job(write_job(here, "track: oval\nstop: {minutes: 1}\n"), options)


def test_json_mistakes_have_a_place(here: Path) -> None:
    for text, expected in [
        ('{"track": }', r"job.json, line 1, column 11: not valid JSON"),
        ('{\n "seed": 1,\n "seed": 2}', "'seed' is there twice"),
        ('{\n "seed": -2}', "job.json, line 2: seed: -2 is below 0"),
    ]:
        with pytest.raises(UserError, match=expected):
            load_job(write_job(here, text, "job.json"))


def test_sources_that_are_no_jobs_are_said(here: Path) -> None:
    (here / "empty").mkdir()
    (here / "reward.py").write_text(REWARD)
    (here / "latin.yaml").write_bytes(b"track: \xe9")
    (here / "notes.txt").write_text("")
    (here / "two").mkdir()
    for name in ("job.yaml", "job.json"):
        write_job(here / "two", "{}", name)
    for source, expected in [
        ("none.yaml", "there is no such job file or folder"),
        ("laten.yaml", "Did you mean 'latin.yaml'"),
        ("empty", "neither reward_function.py nor job.yaml"),
        ("reward.py", "--reward reward.py"),
        ("latin.yaml", "not UTF-8"),
        ("notes.txt", "a job is a .yaml"),
        ("two", "Keep one of them"),
    ]:
        with pytest.raises(UserError, match=expected):
            load_job(source)


def test_an_unreadable_file_is_said(here: Path) -> None:
    source = write_job(here, "track: oval")
    os.chmod(source, 0)
    if os.access(source, os.R_OK):
        pytest.skip("nothing is unreadable to root")
    with pytest.raises(UserError, match="cannot read it: permission denied"):
        load_job(source)
