"""``hairpin storage``: what a storage holds, and whether it is whole."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hairpin.options import examples, json_option, storage_option

if TYPE_CHECKING:
    from storage import Run

DAMAGED = 1


@click.group(
    epilog=examples(
        "hairpin storage ls --storage s3://bucket/team",
        "hairpin storage get RUN@best -o best/",
        "hairpin storage verify --all",
        "hairpin storage prune RUN --keep-last 2 --dry-run",
        "hairpin storage rm RUN",
        "hairpin storage push",
    )
)
def storage() -> None:
    """List, copy, verify and clear what is kept of runs."""


@storage.command(
    "ls",
    epilog=examples("hairpin storage ls", "hairpin storage ls RUN", "hairpin storage ls --json"),
)
@click.argument("run", required=False)
@storage_option
@json_option("Print one JSON list.")
def list_storage(run: str | None, storage: str | None, as_json: bool) -> None:
    """List the runs with their sizes and ages, or the files of RUN."""
    from hairpin.places import storage_url
    from storage import Run, list_runs, open_store

    store = open_store(storage_url(storage))
    if run is None:
        rows = [_sum_up(found) for found in list_runs(store)]
    else:
        Run.open(store, run)
        entries = store.entries(run)
        rows = [
            {"name": key[len(run) + 1 :], "size_bytes": e.size_bytes, "written": e.modified_s}
            for key, e in entries.items()
        ]
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        files = "" if run else f"  {row['checkpoints']:3} checkpoints  {row['files']:5} files"
        age = _age(time.time() - row["written"])
        click.echo(f"{_size(row['size_bytes'])}  {age:>8}{files}  {row['name']}")
    total = sum(row["size_bytes"] for row in rows)
    click.echo(f"{_size(total)}  in {len(rows)} {'files' if run else 'runs'} of {store.url}")


@storage.command(
    "get", epilog=examples("hairpin storage get RUN", "hairpin storage get RUN@best -o best/")
)
@click.argument("run", metavar="RUN[@CHECKPOINT]")
@click.option("-o", "--output", metavar="FOLDER", help="Where to.  [default: ./RUN-CHECKPOINT]")
@storage_option
@json_option("Print one JSON object.")
def get(run: str, output: str | None, storage: str | None, as_json: bool) -> None:
    """Copy the files of a checkpoint here, verified. CHECKPOINT is latest by default."""
    from hairpin.places import split_reference, storage_url
    from sim.errors import UserError
    from storage import Run, open_store

    name, checkpoint = split_reference(run)
    found = Run.open(open_store(storage_url(storage)), name)
    info, files = found.read_checkpoint(checkpoint or "latest")
    folder = Path(output or f"{name}-{info.name}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for file, data in {**files, "manifest.json": info.to_json()}.items():
            (folder / file).write_bytes(data)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"cannot be written: {reason}", where=str(folder)) from error
    if as_json:
        facts = {
            "run": name,
            "checkpoint": info.name,
            "folder": str(folder),
            "files": sorted(files),
        }
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo(f"{info.name} of {name}, {_size(info.size_bytes).strip()}, is in {folder}")


@storage.command(
    "verify", epilog=examples("hairpin storage verify RUN", "hairpin storage verify --all --json")
)
@click.argument("run", required=False)
@click.option("--all", "all_runs", is_flag=True, help="Verify every run.")
@storage_option
@json_option("Print one JSON object.")
def verify(run: str | None, all_runs: bool, storage: str | None, as_json: bool) -> int:
    """Read every checkpoint of RUN and name each file that is damaged; then the exit code is 1."""
    from hairpin.places import storage_url
    from storage import Run, list_runs, open_store

    if (run is None) != all_runs:
        raise click.UsageError("say which run, or --all")
    store = open_store(storage_url(storage))
    runs = list_runs(store) if run is None else [Run.open(store, run)]
    checked, damaged = 0, []
    for found in runs:
        for name in found.checkpoints.names():
            checked += 1
            damaged += [str(error) for error in found.checkpoints.damage(name)]
    if as_json:
        click.echo(json.dumps({"checkpoints": checked, "damaged": damaged}, indent=2))
    else:
        for text in damaged:
            click.echo(text)
        click.echo(f"{checked} checkpoints verified, {len(damaged)} files damaged")
    return DAMAGED if damaged else 0


@storage.command(
    "prune",
    epilog=examples(
        "hairpin storage prune RUN --keep-last 2",
        "hairpin storage prune RUN --keep-last 1 --keep-every 10 --dry-run",
    ),
)
@click.argument("run")
@click.option(
    "--keep-last", type=click.IntRange(1, 10_000), required=True, help="Keep so many of the newest."
)
@click.option(
    "--keep-every",
    type=click.IntRange(0, 10_000),
    default=0,
    show_default=True,
    help="And every so-manieth; 0: none.",
)
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@storage_option
@json_option("Print one JSON list of names.")
def prune(
    run: str, keep_last: int, keep_every: int, dry_run: bool, storage: str | None, as_json: bool
) -> None:
    """Remove checkpoints of RUN; best and latest always stay."""
    from hairpin.places import storage_url
    from storage import Run, open_store

    found = Run.open(open_store(storage_url(storage)), run)
    found.checkpoints.keep_last, found.checkpoints.keep_every = keep_last, keep_every
    if dry_run:
        names = found.checkpoints.surplus()
    else:
        found.begin_writing()
        try:
            names = found.checkpoints.surplus()
            found.checkpoints.prune()
        finally:
            found.end_writing()
    if as_json:
        click.echo(json.dumps(names, indent=2))
        return
    for name in names:
        click.echo(name)
    click.echo(f"{len(names)} checkpoints {'would be removed' if dry_run else 'removed'}")


@storage.command(
    "rm", epilog=examples("hairpin storage rm RUN", "hairpin storage rm RUN --dry-run")
)
@click.argument("run")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@storage_option
@json_option("Print one JSON object.")
def remove(run: str, dry_run: bool, storage: str | None, as_json: bool) -> None:
    """Remove RUN and all that is kept of it; not while it is trained."""
    from hairpin.places import storage_url
    from storage import Run, open_store

    found = Run.open(open_store(storage_url(storage)), run)
    removed = _sum_up(found)
    if not dry_run:
        found.begin_writing()
        found.remove()
        found.end_writing()
    if as_json:
        click.echo(json.dumps(removed, indent=2))
        return
    how = "would be removed" if dry_run else "removed"
    size = _size(removed["size_bytes"]).strip()
    click.echo(f"{run}: {removed['files']} files, {size} {how}")


@storage.command("push", epilog=examples("hairpin storage push", "hairpin storage push --json"))
@json_option("Print one JSON list.")
def push(as_json: bool) -> int:
    """Send what waits on this machine for stores that did not answer.

    A run that another machine has gone on with meanwhile is left as it is there; the exit code is 1
    if something still waits in the end.
    """
    from storage import Run, StorageError
    from storage.open import open_spooled
    from storage.spools import waiting

    rows: list[dict[str, Any]] = []
    for left in list(waiting()):
        row: dict[str, Any] = {"run": left.run, "store": left.url, "folder": str(left.folder)}
        rows.append(row)
        try:
            run = Run.open(open_spooled(left.url, left.endpoint), left.run)
            run.begin_writing()
            run.end_writing(lambda files, _: click.echo(f"uploading: {files} files left", err=True))
        except StorageError as error:
            row["error"] = str(error)
        else:
            row["files"] = run.store.stats().uploaded
            row["left"] = run.store.stats().pending
    failed = any(row.get("error") or row.get("left") for row in rows)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
    else:
        for row in rows:
            told = row.get("error") or f"{row['files']} files sent to {row['store']}"
            click.echo(f"{row['run']}: {told}")
        if not rows:
            click.echo("Nothing waits on this machine.")
    return DAMAGED if failed else 0


def _sum_up(run: Run) -> dict[str, Any]:
    entries = run.store.entries(run.name)
    return {
        "name": run.name,
        "size_bytes": sum(entry.size_bytes for entry in entries.values()),
        "written": max((entry.modified_s for entry in entries.values()), default=0.0),
        "files": len(entries),
        "checkpoints": len(run.checkpoints.names()),
    }


def _size(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:9.2f} MB"


def _age(seconds: float) -> str:
    for unit, length_s in (("d", 86400.0), ("h", 3600.0), ("min", 60.0)):
        if seconds >= length_s:
            return f"{seconds / length_s:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"
