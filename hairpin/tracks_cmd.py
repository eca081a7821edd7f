"""``hairpin tracks``: lists, draws and imports tracks."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hairpin.options import examples, json_option

if TYPE_CHECKING:
    from sim.track import Track


@click.group(
    epilog=examples(
        "hairpin tracks list",
        "hairpin tracks show crossover",
        "hairpin tracks import my_route.npy --name backyard",
        "hairpin train --track backyard",
    )
)
def tracks() -> None:
    """List, draw and import tracks."""


@tracks.command(
    "list",
    epilog=examples(
        "hairpin tracks list",
        "hairpin tracks list --png tracks.png    all of them on one sheet",
        "hairpin tracks list --json",
    ),
)
@click.option("--png", metavar="FILE", help="Also draw them all on one sheet.")
@json_option("Print one JSON list.")
def list_tracks(png: str | None, as_json: bool) -> None:
    """List the tracks of the library and your own.

    Wherever a track is asked for, the path of a route file (.npy) or random:SEED will do as well.
    """
    from sim.errors import UserError
    from sim.track import Track
    from sim.tracks import names

    found = []
    for name in names():
        try:
            found.append(Track.load(name))
        except UserError as error:  # one bad file among the user's own must not hide the others
            click.echo(f"warning: {error}", err=True)
    rows = [_facts(track, track.name) for track in found]
    if png:
        from sim.track_picture import draw_sheet

        draw_sheet([(t, str(row["title"])) for t, row in zip(found, rows, strict=True)], png)
    if as_json:
        click.echo(json.dumps(rows, indent=2))
        return
    _print_table(rows)
    if png:
        click.echo(f"picture: {png}")


@tracks.command(
    "show",
    epilog=examples(
        "hairpin tracks show hairpin",
        "hairpin tracks show random:7 -o seven.png",
        "hairpin tracks show bramble --racing-line",
        "hairpin tracks show my_route.npy --json",
    ),
)
@click.argument("name")
@click.option("-o", "--output", metavar="FILE", help="The picture.  [default: NAME.png, here]")
@click.option(
    "--racing-line",
    "with_line",
    is_flag=True,
    help="Also find and draw the line of least curvature, and say how fast it is.",
)
@json_option("Print one JSON object.")
def show_track(name: str, output: str | None, with_line: bool, as_json: bool) -> None:
    """Say a track's numbers and draw it.

    NAME is a track of the list, the path of a route file (.npy), or random:SEED.
    """
    from sim.track import Track
    from sim.track_picture import draw_track

    track = Track.load(name)
    facts = _facts(track, name)
    picture = output or f"{track.name.replace(':', '-')}.png"
    line = None
    if with_line:
        from sim.racing_line import racing_line

        line = racing_line(track)
        lap = {"length_m": round(line.length_m, 3), "lap_time_s": round(line.lap_time_s, 3)}
        facts["racing_line"] = lap
    draw_track(track, picture, title=str(facts["title"]), note=str(facts["teaches"]), line=line)
    if as_json:
        click.echo(json.dumps({**facts, "picture": picture}, indent=2))
        return
    click.echo(f"{facts['title']}: {facts['teaches']}")
    for label, text in (
        ("length", f"{track.length_m:.2f} m"),
        ("width", f"{track.width_m:.2f} m"),
        ("tightest radius", _radius(facts)),
        ("direction", facts["direction"]),
        ("waypoints", facts["waypoints"]),
        *(
            [("racing line", f"{line.length_m:.2f} m, {line.lap_time_s:.2f} s a lap")]
            if line
            else []
        ),
        ("picture", picture),
    ):
        click.echo(f"  {label:<16} {text}")


@tracks.command(
    "import",
    epilog=examples(
        "hairpin tracks import reinvent_base.npy",
        "hairpin tracks import route.npy --name backyard",
    ),
)
@click.argument("file", metavar="FILE")
@click.option("--name", default="", help="What to call it.  [default: the file's name]")
@click.option("--force", is_flag=True, help="Replace a track of yours that has this name.")
@json_option("Print one JSON object.")
def import_track(file: str, name: str, force: bool, as_json: bool) -> None:
    """Check a route file and keep it under a name.

    FILE is a NumPy array of shape (N, 6), as DeepRacer's tracks come: centre x and y, inner border
    x and y, outer border x and y, in metres. It is copied to $HAIRPIN_HOME/tracks, or to
    ~/.hairpin/tracks.
    """
    from sim.track import Track
    from sim.tracks import import_route, user_folder

    name = import_route(file, name, force=force)
    facts = _facts(Track.load(name), name)
    kept = str(Path(user_folder()) / f"{name}.npy")
    if as_json:
        click.echo(json.dumps({**facts, "file": kept}, indent=2))
        return
    click.echo(
        f"{name}: {facts['length_m']:.1f} m long, {facts['width_m']:.2f} m wide, "
        f"{facts['direction']}; kept in {kept}"
    )
    click.echo(f"Next: hairpin train --track {name}")


def _facts(track: Track, spec: str) -> dict[str, Any]:
    """What can be said of a track, as JSON-able values."""
    from sim.track_facts import direction, tightest_radius_m
    from sim.tracks import info

    about = info(spec)
    radius_m = tightest_radius_m(track)
    return {
        "name": track.name,
        "title": about.title,
        "source": about.source,
        "length_m": round(track.length_m, 3),
        "width_m": round(track.width_m, 3),
        "min_radius_m": None if radius_m is None else round(radius_m, 3),
        "direction": direction(track),
        "closed": track.closed,
        "waypoints": len(track.waypoints),
        "teaches": about.teaches,
    }


def _radius(facts: dict[str, Any]) -> str:
    radius_m = facts["min_radius_m"]
    return "straight" if radius_m is None else f"{radius_m:.2f} m"


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("name", style="bold", no_wrap=True)
    for heading in ("length", "width", "tightest", ""):
        table.add_column(heading, justify="left" if not heading else "right", no_wrap=True)
    table.add_column("what it teaches")
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['length_m']:.1f} m",
            f"{row['width_m']:.2f} m",
            _radius(row),
            row["direction"],
            row["teaches"],
        )
    # A pipe has no width to keep to.
    Console(highlight=False, width=None if sys.stdout.isatty() else 160).print(table)
