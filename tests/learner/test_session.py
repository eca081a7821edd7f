"""Training sessions on the simulator: what they keep, when they stop, and how they go on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from learner.events import (
    CheckpointSaved,
    Ended,
    Evaluated,
    Event,
    IterationDone,
    Result,
    RewardFailed,
    Started,
)
from learner.session import train
from learner.settings import EvaluateSettings, PPOSettings, StopSettings, TrainSettings
from learner.state import read_weights
from rollout_workers.network import NETWORKS
from rollout_workers.policy import Policy
from sim.actions import make_actions
from sim.settings import WorldSettings
from storage import LocalStore, Run

pytestmark = pytest.mark.usefixtures("local_ray")

ENDS = {"off_track", "lap_complete", "immobilized", "reversed", "time_up"}
BATCH = 4 * 16  # environment steps of an iteration
Train = Callable[..., tuple[Result, list[Event]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(LocalStore(tmp_path), "first", {})


@pytest.fixture
def go(run: Run) -> Train:
    """Trains a little; keyword arguments change the settings, or the call of `train`."""

    def start(resume: bool = False, should_stop=lambda: None, clone=None, on_event=None, **changes):
        values = {
            "world": WorldSettings(episode_s=2.0),
            "workers": 1,
            "cars_per_worker": 4,
            "ppo": PPOSettings(fragment_steps=16, minibatch_size=32, threads=1),
            "evaluate": EvaluateSettings(every_s=3600.0, starts=3),
        }
        events: list[Event] = []
        result = train(
            TrainSettings(**(values | changes)),
            run,
            resume=resume,
            clone=clone,
            on_event=on_event or events.append,
            should_stop=should_stop,
        )
        return result, events

    return start


def of_kind(events: list[Event], kind: type) -> list:
    return [event for event in events if isinstance(event, kind)]


def test_steps_end_a_run_and_a_resume_goes_on(run: Run, go: Train) -> None:
    result, events = go(stop=StopSettings(steps=2 * BATCH + 1))
    assert result.stop_reason == "steps"
    assert result.steps == 3 * BATCH  # whole iterations; the evaluation's steps don't count
    assert isinstance(events[0], Started)
    assert [e.iteration for e in of_kind(events, IterationDone)] == [1, 2, 3]
    evaluated = of_kind(events, Evaluated)
    assert len(evaluated) == 1 and evaluated[0].trials == 3 and evaluated[0].best
    assert result.completion == evaluated[0].completion
    saved = of_kind(events, CheckpointSaved)
    assert saved[0].best

    info, files = run.read_checkpoint("latest")
    assert info.step == result.steps
    assert run.read_checkpoint("best")[0].name == saved[0].name
    policy = Policy(NETWORKS["fast"], make_actions(WorldSettings().actions).space)
    policy.set_weights(read_weights(files))  # complete, without torch or Ray

    result, events = go(resume=True, stop=StopSettings(steps=4 * BATCH))
    assert isinstance(events[0], Started) and events[0].resumed_from == info.name
    assert [e.iteration for e in of_kind(events, IterationDone)] == [4]
    assert result.steps == 4 * BATCH
    assert result.seconds > info.meta["seconds"]
    assert [e.reason for e in of_kind(events, Ended)] == ["steps"]


def test_a_resume_says_how_many_damaged_checkpoints_it_passed_over(run: Run, go: Train) -> None:
    go(stop=StopSettings(steps=1))
    go(resume=True, stop=StopSettings(steps=BATCH + 1))
    first, second = run.checkpoints.names()
    weights = run.local_path(f"checkpoints/{second}/policy.safetensors")
    assert weights is not None
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    _, events = go(resume=True, stop=StopSettings(steps=BATCH + 1))
    (started,) = of_kind(events, Started)
    assert (started.resumed_from, started.damaged_checkpoints) == (first, 1)


def test_a_loss_that_is_not_finite_is_told_as_the_end(run: Run, go: Train) -> None:
    events: list[Event] = []
    broken = {"hidden.bias": np.full(NETWORKS["fast"].hidden, np.nan, np.float32)}
    go(stop=StopSettings(steps=1))
    weights = {**read_weights(run.read_checkpoint("latest")[1]), **broken}
    with pytest.raises(FloatingPointError):
        go(clone=weights, on_event=events.append, stop=StopSettings(steps=1))
    assert [e.reason for e in of_kind(events, Ended)] == ["nan"]


def test_a_wish_to_stop_is_heard_and_everything_is_saved(run: Run, go: Train) -> None:
    result, events = go(should_stop=lambda: "stopped")
    assert result.stop_reason == "stopped"
    assert run.read_checkpoint("latest")[0].step == result.steps == BATCH
    told = [type(event) for event in events]
    # Whoever asked may kill it soon.
    assert told.index(CheckpointSaved) < told.index(Evaluated)


def test_what_is_drained_saves_and_does_no_more(run: Run, go: Train) -> None:
    result, events = go(should_stop=lambda: "drained")
    assert result.stop_reason == "drained"
    assert run.read_checkpoint("latest")[0].step == BATCH
    assert not of_kind(events, Evaluated)
    assert [event.reason for event in of_kind(events, Ended)] == ["drained"]


def test_a_goal_ends_a_run_at_the_first_evaluation_that_reaches_it(go: Train) -> None:
    evaluate = EvaluateSettings(every_s=0.001, starts=2)
    result, events = go(evaluate=evaluate, stop=StopSettings(until="completion=0.0001"))
    assert result.stop_reason == "goal"
    assert result.steps == BATCH
    assert len(of_kind(events, Evaluated)) == 1


def test_minutes_end_a_run(go: Train) -> None:
    result, _ = go(stop=StopSettings(minutes=1e-6))
    assert result.stop_reason == "minutes"
    assert result.steps == BATCH


def test_too_many_reward_failures_stop_the_run_and_say_why(
    run: Run, go: Train, tmp_path: Path
) -> None:
    reward = tmp_path / "broken.py"
    reward.write_text("def reward_function(params):\n    return params['no_such_key']\n")
    world = WorldSettings(episode_s=2.0, reward=str(reward))
    result, events = go(world=world, stop=StopSettings(steps=10_000))
    assert result.stop_reason == "reward"
    assert result.error is not None
    assert f"in {BATCH} of {BATCH} steps" in result.error and "KeyError" in result.error
    failed = of_kind(events, RewardFailed)
    assert len(failed) == 1 and "no_such_key" in failed[0].error.traceback
    assert run.read_checkpoint("latest")[0].step == BATCH


def test_continuous_actions_train_too(go: Train) -> None:
    actions = {"type": "continuous", "steering_deg": (-20.0, 20.0), "speed_mps": (0.5, 1.5)}
    world = WorldSettings.model_validate({"episode_s": 2.0, "actions": actions})
    result, events = go(world=world, stop=StopSettings(steps=2 * BATCH))
    assert result.steps == 2 * BATCH
    assert of_kind(events, IterationDone)[-1].losses["entropy"] != 0.0


def test_whole_episodes_train_and_go_on(go: Train) -> None:
    ppo = PPOSettings(episodes_per_iteration=6, max_iteration_steps=150, minibatch_size=32)
    result, events = go(ppo=ppo, stop=StopSettings(steps=250))
    done = of_kind(events, IterationDone)
    assert len(done) >= 2
    for iteration in done:
        assert len(iteration.episodes) == 6
        assert all(episode.end_reason in ENDS for episode in iteration.episodes)
    assert result.steps == sum(e.steps for i in done for e in i.episodes)
    driven = sum(episode.steps for episode in done[0].episodes)
    assert done[0].dropped_steps == max(0, driven - 150)
    starts = [episode.start_m for iteration in done for episode in iteration.episodes]
    result, events = go(ppo=ppo, resume=True, stop=StopSettings(steps=result.steps + 1))
    (more,) = of_kind(events, IterationDone)
    # The resumed run goes on with the next start, 5 % of the lap after the last one's.
    step = starts[1] - starts[0] if starts[1] > starts[0] else starts[2] - starts[1]
    gone = (more.episodes[0].start_m - starts[-1]) % (20 * step)
    assert gone == pytest.approx(step)


def test_a_clone_starts_with_the_weights_and_no_counters(run: Run, go: Train) -> None:
    go(stop=StopSettings(steps=1))
    weights = read_weights(run.read_checkpoint("latest")[1])
    still = PPOSettings(fragment_steps=16, minibatch_size=32, learning_rate=1e-12)
    result, events = go(clone=weights, ppo=still, stop=StopSettings(steps=1))
    assert result.steps == BATCH
    assert of_kind(events, IterationDone)[0].iteration == 1
    found = read_weights(run.read_checkpoint("latest")[1])
    for name in ("convs.0.weight", "hidden.weight", "policy.weight", "policy.bias"):
        np.testing.assert_allclose(found[name], weights[name], atol=1e-6, err_msg=name)
