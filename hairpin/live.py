"""The view of a training in a terminal: numbers that matter first, redrawn in place."""

from __future__ import annotations

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hairpin.numbers import clock, lap_time, percent
from hairpin.progress import Progress
from hairpin.report import STOPPING, Reporter, event_line
from learner.events import Event, IterationDone

PHASE_STYLES = {
    "physics": "cyan",
    "camera": "blue",
    "reward": "yellow",
    "inference": "magenta",
    "learning": "green",
    "sync": "red",
    "other": "bright_black",
}
BAR_WIDTH = 72
LABELS_A_ROW = 4
SPARK = "▁▂▃▄▅▆▇█"
REFRESH_HZ = 4


class LiveReporter(Reporter):
    """Redraws the view a few times a second; what happens is said above it."""

    def __init__(self, progress: Progress, console: Console | None = None) -> None:
        super().__init__(progress)
        self._console = console or Console()
        self._live = Live(
            get_renderable=self._draw,
            console=self._console,
            refresh_per_second=REFRESH_HZ,
            transient=True,
        )

    def __enter__(self) -> Reporter:
        self._live.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._live.stop()

    def event(self, event: Event) -> None:
        """Prints what is worth a line above the view; the rest shows in the view."""
        text = "" if isinstance(event, IterationDone) else event_line(event, self.progress)
        if text:
            self.say(text)

    def say(self, text: str) -> None:
        """Prints a line above the view."""
        self._console.print(text, markup=False, highlight=False)

    def _draw(self) -> Panel:
        # Time goes on between events, and a clock that stands still looks like a crash.
        return draw(self.progress, elapsed_s=self.progress.elapsed_s)


def draw(progress: Progress, *, elapsed_s: float) -> Panel:
    """The view as something rich can print."""
    left = progress.time_left(elapsed_s)
    numbers = Table.grid(padding=(0, 3))
    for _ in range(4):
        numbers.add_column(justify="left")
    numbers.add_row(
        _labelled("steps", f"{progress.steps:,}"),
        _labelled("steps/s", f"{progress.steps_per_s:,.0f}"),
        _labelled("elapsed", clock(elapsed_s)),
        _labelled("left", "-" if left is None else clock(left)),
    )
    numbers.add_row(
        _labelled("laps", f"{progress.laps:,}"),
        _labelled("last lap", lap_time(progress.last_lap_s)),
        _labelled("best lap", lap_time(progress.best_lap_s), "bold green"),
        _labelled("return", "-" if progress.return_mean is None else f"{progress.return_mean:.1f}"),
    )
    completion = Table.grid(padding=(0, 1))
    completion.add_row(
        Text("exploring", "dim"),
        _bar(progress.completion, "blue"),
        Text(percent(progress.completion)),
        Text(sparkline(list(progress.completions)), "blue"),
    )
    completion.add_row(
        Text("greedy", "dim"),
        _bar(progress.greedy_completion, "green"),
        Text(percent(progress.greedy_completion), "bold"),
        Text(f"best {percent(progress.best_completion)}", "dim"),
    )
    parts: list[RenderableType] = [numbers, Text(), completion, Text(), *_shares(progress)]
    if progress.reward_errors:
        parts.append(Text(f"the reward function failed in {progress.reward_errors} ways", "red"))
    if progress.lost_workers:
        parts.append(Text(f"{progress.lost_workers} workers died and were replaced", "red"))
    stopping = progress.doing == STOPPING
    return Panel(
        Group(*parts),
        title=_title(progress),
        subtitle=Text(progress.doing, "bold yellow" if stopping else "dim"),
        title_align="left",
        subtitle_align="left",
        box=box.ROUNDED,
        border_style="yellow" if stopping else "bright_black",
        padding=(0, 1),
        width=78,
    )


def sparkline(values: list[float]) -> str:
    """Draws values from 0 to 1 as a row of bars of eight heights."""
    return "".join(SPARK[min(int(value * len(SPARK)), len(SPARK) - 1)] for value in values)


def _labelled(label: str, value: str, style: str = "bold") -> Text:
    return Text.assemble((f"{label} ", "dim"), (value, style))


def _bar(share: float | None, style: str) -> ProgressBar:
    return ProgressBar(
        total=1.0, completed=share or 0.0, width=30, complete_style=style, finished_style=style
    )


def _title(progress: Progress) -> Text:
    title = Text(progress.run, "bold default")
    if progress.stop.until:
        title.append(f"  until {progress.stop.until}", "not bold dim")
    return title


def _shares(progress: Progress) -> list[RenderableType]:
    """A bar of an iteration's phases, and its legend."""
    if not progress.shares:
        return [Text("the first steps are under way" if progress.steps else "", "dim")]
    bar, labels = Text(), []
    for phase, style in PHASE_STYLES.items():
        share = progress.shares.get(phase, 0.0)
        bar.append("━" * round(BAR_WIDTH * share), style)
        labels.append(Text.assemble(("■ ", style), (f"{phase} {100.0 * share:.0f} %", "dim")))
    legend = Table.grid(padding=(0, 2))
    for first in range(0, len(labels), LABELS_A_ROW):
        legend.add_row(*labels[first : first + LABELS_A_ROW])
    return [bar, legend]
