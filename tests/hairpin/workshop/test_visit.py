"""A participant's driver: as whom it reaches the store, and what its job may not say."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hairpin.job_source import load_job
from hairpin.resume import job_to_resume
from hairpin.workshop.rules import Rules, read_rules
from hairpin.workshop.visit import Visit, begin_visit, check_walls
from sim.errors import UserError
from storage import Run

REWARD = "def reward_function(params):\n    return 1.0\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workshop on this machine, with anna in it, and her job's folder as the current one."""
    folder = tmp_path / "workshop"
    folder.mkdir()
    write_rules(folder)
    (folder / "anna").write_text("password-of-anna\n")
    (folder / "bert").write_text("password-of-bert\n")
    monkeypatch.setenv("HAIRPIN_WORKSHOP", str(folder))
    monkeypatch.setenv("HAIRPIN_STORAGE", str(tmp_path / "runs"))
    monkeypatch.delenv("HAIRPIN_VIDEO", raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.setenv(name, "the-cluster's")
    monkeypatch.setenv("HAIRPIN_WORKERS", "64")
    (tmp_path / "job").mkdir()
    monkeypatch.chdir(tmp_path / "job")
    (tmp_path / "job" / "reward.py").write_text(REWARD)
    return folder


def write_rules(folder: Path, **anna: Any) -> None:
    limits = {"workers": 2, "minutes": 60, "bytes": 1_000_000}
    rules = {"workers": 8, "limits": limits, "participants": {"anna": anna, "bert": {}}}
    (folder / "rules.json").write_text(json.dumps(rules))


def come(monkeypatch: pytest.MonkeyPatch, tenant: str | None) -> Visit:
    metadata = {"job_submission_id": "x"} | ({"hairpin_tenant": tenant} if tenant else {})
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", json.dumps({"metadata": metadata}))
    visit = begin_visit()
    assert visit is not None
    return visit


def test_a_participants_driver_has_their_key_folder_and_video_path(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAIRPIN_VIDEO", "rtsp://video:8554/team")
    visit = come(monkeypatch, "anna")
    assert os.environ["AWS_ACCESS_KEY_ID"] == "tenant-anna"
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "password-of-anna"
    assert "AWS_SESSION_TOKEN" not in os.environ
    assert os.environ["HAIRPIN_STORAGE"] == str(tmp_path / "runs" / "tenants" / "anna")
    assert os.environ["HAIRPIN_VIDEO"] == "rtsp://video:8554/team/anna"
    assert load_job(None, {}).job.train_settings().workers == 2
    assert "password" not in repr(visit)


def test_a_store_that_makes_up_its_keys_is_asked_with_those(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "anna.access-key-id").write_text("AKIA1")
    (folder / "anna.secret-access-key").write_text("made-up")
    come(monkeypatch, "anna")
    assert os.environ["AWS_ACCESS_KEY_ID"] == "AKIA1"
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "made-up"


def test_a_training_of_nobody_in_particular_is_as_it_was_but_for_its_workers(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = come(monkeypatch, None)
    assert os.environ["AWS_ACCESS_KEY_ID"] == "the-cluster's"
    assert os.environ["HAIRPIN_STORAGE"] == str(tmp_path / "runs")
    assert load_job(None, {}).job.train_settings().workers == 2
    visit.check_job(load_job(None, {("workers",): 8, ("metrics_port",): 9999}).job)
    with pytest.raises(UserError, match="9 workers are asked for and the cluster has room for 8"):
        visit.check_job(load_job(None, {("workers",): 9}).job)


def test_who_does_not_take_part_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r"'ana' does not take part.*Did you mean 'anna'"):
        come(monkeypatch, "ana")
    (folder / "bert").unlink()
    with pytest.raises(UserError, match="bert: this cannot be read"):
        come(monkeypatch, "bert")
    (folder / "rules.json").write_text('{"workers": 0}')
    with pytest.raises(UserError, match=r"rules.json: the workshop's rules cannot be read"):
        come(monkeypatch, "anna")
    monkeypatch.delenv("HAIRPIN_WORKSHOP")
    with pytest.raises(UserError, match="this cluster has no workshop"):
        come(monkeypatch, "anna")


@pytest.mark.parametrize(
    ("way", "value", "said"),
    [
        (("workers",), 3, "3 workers are asked for and anna may have 2. Use --workers 2"),
        (("address",), "local", "address: is given by the workshop"),
        (("metrics_port",), 9400, "metrics_port: is given by the workshop"),
        (("video", "to"), "rtsp://elsewhere", "video.to: is given by the workshop"),
        (("storage",), "s3://races", "storage: is given by the workshop"),
        (("reward",), "../workshop/bert", "reward: this names a file that is not in the job's"),
        (("reward",), "/proc/self/environ", "reward: this names a file that is not in the job's"),
        (("track",), "/tmp/../etc/x.npy", "track: this names a file that is not in the job's"),
    ],
)
def test_what_is_not_a_participants_to_say_is_refused(
    way: tuple[str, ...],
    value: Any,
    said: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    visit = come(monkeypatch, "anna")
    visit.check_job(load_job(None, {("reward",): "reward.py", ("workers",): 2}).job)
    with pytest.raises(UserError, match=said):
        visit.check_job(load_job(None, {way: value}).job)


def test_links_and_folders_that_lead_elsewhere_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    visit = come(monkeypatch, "anna")
    Path("link.py").symlink_to(folder / "bert")
    with pytest.raises(UserError, match="not in the job's folder"):
        visit.check_job(load_job(None, {("reward",): "link.py"}).job)
    visit.check_said(".", None)
    for source, storage in (("..", None), (str(folder), None), (None, "s3://races")):
        with pytest.raises(UserError):
            visit.check_said(source, storage)


def test_a_run_whose_stored_job_was_changed_is_not_gone_on_with(
    folder: Path,
    tmp_path: Path,
    make_run: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = make_run(storage=str(tmp_path / "runs" / "tenants" / "anna"))
    write_rules(folder, bytes=1_000_000_000)
    visit = come(monkeypatch, "anna")
    job, _ = job_to_resume(run.name, None, {("stop", "steps"): 10**9}, visit.check_job)
    assert job.run == run.name
    changed = {**run.job(), "reward": str(folder / "bert")}
    run.store.put(f"{run.name}/job.json", json.dumps(changed).encode())
    with pytest.raises(UserError, match="reward: this names a file") as refused:
        job_to_resume(run.name, None, {("stop", "steps"): 10**9}, visit.check_job)
    assert "password-of-bert" not in str(refused.value)


def test_who_has_used_up_the_minutes_or_keeps_too_much_is_told(
    folder: Path,
    tmp_path: Path,
    make_run: Callable[..., Run],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    visit = come(monkeypatch, "anna")
    visit.check_used(59.9)
    with pytest.raises(UserError, match=r"anna has used 60.0 of 60 minutes.*Your teacher can"):
        visit.check_used(60.0)
    write_rules(folder, minutes=90)  # which the teacher raises while it runs
    visit.check_used(60.0)
    write_rules(folder, minutes=None)
    visit.check_used(1e6)
    make_run(storage=str(tmp_path / "runs" / "tenants" / "anna"))
    make_run("more", storage=str(tmp_path / "runs"))  # not hers
    visit.check_stored()
    write_rules(folder, bytes=visit.stored_bytes())
    with pytest.raises(UserError, match=r"anna keeps .* MB of runs. Make room: hairpin storage rm"):
        visit.check_job(load_job(None, {}).job)


def test_a_kernel_without_the_wall_around_files_has_no_workshop() -> None:
    check_walls(["limits", "files"])
    with pytest.raises(UserError, match="could read the keys of the others"):
        check_walls(["limits", "network", "processes"])


def test_limits_of_one_participant_go_before_those_of_all(folder: Path) -> None:
    write_rules(folder, workers=4, minutes=None)
    rules = read_rules(folder)
    assert (rules.workers_of("anna"), rules.of("anna").minutes) == (4, None)
    assert (rules.workers_of("bert"), rules.of("bert").minutes) == (2, 60)
    assert (rules.workers_of(""), rules.usual_workers("")) == (8, 2)
    assert Rules(workers=3).usual_workers("") == 1
