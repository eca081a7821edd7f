"""`hairpin bench scale`: the sum on paper, and that what is in it is measured."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from hairpin.bench.scale_bench import ScaleResult, moved_bytes, needs

ONE = ScaleResult(
    worker_steps_per_s=1000.0,
    learner_steps_per_s=4000.0,
    fragment_steps=500,
    fragment_bytes=2_500_000,
    weights_bytes=1_000_000,
    join_bytes_per_s=1e9,
    call_s=0.001,
    broadcast_s={4: 0.01},
    head_bytes=500_000.0,
    head_connections=2.0,
    machine={},
)


def test_an_iteration_is_the_sum_of_its_parts() -> None:
    need = needs(ONE, 8, gigabits=1.0, workers_per_machine=4)
    assert need.sampling_s == 0.5  # whatever their number is
    assert need.network_s == pytest.approx((8 * 2.5e6 + 2 * 1e6) / 125e6)
    assert need.driver_s == pytest.approx(2 * 8 * 0.001 + 8 * 2.5e6 / 1e9)
    assert need.learning_s == pytest.approx(8 * 500 / 4000)
    whole_s = 0.5 + need.network_s + need.driver_s + need.learning_s
    assert need.steps_per_s == pytest.approx(8 * 500 / whole_s)
    assert (need.batch_bytes, need.head_bytes) == (8 * 2.5e6, 8 * 5e5)
    assert need.slowest == "learning"


def test_a_faster_learner_leaves_the_network_as_the_slowest() -> None:
    need = needs(ONE, 256, gigabits=1.0, learner_steps_per_s=1e6)
    assert need.slowest == "network"
    assert needs(ONE, 256, gigabits=100.0, learner_steps_per_s=1e9).slowest == "driver"
    assert needs(ONE, 1, gigabits=100.0, learner_steps_per_s=1e9).slowest == "sampling"


def test_what_moves_is_arrays_and_little_else() -> None:
    array = np.zeros(1_000_000, np.uint8)
    assert array.nbytes < moved_bytes({"obs": array}) < array.nbytes + 500


@pytest.mark.slow
def test_it_measures_everything_that_the_sum_needs() -> None:
    few = ["--seconds", "0.1", "--actors", "2", "--json"]
    command = [sys.executable, "-m", "hairpin", "bench", "scale", *few]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout)
    for name in ("worker_steps_per_s", "learner_steps_per_s", "join_bytes_per_s", "call_s"):
        assert found[name] > 0.0, name
    pixels = 80 * 40  # of an observation at the least: the sky is not sent
    assert found["fragment_bytes"] > pixels * found["fragment_steps"]
    assert found["weights_bytes"] > 100_000
    assert all(seconds > 0.0 for seconds in found["broadcast_s"].values())
    assert found["head_connections"] >= 0.0
