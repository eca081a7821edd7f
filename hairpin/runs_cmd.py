"""``hairpin runs`` and ``hairpin show``: what there is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from hairpin.numbers import clock, lap_time, percent
from hairpin.options import examples, json_option, storage_option

if TYPE_CHECKING:
    from hairpin.summary import Summary
    from storage import Run


@click.command(epilog=examples("hairpin runs", "hairpin runs --json", "hairpin show RUN"))
@storage_option
@json_option("Print one JSON list.")
def runs(storage: str | None, as_json: bool) -> None:
    """List the runs of a storage, oldest first."""
    from hairpin.places import storage_url
    from hairpin.summary import summarise
    from storage import list_runs, open_store

    store = open_store(storage_url(storage))
    found = [summarise(run) for run in list_runs(store)]
    if as_json:
        click.echo(json.dumps([summary.as_dict() for summary in found], indent=2))
    elif found:
        _print_table(found)
    else:
        click.echo(f"There are no runs in {store.url}. Make one: hairpin train")


@click.command(epilog=examples("hairpin show oval-20310506-070809-a1b2", "hairpin show RUN --json"))
@click.argument("run")
@storage_option
@json_option("Print one JSON object.")
def show(run: str, storage: str | None, as_json: bool) -> None:
    """Numbers, checkpoints and files of RUN."""
    from hairpin.places import storage_url
    from storage import Run, open_store

    facts = describe(Run.open(open_store(storage_url(storage)), run))
    if as_json:
        click.echo(json.dumps(facts, indent=2))
    else:
        _print_facts(facts)


def describe(run: Run) -> dict[str, Any]:
    """All that is known of a run, as JSON-able values."""
    from hairpin.summary import result_of, summarise

    aliases = run.checkpoints.aliases()
    checkpoints = [
        {
            "name": info.name,
            "aliases": sorted(alias for alias, name in aliases.items() if name == info.name),
            "step": info.step,
            "created": info.created,
            "size_bytes": info.size_bytes,
        }
        for info in run.checkpoints.infos()
    ]
    return {
        **summarise(run).as_dict(),
        "result": result_of(run),
        "made_with": run.about(),
        "checkpoints": checkpoints,
        "files": {name: run.locate(name) for name in run.file_names()},
    }


def _print_table(found: list[Summary]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("run", no_wrap=True, overflow="fold")
    for name in ("state", "track"):
        table.add_column(name, no_wrap=True)
    for name in ("steps", "time", "completion", "best lap"):
        table.add_column(name, justify="right", no_wrap=True)
    for summary in found:
        table.add_row(
            summary.run,
            summary.state,
            summary.track.rpartition("/")[2],
            f"{summary.steps:,}",
            clock(summary.seconds),
            percent(summary.completion),
            lap_time(summary.best_lap_s),
        )
    console = Console()
    if not console.is_terminal:  # a pipe has no width to fit in
        console = Console(width=200)
    console.print(table)


def _print_facts(facts: dict[str, Any]) -> None:
    rows = {
        "run": facts["run"],
        "state": facts["state"],
        "created": facts["created"],
        "track": facts["track"],
        "steps": f"{facts['steps']:,}",
        "time": clock(facts["seconds"]),
        "completion": percent(facts["completion"]),
        "best lap": lap_time(facts["best_lap_s"]),
        "folder": facts["folder"],
    }
    for name, value in rows.items():
        click.echo(f"{name:12} {value}")
    click.echo("\ncheckpoints" if facts["checkpoints"] else "\nno checkpoints yet")
    for info in facts["checkpoints"]:
        aliases = f"  {', '.join(info['aliases'])}" if info["aliases"] else ""
        size = f"{info['size_bytes'] / 1e6:.1f} MB"
        click.echo(f"  {info['name']:24} {info['created']}  {size:>9}{aliases}")
    click.echo("\nfiles")
    for path in facts["files"].values():
        click.echo(f"  {path}")
