"""A race said to people: a table of the laps, and what they score."""

from __future__ import annotations

from hairpin.numbers import lap_time, percent
from hairpin.race_run import RunRace


def print_race(raced: RunRace) -> None:
    """Prints a row for each lap and a line that sums them up."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    race = raced.race
    rules = race.settings
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("lap" if rules.continuous else "trial", "time", "progress", "resets", "penalty"):
        table.add_column(name, justify="right")
    table.add_column("end")
    for number, lap in enumerate(race.laps, 1):
        best = lap.time_s is not None and lap.time_s == race.best_lap_s
        end = lap.end_reason.replace("_", " ")
        table.add_row(
            str(number),
            lap_time(lap.time_s),
            percent(max(lap.progress, 0.0) / 100.0),
            str(lap.resets),
            lap_time(lap.penalty_s) if lap.resets else "-",
            f"{end}, in reverse" if lap.reverse else end,
            style="bold green" if best else None,
        )
    console = Console(highlight=False)
    console.print(table)
    window = race.best_window
    scores = [f"best lap [bold]{lap_time(race.best_lap_s)}[/]"]
    if rules.window_laps > 1 and rules.laps >= rules.window_laps:
        average_s = window[1] if window else None
        scores.append(f"best {rules.window_laps} in a row [bold]{lap_time(average_s)}[/] each")
    scores.append(f"total {lap_time(race.total_s)}, {race.resets} resets")
    laps = len(race.lap_times_s)
    console.print(
        f"[bold]{laps} of {rules.laps} laps[/] on {raced.world.track}, {', '.join(scores)} "
        f"(checkpoint {raced.checkpoint})",
        soft_wrap=True,
    )
