"""``hairpin export``: a trained policy as a file for a car or another program."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from hairpin.options import examples, json_option, storage_option

if TYPE_CHECKING:
    from hairpin.export.exporter import Format


@click.command(
    epilog=examples(
        "hairpin export RUN                          RUN.onnx, for boards and other programs",
        "hairpin export RUN --format deepracer       RUN.tar.gz, for a DeepRacer car",
        "hairpin export RUN@latest --format torch -o car.pt2",
    )
)
@click.argument("run", metavar="RUN[@CHECKPOINT]")
@click.option(
    "--format",
    "kind",
    type=click.Choice(["onnx", "deepracer", "torch"]),
    default="onnx",
    show_default=True,
    help="onnx: image in, steering and speed out, for onnxruntime and the like. deepracer: the "
    "archive that a DeepRacer car loads (preset deepracer only). torch: a torch.export program.",
)
@click.option(
    "-o", "--output", metavar="FILE", help="The file or folder to write to.  [default: ./RUN.…]"
)
@storage_option
@json_option("Print one JSON object.")
def export(run: str, kind: Format, output: str | None, storage: str | None, as_json: bool) -> None:
    """Write the policy of RUN as a file, checked against the policy in torch.

    Beside it goes FILE.json, which says all that a car needs: input, camera, actions, rate, sums.

    CHECKPOINT is best (the default), latest, or a name that `hairpin show RUN` lists.
    """
    from pathlib import Path

    from hairpin.export.exporter import export_run
    from hairpin.places import split_reference, storage_url
    from hairpin.quiet import claim_stdout
    from storage import Run, open_store

    out = claim_stdout() if as_json else None
    name, checkpoint = split_reference(run)
    opened = Run.open(open_store(storage_url(storage)), name)
    done = export_run(
        opened,
        checkpoint or "best",
        kind,
        Path(output) if output else None,
        say=lambda line: click.echo(line, err=as_json),
    )
    if out:
        click.echo(json.dumps(done.as_dict()), file=out)
        return
    check = done.check
    click.echo(
        f"same action on {check.same_action:,} of {check.frames:,} images, largest difference "
        f"{check.max_difference:.1e}"
    )
    click.echo(f"{done.path}: {done.size_bytes / 1e6:.1f} MB")
    click.echo(f"{done.sidecar}: what a car needs to know of it")
