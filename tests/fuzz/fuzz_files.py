"""Feeds mutated files to everything that reads a user's: a result or one line, nothing else.

Run it by hand as long as you like, with libFuzzer's options:

    python tests/fuzz/fuzz_files.py -runs=1000000 -timeout=10

The first byte of an input chooses the reader, the rest is the file.
"""

from __future__ import annotations

import atexit
import gzip
import io
import json
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["hairpin.deepracer", "hairpin.job_file"]):
    from hairpin.deepracer import archive, importing
    from hairpin.deepracer.drfc import env_of_training_params, job_of_env
    from hairpin.deepracer.env_file import parse_env
    from hairpin.deepracer.folder import read_model_folder
    from hairpin.deepracer.metadata import parse_metadata
    from hairpin.deepracer.small_file import decode, parse_json
    from hairpin.job_file import read_job_file

from hairpin.job import validate_job
from hairpin.job_source import load_job
from sim.errors import UserError

METADATA = {
    "action_space": [
        {"steering_angle": -30.0, "speed": 0.6, "index": 0},
        {"steering_angle": 15, "speed": 4},
    ],
    "sensor": ["FRONT_FACING_CAMERA", "SECTOR_LIDAR"],
    "lidar_config": {"num_sectors": 8, "num_values_per_sector": 8, "clipping_dist": 2.0},
    "neural_network": "DEEP_CONVOLUTIONAL_NETWORK_SHALLOW",
    "training_algorithm": "clipped_ppo",
    "action_space_type": "discrete",
    "version": "5",
}
CONTINUOUS = {
    "action_space": {
        "steering_angle": {"low": -30, "high": 30},
        "speed": {"low": 0.5, "high": 2.5},
    },
    "training_algorithm": "sac",
    "action_space_type": "continuous",
}
HYPERPARAMETERS = {
    "batch_size": 64,
    "beta_entropy": 0.01,
    "discount_factor": 0.99,
    "e_greedy_value": 0.05,
    "epsilon_steps": 10000,
    "exploration_type": "categorical",
    "loss_type": "huber",
    "lr": 0.0003,
    "num_episodes_between_training": 20,
    "num_epochs": 5,
    "stack_size": 1,
    "term_cond_avg_score": 350.0,
    "term_cond_max_episodes": 1000,
}
ENV = b"""# settings
export DR_WORLD_NAME="reinvent_base" # a track
DR_RACE_TYPE=TIME_TRIAL
DR_WORKERS=2
DR_EVAL_NUMBER_OF_TRIALS=3
DR_EVAL_OFF_TRACK_PENALTY=5.0
DR_TRAIN_ROUND_ROBIN_ADVANCE_DIST=0.05
DR_TRAIN_REVERSE_DIRECTION=False
DR_TRAIN_BEST_MODEL_METRIC='progress'
"""
JOB = b"""track: oval
actions: {type: discrete, steering_deg: [-30, 0, 30], speed_mps: [1, 2]}
ppo: &p {epochs: 4, gamma: 0.99}
stop: {minutes: 2, until: completion=0.9}
race: {laps: 3}
seed: 0x1f
"""
REWARD = b"def reward_function(params):\n    return 1.0\n"
MEMORY = Path("/dev/shm")  # files that no disk has to see
PLACE = Path(tempfile.mkdtemp(prefix="hairpin-fuzz-", dir=MEMORY if MEMORY.is_dir() else None))
atexit.register(shutil.rmtree, PLACE, True)


def metadata(data: bytes) -> None:
    read = parse_metadata(parse_json(decode(data, "m.json"), "m.json"), "m.json")
    validate_job({"actions": read.actions()}, lambda way: "m.json")


def hyperparameters(data: bytes) -> None:
    (PLACE / "car").mkdir(exist_ok=True)
    (PLACE / "car" / "hyperparameters.json").write_bytes(data)
    validate_job(read_model_folder(PLACE / "car").values, lambda way: "h.json")


def env(data: bytes) -> None:
    job = job_of_env(parse_env(decode(data, "run.env"), "run.env"))
    assert all(setting.way or setting.reason for setting in job.settings)


def job_yaml(data: bytes) -> None:
    (PLACE / "job.yaml").write_bytes(data)
    load_job(str(PLACE / "job.yaml"))


def job_json(data: bytes) -> None:
    (PLACE / "job.json").write_bytes(data)
    load_job(str(PLACE / "job.json"))


def params(data: bytes) -> None:
    path = PLACE / "training_params.yaml"
    path.write_bytes(data)
    job_of_env(env_of_training_params(read_job_file(path).data, path))


def tar(data: bytes) -> None:
    path, into = PLACE / "model.tar.gz", PLACE / "unpacked"
    path.write_bytes(data)
    into.mkdir(exist_ok=True)
    try:
        archive.unpack(path, importing.MODEL_FILES, into)
    finally:
        shutil.rmtree(into)


def folder(data: bytes) -> None:
    """A folder whose three files are the parts of the input."""
    place = PLACE / "model"
    parts = data.split(b"\xff\xff")
    names = ("model/model_metadata.json", "ip/hyperparameters.json", "training_params.yaml")
    try:
        for name, part in zip(names, parts, strict=False):
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(part)
        importing.write_import(importing.import_model(place, None), PLACE / "made")
    finally:
        shutil.rmtree(place, ignore_errors=True)
        shutil.rmtree(PLACE / "made", ignore_errors=True)


READERS: list[Callable[[bytes], None]] = [
    metadata,
    hyperparameters,
    env,
    job_yaml,
    job_json,
    params,
    tar,
    folder,
]


def packed(*names: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as file:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(REWARD)
            file.addfile(info, io.BytesIO(REWARD))
    return out.getvalue()


def corpus() -> list[bytes]:
    """Good inputs to begin with, each after the byte of its reader."""
    good = json.dumps(METADATA).encode()
    numbers = json.dumps(HYPERPARAMETERS).encode()
    kinds: dict[Callable[[bytes], None], list[bytes]] = {
        metadata: [good, json.dumps(CONTINUOUS).encode(), b"[" * 400, b"\xff\xfe{\0"],
        hyperparameters: [numbers, b'{"lr": 1e999}', b'{"lr": NaN, "lr": "\\ud800"}'],
        env: [ENV],
        job_yaml: [JOB, b"a: &a [*a]\n", b"seed: !!int x\nrun: 2001-99-99\n", b"? [a]\n: {b: c}\n"],
        job_json: [b'{"track": "oval", "ppo": {"epochs": 3}, "sources": {}}'],
        params: [b"WORLD_NAME: reinvent_base\nREVERSE_DIR: true\nMIN_EVAL_TRIALS: '5'\n"],
        tar: [
            packed("m/reward_function.py", "m/ip/hyperparameters.json"),
            gzip.compress(packed("reward_function.py"), mtime=0),
            packed("../reward_function.py", "m/" + "long/" * 40 + "a"),
        ],
        folder: [b"\xff\xff".join([good, numbers, b"WORLD_NAME: oval\n"]), good],
    }
    return [
        bytes([READERS.index(reader)]) + data for reader, inputs in kinds.items() for data in inputs
    ]


def try_one(data: bytes) -> None:
    """One input; anything but a result or a `UserError` of one line is raised."""
    if data:
        try:
            READERS[data[0] % len(READERS)](data[1:])
        except UserError as error:
            assert "\n" not in str(error), str(error)
            str(error).encode("utf-8", "backslashreplace")


def main() -> None:
    """Runs libFuzzer on them."""
    seeds = PLACE / "corpus"
    seeds.mkdir()
    for number, data in enumerate(corpus()):
        (seeds / str(number)).write_bytes(data)
    atheris.Setup([*sys.argv, str(seeds)], try_one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
