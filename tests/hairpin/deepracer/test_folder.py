"""A DeepRacer model's folder as a job: every hyperparameter, and where each value is from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hairpin.cli import run
from hairpin.job_source import load_job
from hairpin.job_text import describe_job
from hairpin.preflight import create_run, prepare
from sim.errors import UserError

METADATA = {
    "action_space": [{"steering_angle": -20, "speed": 0.8}, {"steering_angle": 20, "speed": 1}],
    "sensor": ["FRONT_FACING_CAMERA"],
    "neural_network": "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW",
    "version": "5",
}
HYPERPARAMETERS = {
    "batch_size": 128,
    "num_epochs": 7,
    "lr": 0.0004,
    "beta_entropy": 0.02,
    "discount_factor": 0.95,
    "loss_type": "mean squared error",
    "num_episodes_between_training": 30,
    "exploration_type": "e-greedy",
    "e_greedy_value": 0.1,
    "epsilon_steps": 5000,
    "stack_size": 4,
    "term_cond_avg_score": 350,
}


@pytest.fixture
def car(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "car"
    for place in ("model", "ip"):
        (folder / place).mkdir(parents=True)
    (folder / "reward_function.py").write_text("def reward_function(params):\n    return 1.0\n")
    put(folder / "model" / "model_metadata.json", METADATA)
    put(folder / "ip" / "hyperparameters.json", HYPERPARAMETERS)
    return folder


def put(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content))


def test_the_files_become_the_job(car: Path) -> None:
    job = load_job("car").job
    assert job.reward == str(car / "reward_function.py")
    assert job.preset == "deepracer"
    assert job.actions.pairs == [(-20.0, 0.8), (20.0, 1.0)]
    ppo = job.ppo
    assert (ppo.minibatch_size, ppo.epochs, ppo.learning_rate) == (128, 7, 0.0004)
    assert (ppo.learning_rate_final, ppo.entropy_coefficient) == (1.0, 0.02)
    assert (ppo.gamma, ppo.value_loss) == (0.95, "mse")
    assert ppo.episodes_per_iteration == 30
    assert (ppo.exploration, ppo.epsilon, ppo.epsilon_steps) == ("e_greedy", 0.1, 5000)


@pytest.mark.parametrize(
    ("network", "preset", "max_steps"),
    [
        ("DEEP_CONVOLUTIONAL_NETWORK_SHALLOW", "deepracer", 10_000),
        ("DEEP_CONVOLUTIONAL_NETWORK", "deepracer_deep", 3000),
        ("DEEP_CONVOLUTIONAL_NETWORK_DEEP", "deepracer_deeper", 3000),
    ],
)
def test_the_network_decides_the_preset_and_the_limit_of_an_iteration(
    car: Path, network: str, preset: str, max_steps: int
) -> None:
    put(car / "model" / "model_metadata.json", {**METADATA, "neural_network": network})
    loaded = load_job("car")
    assert loaded.job.preset == preset
    assert loaded.job.ppo.max_iteration_steps == max_steps
    assert any("--preset fast" in note for note in loaded.notes)


def test_what_hyperparameters_leave_out_is_deepracers_default(car: Path) -> None:
    put(car / "ip" / "hyperparameters.json", {})
    ppo = load_job("car").job.ppo
    assert (ppo.minibatch_size, ppo.epochs, ppo.learning_rate) == (64, 10, 0.0003)
    assert (ppo.gamma, ppo.value_loss) == (0.999, "mse")
    (car / "ip" / "hyperparameters.json").unlink()
    loaded = load_job("car")
    assert loaded.job.ppo.minibatch_size == 512
    assert any("no hyperparameters.json" in note for note in loaded.notes)


def test_a_job_file_wins_key_by_key(car: Path) -> None:
    (car / "job.yaml").write_text("track: oval\npreset: fast\nppo:\n  epochs: 4\n")
    loaded = load_job("car", {("seed",): 5})
    assert (loaded.job.preset, loaded.job.track) == ("fast", "oval")
    assert (loaded.job.ppo.epochs, loaded.job.ppo.minibatch_size) == (4, 128)
    sources = loaded.sources
    assert sources["ppo.epochs"] == "car/job.yaml, line 4"
    assert sources["ppo.minibatch_size"] == "car/ip/hyperparameters.json: batch_size"
    assert sources["actions.pairs"] == "car/model/model_metadata.json: action_space"
    assert sources["seed"] == "--seed"
    assert sources["friction"] == "default"
    assert sources["stop.minutes"] == "default"


def test_what_has_no_effect_is_named_once_with_its_reason(car: Path) -> None:
    metadata = {**METADATA, "sensor": ["STEREO_CAMERAS", "LIDAR"], "colour": 1}
    put(car / "model" / "model_metadata.json", metadata)
    put(car / "ip" / "hyperparameters.json", {**HYPERPARAMETERS, "sac_alpha": 0.2, "bach_size": 1})
    (unused,) = [note for note in load_job("car").notes if note.startswith("not used")]
    for part in (
        "stack_size (one frame",
        "term_cond_avg_score (say when",
        "sac_alpha (it belongs to SAC",
        "STEREO_CAMERAS (the simulator has the front camera)",
        "LIDAR (the simulator",
        "'colour', which is no key of it",
        "'bach_size', which is no key of it (Did you mean 'batch_size'",
    ):
        assert part in unused


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"batch_size": 8}, "batch_size: 8 is below 16. 16 or more: samples per optimiser step."),
        ({"num_epochs": 0}, "num_epochs: 0 is below 1. 1 to 30"),
        ({"lr": 2}, "lr: 2 is above 0.1. Above 0, at most 0.1"),
        ({"lr": "slow"}, "lr: 'slow' is not a number. Above 0"),
        ({"beta_entropy": -1}, "beta_entropy: -1 is below 0. 0 to 1"),
        ({"discount_factor": 1.5}, "discount_factor: 1.5 is above 1. Above 0, at most 1"),
        ({"loss_type": "hubber"}, "loss_type: 'hubber' is not one of huber, mean squared error"),
        ({"exploration_type": "none"}, "exploration_type: 'none' is not one of categorical"),
        ({"num_episodes_between_training": 2.5}, "2.5 is not a whole number. 1 to 1000"),
        ({"e_greedy_value": None}, "e_greedy_value: None is not a number. 0 to 1"),
        ({"epsilon_steps": True}, "epsilon_steps: true is not a number"),
        ({"stack_size": [1]}, "stack_size: [1] is not a whole number"),
    ],
)
def test_malformed_hyperparameters_are_one_line(
    car: Path, change: dict[str, Any], expected: str
) -> None:
    put(car / "ip" / "hyperparameters.json", {**HYPERPARAMETERS, **change})
    with pytest.raises(UserError) as caught:
        load_job("car")
    assert str(caught.value).startswith("car/ip/hyperparameters.json: ")
    assert expected in str(caught.value)
    assert "\n" not in str(caught.value)


def test_e_greedy_needs_a_list_of_actions(car: Path) -> None:
    bounds = {"steering_angle": {"low": -30, "high": 30}, "speed": {"low": 1, "high": 2}}
    put(car / "model" / "model_metadata.json", {"action_space": bounds})
    put(car / "ip" / "hyperparameters.json", {"exploration_type": "e-greedy"})
    with pytest.raises(UserError, match="exploration_type: 'e-greedy' does not go with"):
        load_job("car")


def test_a_folder_without_a_reward_function_says_what_it_has(car: Path) -> None:
    (car / "reward_function.py").unlink()
    with pytest.raises(UserError, match=r"only model_metadata\.json and hyperparameters\.json"):
        load_job("car")


def test_the_job_shown_says_where_each_value_is_from_and_is_a_job(
    car: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "car", "--seed", "3", "--show-job"]) == 0
    text = capsys.readouterr().out
    assert "minibatch_size: 128  # car/ip/hyperparameters.json: batch_size\n" in text
    assert "seed: 3  # --seed\n" in text
    assert "friction: 0.5  # default\n" in text
    (car.parent / "shown.yaml").write_text(text)
    assert run(["train", "car", "--seed", "3", "--show-job", "--json"]) == 0
    as_json = capsys.readouterr().out
    assert json.loads(as_json)["sources"]["seed"] == "--seed"
    (car.parent / "shown.json").write_text(as_json)
    job = load_job("shown.yaml").job
    assert load_job("shown.json").job == job
    assert describe_job(job) == describe_job(load_job("shown.json").job)
    assert job.ppo == load_job("car").job.ppo


def test_a_run_knows_where_its_values_are_from(car: Path) -> None:
    loaded = load_job("car", {("run",): "monday", ("storage",): str(car.parent / "runs")})
    about = create_run(prepare(loaded.job, loaded.sources)).about()
    assert about["sources"]["ppo.epochs"] == "car/ip/hyperparameters.json: num_epochs"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\xff\xfe{\x00", "is UTF-16 text. Save it as UTF-8."),
        (b'{"lr": "\x00"}', "it has zero bytes"),
        (b"\xe9", "is not UTF-8 text, at byte 0"),
        (b" " * (1 << 20) + b" {}", "is too large: 1,048,579 bytes"),
    ],
)
def test_files_that_are_no_text_are_said(car: Path, text: bytes, expected: str) -> None:
    (car / "ip" / "hyperparameters.json").write_bytes(text)
    with pytest.raises(UserError, match=expected):
        load_job("car")


def test_things_that_are_no_files_are_said(car: Path) -> None:
    import os

    path = car / "ip" / "hyperparameters.json"
    for make in (path.mkdir, lambda: path.symlink_to(path), lambda: os.mkfifo(path)):
        path.unlink() if not path.is_dir() else path.rmdir()
        make()
        with pytest.raises(
            UserError, match=r"car/ip/hyperparameters\.json: (cannot read|is not a)"
        ):
            load_job("car")
    path.unlink()
    path.write_bytes(b'\xef\xbb\xbf{"lr": 0.001}')
    assert load_job("car").job.ppo.learning_rate == 0.001


def test_aliases_of_aliases_do_not_hang(tmp_path: Path) -> None:
    lines = ["a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [
        f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    ]
    (tmp_path / "job.yaml").write_text("\n".join(lines))
    with pytest.raises(UserError, match="more than 20,000 values"):
        load_job(str(tmp_path / "job.yaml"))
