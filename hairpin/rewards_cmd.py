"""``hairpin rewards``: the reward functions that ship with Hairpin, to read and to start from."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import click

from hairpin.options import examples, json_option


@click.group(
    epilog=examples(
        "hairpin rewards list",
        "hairpin rewards copy no_zig_zag reward.py",
        "hairpin train --reward no_zig_zag",
    )
)
def rewards() -> None:
    """List, read and copy the reward functions that ship with Hairpin."""


@rewards.command("list", epilog=examples("hairpin rewards list", "hairpin rewards list --json"))
@json_option("Print one JSON list.")
def list_rewards(as_json: bool) -> None:
    """List them, each with what it teaches.

    Each name is good for --reward and for reward: in a job file.
    """
    from sim.reward import reward_names

    rows = [{"name": name, "teaches": _teaches(name)} for name in reward_names()]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", style="bold", no_wrap=True)
    table.add_column("what it teaches")
    for row in rows:
        table.add_row(row["name"], row["teaches"])
    # A pipe has no width to keep to.
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)
    click.echo("Read one: hairpin rewards show NAME    Start from one: hairpin rewards copy NAME")


@rewards.command(
    "show", epilog=examples("hairpin rewards show centre_line", "hairpin rewards show NAME --json")
)
@click.argument("name")
@json_option("Print one JSON object: name, teaches, source.")
def show_rewards(name: str, as_json: bool) -> None:
    """Print the source of the reward function NAME."""
    source = _source(name)
    if as_json:
        about = {"name": name, "teaches": _teaches(name), "source": source}
        click.echo(json.dumps(about, indent=2))
        return
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.syntax import Syntax

        Console().print(Syntax(source.rstrip(), "python", background_color="default"))
        return
    click.echo(source, nl=False)


@rewards.command(
    "copy",
    epilog=examples(
        "hairpin rewards copy stay_inside",
        "hairpin rewards copy centre_line reward.py",
        "hairpin rewards copy racing_line --track bramble",
        "hairpin validate stay_inside.py",
    ),
)
@click.argument("name")
@click.argument("file", required=False)
@click.option(
    "--track", metavar="TRACK", help="Only racing_line: write this track's line into the file."
)
@click.option("--force", is_flag=True, help="Replace a file that is there.")
@json_option("Print one JSON object.")
def copy_reward(name: str, file: str | None, track: str | None, force: bool, as_json: bool) -> None:
    """Write the reward function NAME to FILE, to make it your own.

    FILE is NAME.py here by default. With --track, racing_line gets the points and speeds of that
    track's line, found between its real borders; without, it computes one from the waypoints.
    """
    from sim.errors import UserError

    source = _source(name)
    if track is not None:
        from hairpin.baked_line import BUILT_IN, baked_reward
        from sim.track import Track

        if name != BUILT_IN:
            raise UserError(
                f"{name} is the same on every track",
                where="--track",
                fix=f"Leave --track out, or copy {BUILT_IN}.",
            )
        source = baked_reward(Track.load(track))
    path = Path(file or f"{name}.py")
    _write(path, source, force)
    if as_json:
        click.echo(json.dumps({"name": name, "file": str(path), "track": track}, indent=2))
        return
    click.echo(f"wrote {path}")
    click.echo(f"Next: hairpin reward show {path}, hairpin validate {path}")


def _source(name: str) -> str:
    from sim.errors import UserError, did_you_mean
    from sim.reward import reward_names, reward_path

    if name not in reward_names():
        raise UserError(
            f"no reward function {name!r} ships with Hairpin",
            fix=did_you_mean(name, reward_names()),
        )
    return reward_path(name).read_text(encoding="utf-8")


def _teaches(name: str) -> str:
    return (ast.get_docstring(ast.parse(_source(name))) or "").splitlines()[0]


def _write(path: Path, source: str, force: bool) -> None:
    from sim.errors import UserError

    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(source)
    except FileExistsError:
        raise UserError(
            "the file is there already", where=str(path), fix="Replace it with --force."
        ) from None
    except OSError as error:
        raise UserError(
            f"cannot write the reward function: {error.strerror or error}", where=str(path)
        ) from error
