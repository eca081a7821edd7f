"""What a participant may send to the cluster: data, and reward functions.

A driver is not walled in as reward functions are, and Python looks for modules in the folder of its
job first. So no Python file gets there that a module could be called like, and the command is
`hairpin train` with words of which none is the shell's.
"""

from __future__ import annotations

import io
import re
import secrets
import shlex
import zipfile
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

import click

from hairpin.jobs.note import TENANT_KEY
from hairpin.jobs.server import STOP_WAIT_S
from hairpin.streaming.address import FILE
from hairpin.train_cmd import train
from hairpin.workshop.allowance import Allowance, given_by_the_workshop
from sim.errors import UserError

MAX_PACKAGE_BYTES = 16 * 2**20
MAX_UNPACKED_BYTES = 64 * 2**20
MAX_FILES = 500
DATA = (".yaml", ".yml", ".json", ".npy", ".md", ".txt", ".gitignore", ".rayignore")
REWARD = re.compile(r"reward\w*\.py")
END_NOW = ["python", "-m", "hairpin.jobs.end_now"]
_JOB = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_PACKAGE = re.compile(r"gcs://[A-Za-z0-9_.-]+\.zip")
# Of Ray's environment of a job: what says nothing, beside the folder that is sent.
_IGNORED = {"working_dir", "excludes", "env_vars", "_ray_commit"}
_SHOWN = "Use hairpin submit JOB, or ray job submit --working-dir JOB -- hairpin train ."


def check_package(data: bytes) -> None:
    """Raises `UserError` unless the ZIP file `data` has nothing but data and reward functions."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as file:
            entries = [entry for entry in file.infolist() if not entry.is_dir()]
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        raise UserError("the job's folder cannot be read as a ZIP file", where="job") from error
    size = sum(entry.file_size for entry in entries)
    if len(entries) > MAX_FILES or size > MAX_UNPACKED_BYTES:
        raise UserError(
            f"the job's folder has {len(entries)} files of {size / 1e6:.0f} MB",
            where="job",
            fix=f"At most {MAX_FILES} and {MAX_UNPACKED_BYTES / 1e6:.0f} MB may be sent; "
            "hairpin submit sends what is needed.",
        )
    for entry in entries:
        path = PurePosixPath(entry.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in entry.filename:
            raise UserError("this is not a file of the job's folder", where=entry.filename)
        if path.suffix not in DATA and path.name not in DATA and not REWARD.fullmatch(path.name):
            raise UserError(
                "a workshop takes no such file",
                where=entry.filename,
                fix=f"It takes reward*.py, {', '.join(DATA[:6])}; hairpin submit sends what is "
                "needed.",
            )


def check_request(said: Mapping[str, Any], tenant: str) -> dict[str, Any]:
    """A participant's request for a job, as it goes to Ray.

    Args:
        said: What they sent to Ray's job API.
        tenant: Whose it is.

    Raises:
        UserError: It is not for a training.
    """
    environment = said.get("runtime_env") or {}
    extra = sorted(set(environment) - _IGNORED)
    if extra:
        raise UserError(f"{', '.join(extra)} cannot be set in a workshop", where="runtime_env")
    ours: dict[str, Any] = {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S)}}
    if "working_dir" in environment:
        package = str(environment["working_dir"])
        if not _PACKAGE.fullmatch(package):
            raise UserError("this is not a folder that was sent", where="working_dir", fix=_SHOWN)
        ours["working_dir"] = package
    metadata = {str(key): str(value) for key, value in (said.get("metadata") or {}).items()}
    if metadata.get(TENANT_KEY, tenant) != tenant:
        raise UserError(
            f"this password is {tenant}'s, not {metadata[TENANT_KEY]}'s",
            where="--as",
            fix="Leave --as out.",
        )
    # A request without a name leaves it to the server.
    job = str(said.get("submission_id") or said.get("job_id") or f"job-{secrets.token_hex(6)}")
    return {
        "entrypoint": _command(str(said.get("entrypoint", "")), tenant),
        "submission_id": job_at_ray(job, tenant),
        "runtime_env": ours,
        "metadata": {**metadata, TENANT_KEY: tenant},
    }


def job_at_ray(job: str, tenant: str) -> str:
    """What Ray calls a participant's job; raises `UserError` if no job can be called so."""
    if not _JOB.fullmatch(job):
        raise UserError(f"{job!r} cannot be a job's name", where="--submission-id")
    return f"{tenant}.{job.removeprefix(f'{tenant}.')}"


def check_options(command: str, allowance: Allowance) -> None:
    """Raises `UserError` if a command's options are not those of a training that may be.

    What a job file says is not looked at here: the training itself does.

    Args:
        command: A checked request's.
        allowance: The participant's.
    """
    try:
        options = train.make_context("hairpin train", shlex.split(command)[2:]).params
    except click.ClickException as error:
        raise UserError(error.format_message().rstrip("."), where="hairpin train") from error
    except click.exceptions.Exit as error:
        raise UserError("nothing is trained with --help", where="hairpin train") from error
    for name in ("storage", "address", "metrics_port"):
        if options[name] is not None:
            raise given_by_the_workshop(f"--{name.replace('_', '-')}")
    if options["video"] not in (None, FILE):
        raise given_by_the_workshop("--video")
    if options["workers"] is not None:
        allowance.check_workers(options["workers"])


def is_training(command: str) -> bool:
    """Whether a checked request's command is a training, and not the end of one."""
    return command.startswith("hairpin ")


def _command(text: str, tenant: str) -> str:
    try:
        words = shlex.split(text)
    except ValueError:
        words = []
    if words[:-1] == END_NOW:  # hairpin stop --now
        return shlex.join([*END_NOW, job_at_ray(words[-1], tenant)])
    if words[:2] != ["hairpin", "train"]:
        raise UserError("a workshop runs nothing but hairpin train", where="command", fix=_SHOWN)
    return shlex.join(words)
