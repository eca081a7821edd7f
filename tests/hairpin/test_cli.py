"""The command as a whole: help, lazy imports, faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from hairpin import __version__
from hairpin.cli import COMMANDS, FAULT, cli, run

HEAVY = {"ray", "torch", "numba", "pybullet", "matplotlib", "cv2", "numpy", "pydantic", "rich"}


def with_subcommands(name: str) -> list[list[str]]:
    """A command, and if it is a group all that are in it, as one types them."""
    command = cli.get_command(click.Context(cli), name)
    inner = command.commands if isinstance(command, click.Group) else {}
    return [[name], *([name, each] for each in inner)]


def modules_after(*lines: list[str]) -> set[str]:
    """What is imported when command lines have been run to their end."""
    code = (
        "import sys; from hairpin.cli import run; "
        f"failed = any([run(line) for line in {list(lines)!r}]); "
        "print(*sys.modules); sys.exit(failed)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("name", COMMANDS)
def test_help_imports_nothing_heavy(name: str) -> None:
    lines = [[*words, "--help"] for words in with_subcommands(name)]
    assert modules_after(["--version"], ["--help"], *lines) & HEAVY == set()


def test_the_overview_names_every_command() -> None:
    result = CliRunner().invoke(cli, ["--help"])
    assert result.exit_code == 0
    for name, (_, line) in COMMANDS.items():
        assert f"{name} " in result.output
        assert line in result.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples(name: str) -> None:
    for words in with_subcommands(name):
        result = CliRunner().invoke(cli, [*words, "--help"])
        assert result.exit_code == 0
        assert f"hairpin {' '.join(words)}" in result.output.partition("Examples:")[2]


def test_the_version_is_said() -> None:
    assert __version__ in CliRunner().invoke(cli, ["--version"]).output


def test_a_fault_of_ours_is_short_and_leaves_its_traceback_in_a_file(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("nobody thought of this")

    monkeypatch.setattr("hairpin.doctor.machine.examine", broken)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert run(["doctor"]) == FAULT
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "ZeroDivisionError: nobody thought of this" in said
    path = Path(said.split()[-1])
    assert "in broken" in path.read_text()


def test_ctrl_c_is_no_traceback(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hairpin.doctor.machine.examine", interrupted)
    assert run(["doctor"]) == 130
    assert capsys.readouterr().err.strip() == "interrupted"


def test_a_reader_of_a_pipe_may_leave(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"run{number}").mkdir()
        (tmp_path / f"run{number}" / "job.json").write_text("{}")
    code = "import sys, time\nfrom hairpin.cli import main\nsys.stdin.read()\nmain(['runs'])"
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "HAIRPIN_STORAGE": str(tmp_path)},
    )
    assert child.stdout is not None
    child.stdout.close()
    child.stdout = None
    _, errors = child.communicate()
    assert errors == b""


def test_the_doctor_names_what_it_looked_at(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["doctor", "--json", "--storage", str(tmp_path)])
    answer = json.loads(result.stdout)
    checks = {check["name"]: check for check in answer["checks"]}
    assert {"python", "packages", "cores", "memory", "storage", "ray", "video", "gpu"} <= set(
        checks
    )
    assert {check["status"] for check in checks.values()} <= {"ok", "warn", "fail"}
    assert all(check["advice"] for check in checks.values() if check["status"] != "ok")
    assert checks["storage"]["status"] == "ok"


def test_the_doctor_exits_with_2_when_something_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    assert run(["doctor", "--storage", str(tmp_path / "file")]) == 2
    assert "fail  storage" in capsys.readouterr().out


def test_the_resolved_job_is_printed_and_nothing_is_begun(tmp_path: Path) -> None:
    args = ["train", "--track", "oval", "--show-job", "--storage", str(tmp_path / "runs")]
    result = CliRunner().invoke(cli, args)
    assert result.exit_code == 0
    written = tmp_path / "job.yaml"
    written.write_text(result.stdout)
    again = CliRunner().invoke(cli, ["train", str(written), "--show-job"])

    def without_sources(text: str) -> list[str]:
        return [line.partition("  # ")[0] for line in text.splitlines()]

    assert without_sources(again.stdout) == without_sources(result.stdout)
    assert f"track: oval  # {written}, line " in again.stdout
    job = json.loads(CliRunner().invoke(cli, [*args, "--json"]).stdout)
    assert (job["track"], job["storage"]) == ("oval", str(tmp_path / "runs"))
    assert job["workers"] >= 1
    assert not (tmp_path / "runs").exists()
