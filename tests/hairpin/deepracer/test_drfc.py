"""hairpin import --drfc: env files are read, never run, and say what became of each line."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from hairpin.deepracer.drfc import job_of_env
from hairpin.deepracer.env_file import parse_env
from hairpin.deepracer.importing import import_drfc, write_import
from hairpin.job_source import load_job
from sim.errors import UserError

METADATA = {
    "action_space": [{"steering_angle": -20, "speed": 0.8}, {"steering_angle": 20, "speed": 1}],
}
RUN_ENV = """
# what people have
DR_RUN_ID=0
DR_WORLD_NAME=Oval_track
DR_RACE_TYPE="TIME_TRIAL"
export DR_CAR_NAME='Fast # Car'   # a comment
DR_DISPLAY_NAME=$DR_CAR_NAME
DR_EVAL_NUMBER_OF_TRIALS=5
DR_EVAL_IS_CONTINUOUS=False
DR_EVAL_MAX_RESETS=10
DR_EVAL_OFF_TRACK_PENALTY=3.5
DR_EVAL_COLLISION_PENALTY=5.0
DR_EVAL_RTF=1.0
DR_TRAIN_CHANGE_START_POSITION=True
DR_TRAIN_ALTERNATE_DRIVING_DIRECTION=True
DR_TRAIN_REVERSE_DIRECTION=False
DR_TRAIN_START_POSITION_OFFSET=0.25
DR_TRAIN_ROUND_ROBIN_ADVANCE_DIST=0.07
DR_TRAIN_MULTI_CONFIG=False
DR_TRAIN_MIN_EVAL_TRIALS=7
DR_TRAIN_BEST_MODEL_METRIC=laptime
DR_TRAIN_MAX_STEPS_PER_ITERATION=5000
DR_LOCAL_S3_PRETRAINED=True
DR_LOCAL_S3_PRETRAINED_PREFIX=old-model
DR_OA_NUMBER_OF_OBSTACLES=6
DR_TRAIN_MIN_EVAL_TRIAL=5
EDITOR=vi
"""


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "drfc" / "run.env", RUN_ENV)
    write(tmp_path / "drfc" / "system.env", "DR_WORKERS=3\nDR_DOCKER_STYLE=swarm\n")
    custom = tmp_path / "drfc" / "custom_files"
    write(custom / "reward_function.py", "def reward_function(params):\n    return 1.0\n")
    write(custom / "model_metadata.json", json.dumps(METADATA))
    write(custom / "hyperparameters.json", json.dumps({"num_epochs": 7}))
    return tmp_path / "drfc"


def test_what_matters_becomes_the_job(folder: Path) -> None:
    result = import_drfc(folder, None)
    target = folder.parent / "job"
    write_import(result, target)
    job = load_job(str(target)).job
    assert (job.workers, job.direction) == (3, "alternating")
    assert (job.start_offset, job.round_robin) == (0.25, 0.07)
    assert (job.evaluate.starts, job.evaluate.best_by) == (7, "lap_time")
    assert (job.race.laps, job.race.continuous, job.race.max_resets) == (5, False, 10)
    assert job.race.off_track_penalty_s == 3.5
    assert (job.ppo.max_iteration_steps, job.ppo.epochs) == (5000, 7)
    assert job.preset == "deepracer"
    text = (target / "job.yaml").read_text()
    assert "run.env, line 5" not in text
    assert f"laps: 5  # {folder}/run.env, line 8: DR_EVAL_NUMBER_OF_TRIALS" in text


def test_every_line_is_said_to_be_kept_or_dropped_with_its_reason(folder: Path) -> None:
    rows = {row.what.partition("=")[0]: row for row in import_drfc(folder, None).rows}
    keys = set(parse_env(RUN_ENV, "run.env")) | {"DR_WORKERS", "DR_DOCKER_STYLE"}
    assert keys <= set(rows)
    assert all(row.detail for row in rows.values())
    for key, outcome, part in (
        ("DR_WORLD_NAME", "missing", "--routes"),
        ("DR_RACE_TYPE", "dropped", "what is trained here"),
        ("DR_EVAL_MAX_RESETS", "kept", "race.max_resets: 10"),
        ("DR_EVAL_RTF", "dropped", "simulated time"),
        ("DR_LOCAL_S3_PRETRAINED", "dropped", "--clone RUN"),
        ("DR_DOCKER_STYLE", "dropped", "containers"),
        ("DR_TRAIN_MIN_EVAL_TRIAL", "dropped", "Did you mean 'DR_TRAIN_MIN_EVAL_TRIALS'"),
        ("EDITOR", "dropped", "not a setting of deepracer-for-cloud"),
    ):
        assert rows[key].outcome == outcome
        assert part in rows[key].detail


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("  export  A=b ", "b"),
        ("A='b # c' # d", "b # c"),
        ('A="b c"', "b c"),
        ("A=b # c", "b"),
        ("A=b#c", "b#c"),
        ("A=", ""),
        ("A=# c", ""),
        ("A=x\nA=y", "y"),
        ("A=b\r", "b"),
        ("A=$(touch made)", "$(touch made)"),
        ("A=`touch made`", "`touch made`"),
        ("A=${HOME}", "${HOME}"),
    ],
)
def test_values_are_read_as_they_are_written(
    line: str, value: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_env(line, "run.env")["A"].text == value
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("hello", "run.env, line 1: 'hello' is not KEY=VALUE"),
        ("\n1A=b", "run.env, line 2: '1A=b' is not KEY=VALUE"),
        ("A='b", 'run.env, line 1: A: "\'b" has a quote too many or too few'),
        ("A='b'c", "has a quote too many or too few"),
        ("DR_WORKERS=many", "line 1: DR_WORKERS: 'many' is not a whole number of 1 to 1000"),
        ("DR_WORKERS=0", "'0' is not a whole number of 1 to 1000"),
        ("DR_WORKERS=" + "9" * 5000, "is not a whole number of 1 to 1000"),
        ("DR_RACE_TYPE=TIME_TRAIL", "Did you mean 'TIME_TRIAL'"),
        ("DR_EVAL_IS_CONTINUOUS=maybe", "'maybe' is not True or False"),
        ("DR_EVAL_OFF_TRACK_PENALTY=nan", "'nan' is not a number of 0 to 600"),
        ("DR_TRAIN_START_POSITION_OFFSET=1.5", "'1.5' is not a number of 0 to 1"),
        ("DR_TRAIN_REVERSE_DIRECTION=north", "'north' is not True or False"),
        ("DR_TRAIN_BEST_MODEL_METRIC=luck", "'luck' is not one of progress, reward, laptime"),
    ],
)
def test_mistakes_have_file_line_key_value_and_what_is_allowed(line: str, expected: str) -> None:
    with pytest.raises(UserError) as caught:
        job_of_env(parse_env(line, "run.env"))
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_start_that_does_not_move_stays_where_it_is() -> None:
    text = "DR_TRAIN_CHANGE_START_POSITION=False\nDR_TRAIN_ROUND_ROBIN_ADVANCE_DIST=0.05\n"
    assert job_of_env(parse_env(text, "run.env")).values == {("round_robin",): 0.0}


def test_a_folder_without_env_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has neither run\.env nor system\.env"):
        import_drfc(tmp_path, None)
