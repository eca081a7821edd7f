"""``hairpin jobs``, ``logs`` and ``stop``: the trainings of a Ray cluster."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from hairpin.options import address_option, examples, json_option

if TYPE_CHECKING:
    from hairpin.jobs.server import JobServer
    from hairpin.jobs.state import ClusterJob


@click.command(epilog=examples("hairpin jobs", "hairpin jobs --json"))
@address_option
@json_option("Print one JSON list.")
def jobs(address: str | None, as_json: bool) -> None:
    """List the trainings of a cluster, oldest first.

    In a workshop, those that wait have their place in the queue; a participant sees their own.
    """
    from hairpin.jobs.server import JobServer

    server = JobServer(address)
    found = server.jobs()
    if as_json:
        click.echo(json.dumps([job.as_dict() for job in found], indent=2))
    elif found:
        _print_table(found)
    else:
        click.echo(f"There are no trainings at {server.address}. Begin one: hairpin submit")


@click.command(epilog=examples("hairpin logs RUN -f", "hairpin logs RUN --tail 20"))
@click.argument("run")
@address_option
@click.option("-f", "--follow", "following", is_flag=True, help="Go on until the job is over.")
@click.option("--tail", type=click.IntRange(min=0), metavar="N", help="Only the last N lines.")
def logs(run: str, address: str | None, following: bool, tail: int | None) -> int:
    """Print what the training of RUN has said.

    Exit codes: 0 finished, 100 failed, 101 not finished, 102 not found, 103 cancelled.
    """
    from hairpin.jobs.server import JobServer

    server = JobServer(address)
    job = server.find(run)
    if job is None:
        return _not_found(server, run)
    text = server.log(job)
    shown = text
    if tail is not None:
        shown = "".join(text.splitlines(keepends=True)[-tail:] if tail else [])
    click.echo(shown, nl=False)
    if following and not job.over:
        return follow(server, job, f" --address {server.address}" if address else "", len(text))
    return job.exit_code


@click.command(
    epilog=examples("hairpin stop RUN", "hairpin stop RUN --no-wait", "hairpin stop RUN --now")
)
@click.argument("run")
@address_option
@click.option("--wait/--no-wait", default=True, help="Wait until it has stopped.  [default: wait]")
@click.option("--now", is_flag=True, help="End it at once, without waiting for a last checkpoint.")
def stop(run: str, address: str | None, wait: bool, now: bool) -> int:
    """Stop the training of RUN, which saves a last checkpoint first.

    It can be gone on with: hairpin submit -- --resume RUN. Exit codes: 0 stopped or over, 102 not
    found.
    """
    import time

    from hairpin.jobs.server import POLL_S, JobServer

    server = JobServer(address)
    job: ClusterJob | None = server.find(run)
    if job is None:
        return _not_found(server, run)
    if job.over:
        click.echo(f"{run} is over: {job.state}")
        return 0
    for each in server.jobs():  # others may wait for this one, to go on with its run
        if not each.over and (each.tenant, each.run) == (job.tenant, job.run):
            server.stop(each, now=now)
    if not wait:
        how = "ends now" if now else "was asked to stop; it saves a last checkpoint first"
        click.echo(f"{run} {how}")
        return 0
    how = "ends now" if now else "was asked to stop; waiting until it has saved"
    click.echo(f"{run} {how}")
    while job is not None and not job.over:
        time.sleep(POLL_S)
        job = server.find(job.job)
    click.echo(f"{run} is over: {job.state if job else 'forgotten'}")
    return 0


def follow(server: JobServer, job: ClusterJob, where: str, skip: int = 0) -> int:
    """Prints a job's log until it is over, or until Ctrl-C.

    Args:
        server: The cluster's.
        job: What to follow.
        where: The --address for the commands that may come next; empty if none is needed.
        skip: So many characters have been shown.

    Returns:
        The exit code that says how it ended.
    """
    from hairpin.jobs.state import FAILED

    name = job.run or job.job
    try:
        job = server.follow(job, lambda text: click.echo(text, nl=False), skip=skip)
    except KeyboardInterrupt:
        return let_go(name, where)
    if job.exit_code == FAILED:
        click.echo(f"error: {name} failed: {job.problem}", err=True)
    elif job.exit_code:
        click.echo(f"{name} is {job.state}", err=True)
    return job.exit_code


def let_go(name: str, where: str) -> int:
    """Says how to come back to a training that goes on; returns the exit code."""
    from hairpin.jobs.state import NOT_FINISHED

    click.echo(
        f"\nno longer following; the training goes on. To follow it again: hairpin logs {name} "
        f"-f{where}; to stop it: hairpin stop {name}{where}",
        err=True,
    )
    return NOT_FINISHED


def _not_found(server: JobServer, run: str) -> int:
    from hairpin.jobs.state import NOT_FOUND
    from sim.errors import UserError, did_you_mean

    names = [job.run or job.job for job in server.jobs()]
    error = UserError(
        f"there is no training of a run {run!r}",
        where=server.address,
        fix=did_you_mean(run, names) if names else "There are none here.",
    )
    click.echo(f"error: {error}", err=True)
    return NOT_FOUND


def _print_table(found: list[ClusterJob]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from hairpin.numbers import clock

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    whose = any(job.tenant for job in found)
    table.add_column("run", no_wrap=True, overflow="fold")
    if whose:
        table.add_column("tenant", no_wrap=True)
    table.add_column("state", no_wrap=True)
    if whose:
        table.add_column("minutes of tenant", justify="right", no_wrap=True)
    table.add_column("submitted", no_wrap=True)
    table.add_column("time", justify="right", no_wrap=True)
    table.add_column("problem", overflow="fold")
    for job in found:
        tenant = [job.tenant] if whose else []
        minutes = [job.minutes_text] if whose else []
        times = (job.submitted, clock(job.seconds))
        table.add_row(job.run or job.job, *tenant, job.state_text, *minutes, *times, job.problem)
    console = Console()
    if not console.is_terminal:  # a pipe has no width to fit in
        console = Console(width=200)
    console.print(table)
