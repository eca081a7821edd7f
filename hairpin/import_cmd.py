"""``hairpin import``: makes a job of what DeepRacer's tools left."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from hairpin.options import examples, json_option

if TYPE_CHECKING:
    from hairpin.deepracer.importing import Import


@click.command(
    "import",
    epilog=examples(
        "hairpin import my_model.tar.gz",
        "hairpin import downloads/my_model -o my_car --routes routes/",
        "hairpin import --drfc deepracer-for-cloud/ -o my_car",
        "hairpin train my_car",
    ),
)
@click.argument("source", metavar="[FOLDER|FILE.tar.gz]", required=False)
@click.option("--drfc", metavar="DIR", help="A folder of deepracer-for-cloud, with its run.env.")
@click.option(
    "-o", "--output", metavar="JOBDIR", help="The job folder to make.  [default: NAME-job, here]"
)
@click.option("--routes", metavar="FOLDER", help="A folder of route files (.npy), for its track.")
@json_option("Print one JSON object.")
def import_model(
    source: str | None, drfc: str | None, output: str | None, routes: str | None, as_json: bool
) -> None:
    """Make a job folder of a DeepRacer model, or of deepracer-for-cloud's settings.

    Takes what AWS's console, deepracer-for-cloud or deepracer-on-aws let you download, as a folder
    or as the .tar.gz. The reward function, the action space and the hyperparameters are kept as
    they are; a table says what else was found, and why it could not be kept.
    """
    from hairpin.deepracer import importing
    from sim.errors import UserError

    if (source is None) == (drfc is None):
        raise UserError(
            "name a model's folder or .tar.gz, or deepracer-for-cloud's folder with --drfc",
            where="hairpin import",
        )
    given = Path(source or drfc or "")
    folder = Path(routes) if routes else None
    if folder is not None and not folder.is_dir():
        raise UserError("there is no such folder", where=f"--routes {routes}")
    if source is not None:
        result = importing.import_model(given, folder)
    else:
        result = importing.import_drfc(given, folder)
    name = given.resolve().name.removesuffix(".gz").removesuffix(".tar").removesuffix(".tgz")
    target = Path(output or f"{name or 'model'}-job")
    importing.write_import(result, target)
    if as_json:
        rows = [vars(row) for row in result.rows]
        report = {"kind": result.kind, "job": str(target), "rows": rows, "notes": result.notes}
        click.echo(json.dumps(report, indent=2))
        return
    _print(result, target)


def _print(result: Import, target: Path) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    colours = {"kept": "green", "dropped": "yellow", "missing": "red"}
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=f"a {result.kind}", title_justify="left")
    for heading in ("what", "", "as what, or why not"):
        table.add_column(heading, overflow="fold")
    for row in result.rows:
        outcome = Text(row.outcome, style=colours[row.outcome])
        table.add_row(Text(row.what), outcome, Text(row.detail))
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)
    for note in result.notes:
        click.echo(f"note: {note}")
    click.echo(f"the job is in {target}")
    click.echo(f"Next: hairpin train {target}")
