"""The benchmarks: that they measure what they say, on works whose rates are known."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from hairpin.bench import cluster_bench, learn_bench, sim_bench, soak
from hairpin.bench.machine import describe, one_core, usable_cores
from hairpin.bench.memory import MIB, MemoryWatch, Sample, tree_mb
from hairpin.bench.peer_env import CroppedTimeTrial, NextStepTimeTrial
from hairpin.bench.peers import peer
from hairpin.bench.timing import interleaved, median_ratio, rate
from hairpin.bench.training_run import TimedEvent, TrainingRun, run_training
from hairpin.bench_cmd import bench
from servers.mediamtx import Mediamtx
from sim.errors import UserError

CROP = 12


def test_rate_counts_what_was_done_per_second() -> None:
    calls = []

    def work() -> int:
        began = time.perf_counter()
        while time.perf_counter() - began < 0.01:
            pass
        calls.append(None)
        return 7

    measured = rate(work, 0.1)
    assert 7 * 10 < measured <= 7 * 100.5
    assert rate(work, 0.0) > 0.0  # at least one call, however short


def test_interleaved_takes_turns() -> None:
    order = []
    works = {name: lambda name=name: order.append(name) or 1 for name in "ab"}
    rates = interleaved(works, rounds=2, seconds=0.0)
    assert order == ["a", "b", "a", "b"]
    assert {name: len(values) for name, values in rates.items()} == {"a": 2, "b": 2}


def test_ratio_is_of_the_same_round() -> None:
    # The machine ran at half its speed in the second round: no ratio may notice.
    rates = {"a": [10.0, 5.0, 10.0], "b": [2.0, 1.0, 2.0]}
    assert median_ratio(rates, "a", "b") == 5.0


def test_one_core_holds_all_threads_and_lets_them_go() -> None:
    before = usable_cores()
    go, done = threading.Event(), threading.Event()
    seen: list[list[int]] = []

    def look() -> None:
        go.wait()
        seen.append(usable_cores())
        done.set()

    older = threading.Thread(target=look)
    older.start()
    with one_core():
        assert len(usable_cores()) == 1
        go.set()
        done.wait()
    older.join()
    assert len(seen[0]) == 1
    assert usable_cores() == before


def test_machine_is_described() -> None:
    described = describe("hairpin", "no-such-package")
    assert described["cores"] == len(usable_cores())
    assert described["cpu"]
    assert set(described["versions"]) == {"python", "hairpin"}  # type: ignore[call-overload]


def test_missing_peer_names_the_extra() -> None:
    with pytest.raises(UserError, match=r"hairpin\[bench\]"):
        peer("no_such_peer_of_hairpin")


def test_memory_counts_the_children() -> None:
    size = 200
    code = f"b = bytearray({size} * 2**20); b[::4096] = b'x' * len(b[::4096]); print(); input()"
    before = tree_mb(os.getpid())
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    with MemoryWatch(os.getpid(), every_s=0.05) as watch:
        child.stdout.readline()
        during = tree_mb(os.getpid())
        child.communicate(b"\n")
    assert size * 0.9 < during - before < size + 60
    assert watch.samples
    assert tree_mb(child.pid) == 0.0


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux only")
def test_memory_counts_shared_pages_once() -> None:
    block = np.ones(100 * MIB, np.uint8)
    before = tree_mb(os.getpid())
    child = os.fork()
    if child == 0:  # shares the block; sleeps until it is killed
        threading.Event().wait()
    try:
        assert tree_mb(os.getpid()) - before < 50
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
    assert block[0] == 1


def test_peer_environments_show_what_our_network_sees() -> None:
    env = CroppedTimeTrial(3, crop_top=CROP, track="oval")
    try:
        obs, _ = env.reset(seed=0)
        assert obs.shape == (3, *env.single_observation_space.shape) == (3, 60 - CROP, 80)
        inner = env.inner.unwrapped
        np.testing.assert_array_equal(obs, inner._world.obs[:, CROP:])
    finally:
        env.close()


def test_next_step_reset_shows_the_last_image_then_the_new_episode() -> None:
    """RLlib's own runner drops the step after an end: its image begins the next episode."""
    same = CroppedTimeTrial(2, crop_top=CROP, track="oval", episode_s=0.4)
    following = NextStepTimeTrial(2, crop_top=CROP, track="oval", episode_s=0.4)
    actions = np.array([4, 5])
    try:
        same.reset(seed=0)
        following.reset(seed=0)
        ended = 0
        for _ in range(14):
            obs, rewards, terminated, truncated, info = same.step(actions)
            seen, seen_rewards, _, seen_truncated, _ = following.step(actions)
            np.testing.assert_array_equal(rewards, seen_rewards)
            np.testing.assert_array_equal(truncated, seen_truncated)
            for car in range(2):
                last = truncated[car] or terminated[car]
                expected = info["final_obs"][car] if last else obs[car]
                np.testing.assert_array_equal(seen[car], expected)
                ended += int(last)
        assert ended == 4
    finally:
        same.close()
        following.close()


def test_sim_bench_compares_with_both_peers() -> None:
    for module in ("Box2D", "pygame", "envpool"):
        pytest.importorskip(module)
    result = sim_bench.run(cars=4, rounds=1, seconds=0.05)
    assert result.ratio_carracing > 1.0
    assert result.ratio_envpool > 0.0
    assert result.env_steps_per_s == result.rates[sim_bench.OURS] > 0.0
    assert result.ratio_160x120 == result.env_steps_per_s_160x120 / result.env_steps_per_s
    assert sum(result.shares.values()) == pytest.approx(1.0)


def test_sim_command_prints_one_json_object() -> None:
    for module in ("Box2D", "pygame", "envpool"):
        pytest.importorskip(module)
    done = CliRunner().invoke(
        bench, ["sim", "--rounds", "1", "--seconds", "0.02", "--cars", "2", "--json"]
    )
    assert done.exit_code == 0, done.output
    result = json.loads(done.stdout)
    assert {
        "env_steps_per_s",
        "ratio_carracing",
        "ratio_envpool",
        "env_steps_per_s_160x120",
        "ratio_160x120",
    } <= result.keys()


def training(*events: tuple[float, dict[str, object]]) -> TrainingRun:
    return TrainingRun([TimedEvent(time_s, record) for time_s, record in events], [], 900.0)


def test_learn_bench_finds_the_moments_that_count() -> None:
    learned = learn_bench.summarise(
        training(
            (12.0, {"event": "started"}),
            (30.0, {"event": "first_lap", "steps": 40_000}),
            (40.0, {"event": "evaluated", "steps": 60_000, "completion": 0.94}),
            (50.0, {"event": "evaluated", "steps": 80_000, "completion": 0.97}),
            (60.0, {"event": "evaluated", "steps": 99_000, "completion": 0.96}),
            (61.0, {"event": "result", "steps_per_s": 2500.0}),
        ),
        "oval",
        3,
    )
    assert (learned.startup_s, learned.first_lap_s, learned.first_lap_steps) == (12.0, 30.0, 40_000)
    assert (learned.seconds_to_95, learned.steps_to_95) == (50.0, 80_000)
    assert (learned.completion, learned.steps_per_s) == (0.96, 2500.0)


def test_learn_bench_says_none_for_what_did_not_happen() -> None:
    learned = learn_bench.summarise(training((12.0, {"event": "started"})), "oval", 0)
    assert learned.first_lap_s is None
    assert learned.seconds_to_95 is None


def test_all_tracks_are_ours_and_the_real_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(learn_bench.ROUTES_VARIABLE, str(tmp_path))
    assert learn_bench.choose_tracks([]) == ["hairpin"]
    route = tmp_path / learn_bench.REFERENCE_ROUTE
    route.touch()
    assert learn_bench.choose_tracks([]) == [str(route)]
    chosen = learn_bench.choose_tracks(["all"])
    assert str(route) in chosen
    assert len(chosen) >= 9
    assert learn_bench.choose_tracks(["oval"]) == ["oval"]


def test_soak_finds_a_slow_minute_and_a_leak() -> None:
    events = []
    steps = 0
    for second in range(180):
        slow = 60 <= second < 120
        steps += 900 if slow else 1000
        record = {"event": "iteration_done", "steps": steps, "steps_per_s": 900.0 if slow else 1e3}
        events.append(TimedEvent(10.0 + second, record))
    assert soak.rates_by_minute(events, 10.0) == pytest.approx([1000.0, 900.0, 1000.0])
    samples = [Sample(float(second), 500.0 + second / 6.0) for second in range(180)]
    assert soak.slope(samples) == pytest.approx(10.0)
    assert soak.memory_by_minute(samples) == pytest.approx([504.92, 514.92, 524.92], abs=0.01)


def test_learn_bench_passes_on_what_the_command_said() -> None:
    with pytest.raises(UserError, match="no-such-track"):
        run_training({"track": "no-such-track"})


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["learn", "--seeds", "one"], "--seeds"), (["learn", "--soak", "1"], "--soak")],
)
def test_bad_options_are_user_errors(arguments: list[str], says: str) -> None:
    done = CliRunner().invoke(bench, arguments)
    assert isinstance(done.exception, UserError)
    assert says in str(done.exception)


def test_a_real_training_is_watched() -> None:
    """The benchmarks read the command's lines: this holds them to what the command writes."""
    job = {**learn_bench.JOB, "track": "oval", "workers": 1, "cars_per_worker": 8}
    training = run_training({**job, "stop": {"steps": 2000}, "evaluate": {"starts": 2}})
    learned = learn_bench.summarise(training, "oval", 0)
    assert learned.startup_s is not None
    assert 1.0 < learned.startup_s < training.named("result")[0].time_s
    assert learned.completion is not None
    assert 0.0 <= learned.completion <= 1.0
    assert learned.steps_per_s is not None
    assert 300.0 < learned.peak_rss_mb < 5000.0
    iterations = training.named("iteration_done")
    assert iterations[-1].record["steps"] >= 2000
    (rate_of_all,) = soak.rates_by_minute(iterations, iterations[0].time_s)
    assert rate_of_all == pytest.approx(learned.steps_per_s, rel=0.01)


def test_the_reward_process_is_measured_against_the_workers_own() -> None:
    from hairpin.bench import reward_bench

    result = reward_bench.run(rounds=2, seconds=0.5)
    assert set(result.rates) == {reward_bench.PROCESS, reward_bench.INLINE}
    assert all(rate > 100.0 for rate in result.rates.values())
    assert 0.2 < result.ratio < 5.0


def test_the_video_is_measured_against_training_without(
    mediamtx: Mediamtx, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hairpin.bench import video_bench

    for name, value in mediamtx.env().items():
        monkeypatch.setenv(name, value)
    result = video_bench.run(to=mediamtx.url, rounds=2, seconds=1.0)
    assert set(result.rates) == {video_bench.WITH, video_bench.WITHOUT}
    assert all(rate > 100.0 for rate in result.rates.values())
    assert 0.2 < result.ratio < 5.0
    assert result.frames_per_s > 1.0 and result.frame_ms > 0.0


def test_the_rate_of_sampling_leaves_learning_out() -> None:
    def done(steps_per_s: float, learning: float) -> dict[str, object]:
        shares = {"physics": 0.9 - learning, "learning": learning, "sync": 0.1}
        return {"event": "iteration_done", "steps_per_s": steps_per_s, "shares": shares}

    slow = [done(1.0, 0.0)] * cluster_bench.WARM_UP
    events = [{"event": "started"}, *slow, done(1000.0, 0.4), done(1200.0, 0.3), done(900.0, 0.0)]
    assert cluster_bench.sampling_rate(events) == pytest.approx(2000.0)
    with pytest.raises(UserError, match="too few steps"):
        cluster_bench.sampling_rate(slow)
