"""An evaluation from many starts as a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hairpin.numbers import lap_time, percent

if TYPE_CHECKING:
    from hairpin.evaluate import Evaluation


def print_evaluation(evaluation: Evaluation) -> None:
    """Prints a table of the trials and a line that sums them up."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("start", "progress", "lap time"):
        table.add_column(name, justify="right")
    table.add_column("end")
    for trial in evaluation.trials:
        episode = trial.episode
        best = episode.lap_time_s is not None and episode.lap_time_s == evaluation.best_lap_s
        table.add_row(
            f"{episode.start_m:.1f} m",
            percent(episode.progress / 100.0),
            lap_time(episode.lap_time_s),
            episode.end_reason.replace("_", " "),
            style="bold green" if best else None,
        )
    console = Console(highlight=False)
    console.print(table)
    laps = len(evaluation.lap_times_s)
    console.print(
        f"[bold]completion {percent(evaluation.completion)}[/], "
        f"{laps} of {len(evaluation.trials)} laps, "
        f"best lap [bold]{lap_time(evaluation.best_lap_s)}[/], off track {evaluation.off_tracks} "
        f"(checkpoint {evaluation.checkpoint})",
        soft_wrap=True,
    )
