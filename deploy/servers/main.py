"""The command ``deploy/services``."""

from __future__ import annotations

import argparse
import json
import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from servers import binaries, docker, stack
from servers.command import NOT_UP, exit_code, parser
from servers.errors import ServerError
from servers.mediamtx import READER
from servers.server import HOST, port_variable
from servers.sources import SOURCES
from servers.state import METRICS_PORT, NOBODY, PORTS, Settings, State

DESCRIPTION = """\
An S3 store (MinIO), a video server (MediaMTX) and Prometheus on this machine, for trainings on it.
All listen on loopback only. Where Docker is, they are containers, with Grafana beside them;
elsewhere Go builds them from source, once."""

EXAMPLES = """\
examples:
  deploy/services up                    start what does not run, and wait until it can be used
  eval "$(deploy/services env)"         this shell's trainings then use the servers
  deploy/services logins                where to watch their video, with the password
  deploy/services status --json
  deploy/services down                  data and credentials stay; --delete removes them"""


@dataclass(frozen=True)
class Row:
    """What is said of a server: where it is, and whether it can be used."""

    name: str
    up: bool
    address: str
    pid: int | None
    log: str


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code: 0 done, 2 mend it and try again, 3 not up."""
    options = _parser().parse_args(arguments)
    return exit_code(lambda: int(options.run(options)))


def up(options: argparse.Namespace) -> int:
    """Starts the servers that do not run."""
    state = State()
    with state.locked():
        settings = _wanted(options, state.settings(), state)
        credentials = state.credentials()
        servers = stack.servers(state.folder, settings, credentials)
        state.keep(settings)
        if settings.docker:
            docker.Containers(state.folder, settings, servers).start(credentials)
        else:
            stack.start(servers)
        _print_rows(_rows(state, settings))
    print('\nTo use them:  eval "$(deploy/services env)"')
    return 0


def down(options: argparse.Namespace) -> int:
    """Stops the servers that run."""
    state = State()
    with state.locked():
        settings = state.settings()
        servers = stack.servers(state.folder, settings, NOBODY)
        stopped = [server.title for server in servers if server.running]
        for server in reversed(servers):
            server.stop()
        if settings.docker:
            docker.Containers(state.folder, settings, servers).stop()
            state.keep(replace(settings, docker=False))
            stopped = ["the containers"]
        if options.delete:
            shutil.rmtree(state.folder)
    print(f"stopped {', '.join(stopped)}" if stopped else "nothing was up")
    return 0


def status(options: argparse.Namespace) -> int:
    """Says which servers can be used."""
    state = State()
    rows = _rows(state, state.settings())
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        _print_rows(rows)
    return 0 if all(row.up for row in rows) else NOT_UP


def env(options: argparse.Namespace) -> int:
    """Prints what a shell evaluates to use the servers, secrets included."""
    state = State()
    settings = _of_what_is_up(state)
    for name, value in stack.exports(settings, state.credentials()).items():
        print(f"export {name}={shlex.quote(value)}")
    print("unset AWS_SESSION_TOKEN")  # of another account
    return 0


def logins(options: argparse.Namespace) -> int:
    """Prints addresses and passwords for people: of the video streams, and of Grafana."""
    state = State()
    settings = _of_what_is_up(state)
    credentials = state.credentials()
    rtsp = f"{HOST}:{settings.ports['rtsp']}"
    print(f"video    rtsp://{READER}:{credentials.rtsp_reader_password}@{rtsp}/RUN/eval")
    if settings.docker:
        address = f"http://{HOST}:{settings.ports['grafana']}"
        print(f"Grafana  {address}  user admin, password {credentials.grafana_password}")
    return 0


def build(options: argparse.Namespace) -> int:
    """Builds the servers' programs, if this user has not got them, and prints where they are."""
    for name in stack.PROGRAMS:
        print(binaries.program(name))
    binaries.clean(SOURCES)
    return 0


def _wanted(options: argparse.Namespace, kept: Settings, state: State) -> Settings:
    """The settings to start with: those asked for, which must agree with what runs already."""
    servers = stack.servers(state.folder, kept, NOBODY)
    running = kept.docker or any(server.running for server in servers)
    base = kept if running else Settings()
    ports = {name: _given(options, name) or base.ports[name] for name in PORTS}
    metrics_port = _given(options, "metrics") or base.metrics_port
    with_docker = not options.no_docker and (kept.docker if running else docker.engine())
    wanted = Settings(with_docker, ports, metrics_port)
    if running and wanted != kept:
        raise ServerError("the servers run with other settings. Run first: deploy/services down")
    return wanted


def _given(options: argparse.Namespace, name: str) -> int | None:
    """The port that the option or the environment variable of a name gives."""
    option = vars(options)[f"{name}-port"]
    if option is not None:
        return int(option)
    variable = port_variable(name)
    text = os.environ.get(variable)
    try:
        return _port(text) if text else None
    except argparse.ArgumentTypeError as error:
        raise ServerError(f"${variable}: {error}") from None


def _port(text: str) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: a number from 1 to 65535")
    return int(text)


def _of_what_is_up(state: State) -> Settings:
    settings = state.settings()
    missing = [row.name for row in _rows(state, settings) if not row.up]
    if missing:
        raise ServerError(f"not up: {', '.join(missing)}. Run: deploy/services up")
    return settings


def _rows(state: State, settings: Settings) -> list[Row]:
    servers = stack.servers(state.folder, settings, NOBODY)
    if not settings.docker:
        return [
            Row(
                server.title,
                server.running and server.answers(),
                server.address,
                server.pid,
                str(server.log),
            )
            for server in servers
        ]
    containers = docker.Containers(state.folder, settings, servers)
    rows = [
        Row(server.title, server.answers(), server.address, None, containers.log_of(server.program))
        for server in servers
    ]
    grafana = containers.grafana_answers(), containers.grafana_url, None
    return [*rows, Row("Grafana", *grafana, containers.log_of("grafana"))]


def _print_rows(rows: Sequence[Row]) -> None:
    for row in rows:
        pid = "" if row.pid is None else f"pid {row.pid}"
        state = "up" if row.up else "down"
        print(f"{row.name:<10}  {state:<4}  {row.address:<22}  {pid:<11}  log: {row.log}")


def _parser() -> argparse.ArgumentParser:
    services = parser("deploy/services", DESCRIPTION, EXAMPLES)
    commands = services.add_subparsers(required=True, metavar="COMMAND")

    def command(run: Callable[[argparse.Namespace], int], what: str) -> argparse.ArgumentParser:
        added = commands.add_parser(run.__name__, help=what, description=run.__doc__)
        added.set_defaults(run=run)
        return added

    starting = command(up, "start the servers and wait until they can be used")
    starting.add_argument(
        "--no-docker", action="store_true", help="build and run them here even where Docker is"
    )
    for name, number in PORTS.items():
        starting.add_argument(
            f"--{name}-port",
            dest=f"{name}-port",
            type=_port,
            metavar="PORT",
            help=f"default: ${port_variable(name)} or {number}",
        )
    starting.add_argument(
        "--metrics-port",
        dest="metrics-port",
        type=_port,
        metavar="PORT",
        help=f"where trainings serve metrics; default: $HAIRPIN_METRICS_PORT or {METRICS_PORT}",
    )
    stopping = command(down, "stop them; data and credentials stay")
    stopping.add_argument("--delete", action="store_true", help="remove data and credentials too")
    telling = command(status, "which are up, where, and their logs; exit code 3 if one is not")
    telling.add_argument("--json", action="store_true", help="for a program to read")
    command(env, "print the variables with which trainings use them, secrets included")
    command(logins, "print addresses with passwords for people: video players, Grafana")
    command(build, "only build the servers' programs, promtool included")
    return services
