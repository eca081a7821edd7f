"""The job server of a Ray cluster, through Ray's own client."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import secrets
import shlex
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hairpin.jobs.note import RUN_KEY, TENANT_KEY
from hairpin.jobs.state import ClusterJob, job_of_details
from sim.errors import UserError

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
CONNECT_TIMEOUT_S = 5.0
LOST_AFTER_S = 180.0  # without an answer, following a log is given up; a new head takes a while
POLL_S = 0.5
# These tell on stderr of the folder that is sent.
_TALKATIVE = (
    "ray.dashboard.modules.dashboard_sdk",
    "ray.dashboard.modules.job.sdk",
    "ray._private.runtime_env.packaging",
)
STOP_WAIT_S = 300  # a driver that was asked to stop may save, evaluate and draw for so long
_REFUSED = re.compile(r"Request failed with status code (400|502): (?P<why>.*)\.")
_TOKEN_FIX = (
    "Set RAY_AUTH_TOKEN to the cluster's token, or RAY_AUTH_TOKEN_PATH to a file that holds it."
)


def find_address(given: str | None) -> tuple[str, str]:
    """The job server's address, and where it was said.

    Raises:
        UserError: What was given is no such address.
    """
    said = [(given, "--address"), (os.environ.get("HAIRPIN_ADDRESS"), "$HAIRPIN_ADDRESS")]
    # $RAY_ADDRESS may be the address for drivers on the cluster, which is none of a job server.
    ray_address = os.environ.get("RAY_ADDRESS", "")
    said.append((ray_address if ray_address.startswith("http") else None, "$RAY_ADDRESS"))
    address, where = next(((a, w) for a, w in said if a), (DEFAULT_ADDRESS, "the default address"))
    if "://" not in address:
        address = f"http://{address}"
    parts = urlsplit(address)
    try:
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # no number, or too large a one
        usable = False
    if not usable:
        raise UserError(
            f"{address!r} is not the address of a job server",
            where=where,
            fix="Give that of the cluster's dashboard: http://HOST:8265.",
        )
    return address.rstrip("/"), where


def find_token() -> str | None:
    """The token to show to the cluster, from where Ray's own commands take it.

    Raises:
        UserError: The file that is named cannot be read.
    """
    token = os.environ.get("RAY_AUTH_TOKEN", "").strip()
    if token:
        return token
    path = os.environ.get("RAY_AUTH_TOKEN_PATH")
    try:
        text = Path(path or Path.home() / ".ray" / "auth_token").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        if path:
            raise UserError(
                "the token's file cannot be read", where=f"$RAY_AUTH_TOKEN_PATH: {path}"
            ) from error
        return None
    return text.strip() or None


class JobServer:
    """A cluster's job server. Every method raises `UserError` when it is of no use.

    Args:
        address: Where; None for $HAIRPIN_ADDRESS, $RAY_ADDRESS, or this machine.
        token: To show to it; None for the one that `find_token` finds.

    Attributes:
        address: Where it is.
        ray_version: The cluster's version of Ray.
        differs: What to say if it is another one than this machine's; empty if it is not.
    """

    def __init__(self, address: str | None = None, token: str | None = None) -> None:
        self.address, self._where = find_address(address)
        self._has_token = False
        self.differs = ""
        self._check_answers()
        # Ray's client would prefer its variables to what it is given.
        for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS"):
            os.environ.pop(name, None)
        from ray.job_submission import JobSubmissionClient

        for name in _TALKATIVE:
            logging.getLogger(name).setLevel(logging.WARNING)
        token = token or find_token()
        self._has_token = token is not None
        headers = {"Authorization": f"Bearer {token}"} if token else None
        with self._errors():
            self._client = JobSubmissionClient(self.address, headers=headers)
        self.ray_version = str(self._client._server_ray_version)
        self.differs = difference(self.ray_version)

    def submit(self, run: str, command: str, folder: Path | None, tenant: str = "") -> ClusterJob:
        """Submits a command that writes `run`, to be run in a copy of `folder`, for a tenant."""
        taken = {job.job for job in self.jobs()}
        first = f"{tenant}.{run}" if tenant else run
        names = (first if n == 1 else f"{first}.{n}" for n in range(1, len(taken) + 2))
        name = next(name for name in names if name not in taken)
        env: dict[str, Any] = {"env_vars": {"RAY_JOB_STOP_WAIT_TIME_S": str(STOP_WAIT_S)}}
        if folder is not None:
            env["working_dir"] = str(folder)
        metadata = {RUN_KEY: run} | ({TENANT_KEY: tenant} if tenant else {})
        with self._errors():
            self._client.submit_job(
                entrypoint=command, runtime_env=env, metadata=metadata, submission_id=name
            )
        return next(job for job in self.jobs() if job.job == name)

    def ask(self, command: str, timeout_s: float) -> str:
        """What a short command prints that is run as a driver is, and leaves nothing behind.

        Raises:
            UserError: It does not end in time, or cannot be started.
        """
        name = f"hairpin-question-{secrets.token_hex(4)}"
        until = time.monotonic() + timeout_s
        with self._errors():
            self._client.submit_job(entrypoint=command, submission_id=name)
            while not (status := self._client.get_job_status(name)).is_terminal():
                if time.monotonic() > until:
                    self._client.stop_job(name)
                    state = status.lower()
                    raise UserError(
                        f"`{command}` did not end within {timeout_s:.0f} s; it was {state}",
                        where=self.address,
                        fix="Does the head have the memory and time that it needs?",
                    )
                time.sleep(POLL_S)
            said = str(self._client.get_job_logs(name))
            self._client.delete_job(name)
        return said

    def jobs(self) -> list[ClusterJob]:
        """The trainings that the cluster remembers, oldest first."""
        with self._errors():
            details = self._client.list_jobs()
        found = [job_of_details(each, time.time()) for each in details]
        return sorted((job for job in found if job), key=lambda job: (job.submitted, job.job))

    def find(self, name: str) -> ClusterJob | None:
        """The job that works on the run `name`, else its newest, or the job that Ray calls so.

        A participant's run may be called TENANT.RUN, and has to be where several have one so named.
        """
        jobs = [job for job in self.jobs() if name in (job.job, job.run, f"{job.tenant}.{job.run}")]
        tenants = sorted({job.tenant for job in jobs if job.job != name})
        if len(tenants) > 1:
            raise UserError(
                f"{len(tenants)} participants have a run {name!r}",
                where=self.address,
                fix=f"Say whose: {tenants[-1]}.{name}.",
            )
        living = [job for job in jobs if not job.over]  # later ones wait for the first
        return living[0] if living else jobs[-1] if jobs else None

    def log(self, job: ClusterJob) -> str:
        """All that a job has printed."""
        with self._errors():
            return str(self._client.get_job_logs(job.job))

    def follow(self, job: ClusterJob, write: Callable[[str], None], *, skip: int = 0) -> ClusterJob:
        """Passes on what a job prints until it is over; a lost connection is made again.

        Args:
            job: The job.
            write: Gets the text.
            skip: So many characters from the beginning are left out.

        Returns:
            The job as it ended.
        """
        import aiohttp

        seen = skip

        async def pass_on() -> None:
            nonlocal seen
            position = 0  # it begins at the beginning, also after a lost connection
            async for text in self._client.tail_job_logs(job.job):
                new = text[max(0, seen - position) :]
                position += len(text)
                if new:
                    write(new)
                    seen = position

        answered = time.monotonic()
        while True:
            with contextlib.suppress(aiohttp.ClientError, RuntimeError, TimeoutError):
                asyncio.run(pass_on())
            lost = time.monotonic() - answered > LOST_AFTER_S
            try:
                now = self.find(job.job)
            except UserError:
                if lost:
                    raise
            else:
                if now is None and lost:  # a new head knows it only if somebody goes on with it
                    return job
                if now is not None:
                    answered = time.monotonic()
                    if now.submitted != job.submitted:
                        job, seen = now, 0
                    if now.over:
                        return now
            time.sleep(POLL_S)

    def stop(self, job: ClusterJob, *, now: bool = False) -> None:
        """Asks a job to stop; it saves before it does, unless it is to end now."""
        with self._errors():
            self._client.stop_job(job.job)
            if now:
                command = f"python -m hairpin.jobs.end_now {shlex.quote(job.job)}"
                self._client.submit_job(entrypoint=command)

    def _check_answers(self) -> None:
        parts = urlsplit(self.address)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        try:
            socket.create_connection((parts.hostname or "", port), CONNECT_TIMEOUT_S).close()
        except (OSError, OverflowError, UnicodeError) as error:
            raise self._unreachable(str(error)) from error

    def _unreachable(self, reason: str) -> UserError:
        return UserError(
            f"no cluster answers at {self.address} ({reason})",
            where=self._where,
            fix="On Kubernetes: kubectl port-forward service/RAYCLUSTER-head-svc 8265, then leave "
            "the address out. To train on this machine: hairpin train.",
        )

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Says what Ray's client raises in our own words."""
        import requests
        from ray.exceptions import AuthenticationError

        try:
            yield
        except AuthenticationError as error:
            what = "the cluster wants a token, and there is none"
            if self._has_token:
                what = "the cluster does not know this token"
            raise UserError(what, where=self.address, fix=_TOKEN_FIX) from error
        except (requests.exceptions.ConnectionError, ConnectionError) as error:
            raise self._unreachable("the connection was closed") from error
        except (requests.exceptions.RequestException, RuntimeError, KeyError) as error:
            said = str(error).strip().splitlines()
            if len(said) == 1 and (refused := _REFUSED.fullmatch(said[0])):
                raise UserError(refused["why"]) from error  # by a workshop's gate
            raise UserError(
                f"the job server did not do it: {said[0] if said else type(error).__name__}",
                where=self.address,
                fix=self.differs or "Is this the dashboard of a Ray cluster?",
            ) from error


def difference(there: str) -> str:
    """What to say of a Ray on the cluster that is not this machine's but for its last number."""
    from ray import __version__ as here

    if there.split(".")[:2] == here.split(".")[:2]:
        return ""
    return (
        f"the cluster has Ray {there} and this machine {here}. If it does not work: pip install "
        f"'ray[default,rllib]=={there}', or an image with {here}"
    )
