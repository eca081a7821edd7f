"""What is sent to a cluster, how its jobs are read, and durable runs, all without a cluster."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import ray

from hairpin.durable import Over, find_begun
from hairpin.finish import RESULT_NAME
from hairpin.job import Job, usual_workers
from hairpin.job_source import load_job
from hairpin.jobs.parcel import pack, pack_resume
from hairpin.jobs.server import difference, find_address, find_token
from hairpin.jobs.state import job_of_details
from hairpin.preflight import check_workers
from sim.errors import UserError
from sim.tracks import import_route, route
from storage import Run, StorageError

REWARD = "def reward_function(params):\n    return 1.0\n"


def sent(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def parcel(tmp_path: Path) -> Path:
    folder = tmp_path / "parcel"
    folder.mkdir()
    return folder


def test_a_job_file_goes_with_the_files_it_names_and_nothing_else(
    tmp_path: Path, parcel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "job.yaml").write_text("reward: rewards/fast.py\nstop: {steps: 100}\n")
    (mine / "rewards").mkdir()
    (mine / "rewards" / "fast.py").write_text(REWARD)
    (mine / "run.bin").write_bytes(b"gigabytes")
    packed = pack(str(mine), {("seed",): 7, ("storage",): "s3://b/x"}, parcel, flags=["--durable"])
    assert sent(parcel) == {"job.yaml", "sent/fast.py"}
    shutil.rmtree(mine)
    words = shlex.split(packed.command)
    assert words[:3] == ["hairpin", "train", "."]
    assert words[words.index("--storage") + 1] == "s3://b/x" and "--durable" in words
    monkeypatch.chdir(parcel)
    options = {("reward",): words[words.index("--reward") + 1]}
    job = load_job(".", options).job
    assert Path(job.reward).read_text() == REWARD and job.stop.steps == 100


def test_a_track_that_only_this_machine_knows_is_sent(
    tmp_path: Path, parcel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HAIRPIN_HOME", str(tmp_path / "home"))
    np.save(tmp_path / "yard.npy", route("oval")[1])
    import_route(tmp_path / "yard.npy")
    packed = pack(None, {("track",): "yard", ("run",): "first"}, parcel, flags=[])
    assert sent(parcel) == {"sent/yard.npy"}
    assert packed.command == "hairpin train --track sent/yard.npy --run first"


def test_a_clone_is_looked_for_on_the_cluster(parcel: Path) -> None:
    packed = pack(None, {("clone",): "elsewhere@best"}, parcel, flags=[])
    assert "--clone elsewhere@best" in packed.command
    assert packed.notes == ["elsewhere@best is looked for on the cluster, in its storage"]
    assert (
        "--resume old --minutes 5" in pack_resume("old", {("stop", "minutes"): 5}, flags=[]).command
    )


@pytest.mark.parametrize(
    "options", [{("track",): "no-such-track"}, {("reward",): "gone.py"}, {("seed",): -1}]
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    options: dict[tuple[str, ...], object], parcel: Path
) -> None:
    with pytest.raises(UserError):
        pack(None, options, parcel, flags=[])
    with pytest.raises(StorageError):
        pack(None, {("run",): "../up"}, parcel, flags=[])


def test_the_address_and_the_token_come_from_where_rays_own_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HAIRPIN_ADDRESS", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", "10.0.0.1:6379")  # for drivers
    assert find_address(None)[0] == "http://127.0.0.1:8265"
    monkeypatch.setenv("RAY_ADDRESS", "https://ray.example/")
    assert find_address(None) == ("https://ray.example", "$RAY_ADDRESS")
    assert find_address("10.0.0.1:8265") == ("http://10.0.0.1:8265", "--address")
    for wrong in ("ray://10.0.0.1:10001", "http://", "http://host:99999"):
        with pytest.raises(UserError, match="is not the address of a job server"):
            find_address(wrong)
    assert find_token() is None
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("from-file\n")
    assert find_token() == "from-file"
    monkeypatch.setenv("RAY_AUTH_TOKEN", "from-variable")
    assert find_token() == "from-variable"
    monkeypatch.delenv("RAY_AUTH_TOKEN")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "gone"))
    with pytest.raises(UserError, match="cannot be read"):
        find_token()


def test_another_ray_on_the_cluster_is_said_with_what_to_do() -> None:
    major, minor, _ = ray.__version__.split(".")
    assert difference(f"{major}.{minor}.99") == ""
    assert f"pip install 'ray[default,rllib]=={major}.{int(minor) + 1}.0'" in difference(
        f"{major}.{int(minor) + 1}.0"
    )


def test_more_workers_than_the_cluster_can_have_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_workers(Job(workers=64))  # nobody says how many there can be
    monkeypatch.setenv("HAIRPIN_MAX_WORKERS", "4")
    check_workers(Job(workers=3, num_learners=1))
    check_workers(Job(workers=4, num_learners=1, num_gpus_per_learner=1))
    with pytest.raises(UserError, match=r"4 workers and 1 learners .* Use --workers 3"):
        check_workers(Job(workers=4, num_learners=1))
    monkeypatch.setenv("HAIRPIN_MAX_WORKERS", "many")
    with pytest.raises(UserError, match=r"\$HAIRPIN_MAX_WORKERS: 'many' is no number"):
        check_workers(Job())


@pytest.mark.parametrize(
    ("command", "run"),
    [
        ("hairpin train . --run monday", "monday"),
        ("hairpin train --resume=monday --minutes 5", "monday"),
        ("/opt/bin/hairpin train 'an unclosed quote", ""),
        ("python other.py", None),
    ],
)
def test_jobs_that_were_submitted_by_hand_are_known_by_their_command(
    command: str, run: str | None
) -> None:
    details = SimpleNamespace(
        submission_id="raysubmit_1", metadata=None, entrypoint=command, status="FAILED",
        start_time=1_000_000, end_time=1_060_000, message="a\nerror: no such track\nb",
    )  # fmt: skip
    job = job_of_details(details, now_s=5000.0)
    if run is None:
        assert job is None
        return
    assert job is not None
    assert (job.run, job.state, job.seconds) == (run, "failed", 60.0)
    assert job.problem == "no such track" and job.exit_code == 100


def test_the_workers_of_a_job_that_does_not_say_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HAIRPIN_WORKERS", "12")
    assert Job().train_settings().workers == 12
    assert Job(workers=3).train_settings().workers == 3
    monkeypatch.setenv("HAIRPIN_WORKERS", "many")
    with pytest.raises(UserError, match=r"\$HAIRPIN_WORKERS: 'many' is no number"):
        usual_workers()


def test_the_number_of_workers_may_be_in_a_file_that_changes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "workers"
    monkeypatch.setenv("HAIRPIN_WORKERS", f"@{file}")
    with pytest.raises(UserError, match=r"\$HAIRPIN_WORKERS: .*workers cannot be read"):
        usual_workers()
    for number in (4, 6):
        file.write_text(f"{number}\n", encoding="utf-8")
        assert usual_workers() == number


def job_named(run: Run, **changes: object) -> Job:
    options = {("run",): run.name, ("storage",): run.store.url, ("track",): "oval"}
    return load_job(None, options | {(key,): value for key, value in changes.items()}).job


def test_a_durable_run_is_begun_gone_on_with_or_over(make_run: Callable[..., Run]) -> None:
    run = make_run()
    assert find_begun(job_named(run), print)
    assert not find_begun(job_named(run).model_copy(update={"run": "another"}), print)
    with pytest.raises(UserError, match="begun by another job: seed differ"):
        find_begun(job_named(run, seed=5), print)
    run.put_file(RESULT_NAME, b'{"stop_reason": "stopped"}')  # by whoever drained its machine
    assert find_begun(job_named(run), print)
    run.put_file(RESULT_NAME, b'{"stop_reason": "goal"}')
    with pytest.raises(Over, match="its goal is reached"):
        find_begun(job_named(run), print)
    with pytest.raises(UserError, match=r"Name it with --run"):
        find_begun(job_named(run).model_copy(update={"run": None}), print)


def test_a_durable_run_without_a_checkpoint_is_begun_again(make_run: Callable[..., Run]) -> None:
    run = make_run()
    for name in run.checkpoints.names():
        run.store.delete_all(f"{run.name}/checkpoints/{name}")
    assert not find_begun(job_named(run), print)
    run.check_name_free()
