"""Starting from another run's weights: what fits is kept, what does not is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hairpin.clone import find_clone
from hairpin.job import Job
from hairpin.job_source import load_job
from hairpin.kept import KEPT
from hairpin.preflight import create_run, prepare
from hairpin.resume import job_to_resume
from sim.errors import UserError
from storage import NotFoundError, Run, open_store


@pytest.fixture
def source(make_run: Callable[..., Run]) -> Run:
    return make_run("source")


def job(source: Run, **values: object) -> Job:
    return Job(storage=source.store.url, clone="source", **values)  # type: ignore[arg-type]


def test_the_same_actions_take_everything_and_say_nothing(source: Run) -> None:
    clone = find_clone(job(source), source.store)
    assert clone is not None
    assert clone.notes == []
    assert "policy.weight" in clone.weights
    assert clone.origin.startswith("source@00001-step-")


def test_other_actions_are_said(source: Run) -> None:
    fewer = {"type": "discrete", "speed_mps": [1.0]}
    others = {"type": "discrete", "speed_mps": [1.5, 3.0]}
    for actions, words in [
        (fewer, "policy head, which begins anew"),
        ({"type": "continuous"}, "policy head, which begins anew"),
        (others, "mean other angles or speeds"),
    ]:
        clone = find_clone(job(source, actions=actions), source.store)
        assert clone is not None
        assert words in clone.notes[0]


def test_another_network_and_what_is_not_there_are_refused(source: Run) -> None:
    with pytest.raises(UserError, match="network 'fast', and this job 'deepracer'"):
        find_clone(job(source, preset="deepracer"), source.store)
    for reference, words in [("sauce", "no run 'sauce'"), ("source@17", "no checkpoint '17'")]:
        with pytest.raises(NotFoundError, match=words):
            find_clone(Job(clone=reference), source.store)


def test_what_is_not_said_is_as_in_the_other_run(
    make_run: Callable[..., Run], tmp_path: Path
) -> None:
    reward = tmp_path / "fast.py"
    reward.write_text("def reward_function(params):\n    return params['speed']\n")
    first = make_run("first", track="bowtie", reward=str(reward))
    storage = {("storage",): first.store.url}
    loaded = load_job(None, {("clone",): "first", ("track",): "oval"} | storage)
    assert (loaded.job.track, loaded.job.run, loaded.job.stop.minutes) == ("oval", None, 10.0)
    assert Path(loaded.job.reward).read_text() == reward.read_text()
    assert loaded.sources["reward"] == "run first"
    assert loaded.sources["track"] == "--track"
    assert loaded.sources["run"] == "default"
    assert any("as in run first" in note for note in loaded.notes)

    second = create_run(prepare(loaded.job.model_copy(update={"run": "second"})))
    second.end_writing()
    file = tmp_path / "job.yaml"
    file.write_text("clone: second\nppo: {epochs: 7}\nactions: {type: continuous}\n")
    again = load_job(str(file), storage)
    assert (again.job.track, again.job.ppo.epochs) == ("oval", 7)
    assert again.job.actions.type == "continuous"
    assert again.job.reward == second.locate("reward_function.py")
    assert again.sources["ppo.epochs"] == f"{file}, line 2"
    assert again.sources["ppo.gamma"] == "run second"
    file.write_text("clone: 3\n")
    with pytest.raises(UserError, match="clone: 3 is not text"):
        load_job(str(file), storage)
    with pytest.raises(NotFoundError, match="no run 'third'"):
        load_job(None, {("clone",): "third"} | storage)


def test_a_checkpoint_is_named_by_its_steps_and_the_origin_is_kept(
    source: Run, tmp_path: Path
) -> None:
    prepared = prepare(
        Job(storage=source.store.url, clone="source@24576", run="new", track="bowtie")
    )
    run = create_run(prepared)
    run.end_writing()
    again = Run.open(open_store(source.store.url), "new")
    assert again.about()["cloned_from"] == "source@00001-step-24576"
    assert prepared.clone is not None


def test_a_kept_run_that_had_not_begun_still_starts_from_the_other(source: Run) -> None:
    run = create_run(prepare(Job(storage=source.store.url, clone="source", run="new")))
    run.put_file(KEPT, b"{}")
    run.end_writing()
    job, run = job_to_resume("new", None, {("storage",): source.store.url})
    assert run.checkpoints.names() == []
    clone = find_clone(job, run.store)
    assert clone is not None and clone.origin == "source@00001-step-24576"
