"""``hairpin submit``: a training as a job of a Ray cluster."""

from __future__ import annotations

import json
import shlex
from typing import Any

import click

from hairpin.options import address_option, examples, json_option


@click.command(
    context_settings={"ignore_unknown_options": True},
    epilog=examples(
        "hairpin submit my_car/",
        "hairpin submit my_car/ --track bowtie --minutes 20",
        "hairpin submit job.yaml --address http://10.0.0.1:8265 --detach",
        "hairpin submit my_car/ --run monday --durable",
        "hairpin submit my_car/ --as anna",
        "hairpin submit -- --resume monday --minutes 40",
    ),
)
@address_option
@click.option(
    "--as",
    "tenant",
    metavar="NAME",
    default="",
    envvar="HAIRPIN_TENANT",
    help="The participant of the cluster's workshop whose training it is.  [default: "
    "$HAIRPIN_TENANT, or nobody in particular]",
)
@click.option("--detach", is_flag=True, help="Do not follow the job's log.")
@json_option("Print one JSON object, and do not follow.")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[JOB] [OPTIONS OF TRAIN]")
def submit(
    address: str | None, tenant: str, detach: bool, as_json: bool, arguments: tuple[str, ...]
) -> int:
    """Train on a Ray cluster.

    JOB and its options are those of `hairpin train`. The job is checked here first, and only the
    files it needs are sent. The run is kept where the cluster keeps its runs. In a workshop it
    waits for its turn and says its place. Ctrl-C stops following, not the training.

    It is followed until the cluster has checked it too, also with --detach: what is wrong there,
    such as a store that does not answer, is said here within seconds.

    Exit codes: 0 finished (with --detach: begun), 2 something is to be mended first, 100 failed,
    101 not finished, 103 cancelled.
    """
    import tempfile
    from pathlib import Path

    from hairpin.jobs.begun import await_begun
    from hairpin.jobs.parcel import pack, pack_resume
    from hairpin.jobs.server import JobServer
    from hairpin.jobs_cmd import follow, let_go

    source, resume, options, flags = _options_of_train(arguments)
    with tempfile.TemporaryDirectory(prefix="hairpin-submit-") as name:
        folder = Path(name)
        if resume is None:
            parcel = pack(source, options, folder, flags=flags)
        else:
            parcel = pack_resume(resume, options, flags=flags)
        for note in parcel.notes:
            click.echo(f"note: {note}", err=True)
        server = JobServer(address)
        if server.differs:
            click.echo(f"note: {server.differs}", err=True)
        files = folder if any(folder.iterdir()) else None
        job = server.submit(parcel.run, parcel.command, files, tenant)
    where = f" --address {shlex.quote(server.address)}" if address else ""
    if not as_json:
        click.echo(f"run {job.run} submitted to {server.address}")
    try:
        job = await_begun(server, job)
    except KeyboardInterrupt:
        return let_go(job.run, where)
    if as_json:
        click.echo(json.dumps({**job.as_dict(), "address": server.address}, indent=2))
        return 0
    click.echo("\nnext")
    for command in (f"logs {job.run} -f", f"stop {job.run}", "jobs"):
        click.echo(f"  hairpin {command}{where}")
    if detach:
        return 0
    click.echo("")
    return follow(server, job, where)


def _options_of_train(
    arguments: tuple[str, ...],
) -> tuple[str | None, str | None, dict[tuple[str, ...], Any], list[str]]:
    """What `hairpin train` would be given: job, run to resume, options by their ways, and flags."""
    from hairpin.train_cmd import by_way, train
    from sim.errors import UserError

    context = train.make_context("hairpin submit", list(arguments))
    options = dict(context.params)
    source, resume = options.pop("job"), options.pop("resume")
    if options.pop("show_job"):
        raise UserError(
            "nothing is submitted with it", where="--show-job", fix="Use hairpin train."
        )
    if resume is not None and source is not None:
        raise UserError(
            "a run goes on with its own job", where="--resume", fix=f"Leave out {source}."
        )
    flags = [f"--{name}" for name in ("durable",) if options.pop(name)]
    options.pop("as_json"), options.pop("address")  # submit has taken them
    return source, resume, by_way(options), flags
