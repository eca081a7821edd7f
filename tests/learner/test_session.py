"""Training sessions: what they keep, when they stop, and how they go on."""

from __future__ import annotations

from pathlib import Path

import pytest

from learner.events import (
    CheckpointSaved,
    Evaluated,
    IterationDone,
    RewardFailed,
    Started,
)
from learner.session import train
from learner.settings import EvaluateSettings, StopSettings
from learner.state import read_weights
from rollout_workers.network import NETWORKS
from rollout_workers.policy import Policy
from sim.actions import make_actions
from sim.settings import WorldSettings
from storage import LocalStore, Run

pytestmark = pytest.mark.usefixtures("local_ray")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(LocalStore(tmp_path), "first", {})


def test_steps_end_a_run_and_a_resume_goes_on(run: Run, toy) -> None:
    events: list[object] = []
    settings = toy.settings(stop=StopSettings(steps=600))
    result = train(settings, run, on_event=events.append, world_factory=toy.world)
    assert result.stop_reason == "steps"
    assert result.steps == 3 * 256  # whole iterations
    assert isinstance(events[0], Started)
    assert [e.iteration for e in events if isinstance(e, IterationDone)] == [1, 2, 3]
    info, files = run.read_checkpoint("latest")
    assert info.step == result.steps
    policy = Policy(NETWORKS["fast"], make_actions(settings.world.actions).space)
    policy.set_weights(read_weights(files))

    events.clear()
    settings = toy.settings(stop=StopSettings(steps=1000))
    result = train(settings, run, resume=True, on_event=events.append, world_factory=toy.world)
    assert isinstance(events[0], Started) and events[0].resumed_from == info.name
    assert [e.iteration for e in events if isinstance(e, IterationDone)] == [4]
    assert result.steps == 4 * 256
    assert result.seconds > info.meta["seconds"]


def test_a_wish_to_stop_is_heard_and_everything_is_saved(run: Run, toy) -> None:
    settings = toy.settings(stop=StopSettings(minutes=5.0))
    result = train(settings, run, should_stop=lambda: True, world_factory=toy.world)
    assert result.stop_reason == "stopped"
    assert run.read_checkpoint("latest")[0].step == result.steps == 256


def test_too_many_reward_failures_stop_the_run_and_say_why(run: Run, toy) -> None:
    events: list[object] = []
    world = WorldSettings(start_offset=0.5)  # the toy world's sign for a broken reward
    settings = toy.settings(world=world, stop=StopSettings(steps=10_000))
    result = train(settings, run, on_event=events.append, world_factory=toy.world)
    assert result.stop_reason == "reward"
    assert result.error is not None and "256 of 256 steps" in result.error
    assert "ValueError" in result.error
    assert len([e for e in events if isinstance(e, RewardFailed)]) == 1
    assert run.read_checkpoint("latest")[0].step == 256


def test_the_simulator_is_trained_evaluated_and_the_best_is_kept(run: Run, toy) -> None:
    events: list[object] = []
    settings = toy.settings(
        world=WorldSettings(episode_s=4.0),
        stop=StopSettings(steps=1, until="completion=1.0"),
        evaluate=EvaluateSettings(every_s=0.001, starts=3),
    )
    result = train(settings, run, on_event=events.append)
    evaluations = [e for e in events if isinstance(e, Evaluated)]
    assert evaluations[0].trials == 3 and evaluations[0].best
    assert result.completion == evaluations[0].completion > 0.0
    saved = [e for e in events if isinstance(e, CheckpointSaved)]
    assert saved[0].best
    assert run.read_checkpoint("best")[0].name == saved[0].name
    assert result.steps == 256  # the evaluation's steps are not counted
