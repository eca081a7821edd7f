"""``hairpin gate``: lets participants of a workshop use a cluster, without its token."""

from __future__ import annotations

import click

from hairpin.options import examples


@click.command(epilog=examples("hairpin gate", "hairpin gate --listen 127.0.0.1:8266"))
@click.option(
    "--listen",
    metavar="HOST:PORT",
    default="0.0.0.0:8266",
    show_default=True,
    help="Where participants reach it.",
)
def gate(listen: str) -> None:
    """Stand before a cluster's job server and let participants of a workshop in.

    Each has a password, which hairpin submit, jobs, logs and stop and Ray's own command take for
    the cluster's token: $RAY_AUTH_TOKEN. With it they submit trainings and nothing else, and see
    and stop their own. The chart runs it (workshop.participants).

    From the environment: $HAIRPIN_WORKSHOP, the folder with rules.json and passwords;
    $HAIRPIN_ADDRESS and $RAY_AUTH_TOKEN, the job server and its token; $HAIRPIN_STORAGE and
    $HAIRPIN_S3_ENDPOINT, where runs are kept.
    """
    import asyncio
    import os

    from aiohttp import web

    from hairpin.jobs.server import find_address, find_token
    from hairpin.places import storage_url
    from hairpin.workshop.gate import Gate
    from hairpin.workshop.rules import VARIABLE, read_rules, workshop_folder
    from sim.errors import UserError

    host, _, port = listen.rpartition(":")
    if not port.isdecimal():
        raise UserError(f"{listen!r} is not HOST:PORT", where="--listen", fix="Such as :8266.")
    folder = workshop_folder()
    if folder is None:
        raise UserError("there is no workshop", where=f"${VARIABLE}", fix="Set it to its folder.")
    read_rules(folder)
    token = find_token()
    if token is None:
        raise UserError("there is no token", where="$RAY_AUTH_TOKEN", fix="Set the cluster's.")
    app = Gate(folder, storage_url(None), find_address(None)[0], token).application()
    os.environ.pop("RAY_AUTH_TOKEN", None)

    async def serve() -> None:
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, host or None, int(port)).start()
        click.echo(f"participants are let in at {listen}")
        await asyncio.Event().wait()

    asyncio.run(serve())
