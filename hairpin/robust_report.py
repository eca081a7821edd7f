"""What ``hairpin evaluate --robust`` says and draws."""

from __future__ import annotations

from pathlib import Path

from hairpin.numbers import lap_time, percent
from hairpin.reference import open_reference, usable_track
from hairpin.robust import Robustness, drive_all
from hairpin.robust_figure import draw_robustness
from sim.errors import UserError

PICTURE = "robust.png"


def robust_reference(
    reference: str, track: str | None, output: str | None, storage: str | None
) -> tuple[Robustness, str]:
    """Drives all conditions and draws them; returns what came of it and where the picture is.

    Raises:
        UserError: The picture cannot be written, or the track is not usable.
        StorageError: There is no such run or checkpoint.
    """
    run, checkpoint = open_reference(reference, storage)
    track = usable_track(track)
    path = Path(output).absolute() if output else None
    if path is not None and path.suffix.lower() != ".png":
        raise UserError("the picture's name ends in .png", where=str(path))
    if path is not None and not path.parent.is_dir():
        raise UserError("there is no such folder", where=str(path.parent))
    found = drive_all(run, checkpoint, track=track)
    picture = draw_robustness(found)
    if path is None:
        run.put_file(PICTURE, picture)
        return found, run.locate(PICTURE)
    try:
        path.write_bytes(picture)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(f"the picture cannot be written: {reason}", where=str(path)) from error
    return found, str(path)


def print_robustness(found: Robustness) -> None:
    """Prints a row for each direction and noise, and a line that sums them up."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("direction")
    for name in ("noise", "completion", "laps", "best lap", "average"):
        table.add_column(name, justify="right")
    for condition in found.conditions:
        times = condition.lap_times_s
        table.add_row(
            "reversed" if condition.reverse else "forward",
            percent(condition.noise) if condition.noise else "-",
            percent(condition.completion),
            f"{len(times)} of {len(condition.episodes)}",
            lap_time(min(times, default=None)),
            lap_time(sum(times) / len(times) if times else None),
        )
    console = Console(highlight=False)
    console.print(table)
    console.print(
        f"[bold]completion {percent(found.completion)}[/] over all starts on {found.track} "
        f"(checkpoint {found.checkpoint})",
        soft_wrap=True,
    )
