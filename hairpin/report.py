"""What is said while training: to a terminal, to a log, or to a program."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, TextIO

import click

from hairpin.numbers import clock, lap_time, percent
from hairpin.progress import Progress
from hairpin.records import as_record
from learner.events import (
    Evaluated,
    Event,
    FirstLap,
    IterationDone,
    RewardFailed,
    RewardPrinted,
    RewardSlow,
    Started,
    WorkerLost,
    WorkerRestored,
)

LINE_EVERY_S = 10.0  # a log of hours stays readable


class Reporter(ABC):
    """Is told events, and says of them what its audience wants to know.

    Args:
        progress: What is known so far; updated by the caller before each `event`.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress

    def __enter__(self) -> Reporter:
        return self

    def __exit__(self, *exception: object) -> None:
        return None

    @abstractmethod
    def event(self, event: Event) -> None:
        """Is told that something happened."""

    @abstractmethod
    def say(self, text: str) -> None:
        """Says a line for people."""

    def stopping(self) -> None:
        """Is told that the user wishes to stop; may be called from a signal handler."""
        self.progress.doing = STOPPING


STOPPING = "stopping: saving a last checkpoint (Ctrl-C again to leave at once)"


class PlainReporter(Reporter):
    """A line now and then, for logs and pipes."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress)
        self._said_at = -LINE_EVERY_S

    def event(self, event: Event) -> None:
        """Says a line on what matters, and one on the progress every ten seconds."""
        if isinstance(event, IterationDone):
            now = time.monotonic()
            if now - self._said_at >= LINE_EVERY_S:
                self._said_at = now
                self.say(progress_line(self.progress))
            return
        text = event_line(event, self.progress)
        if text:
            self.say(text)

    def say(self, text: str) -> None:
        """Prints a line at once, also into a pipe."""
        click.echo(text)

    def stopping(self) -> None:
        """Prints what is being done about Ctrl-C."""
        super().stopping()
        click.echo(STOPPING, err=True)


class JsonReporter(Reporter):
    """A JSON object a line on stdout; what is for people goes to stderr."""

    def __init__(self, progress: Progress, out: TextIO) -> None:
        super().__init__(progress)
        self._out = out

    def event(self, event: Event) -> None:
        """Prints the event with all its numbers; what the user printed goes to stderr as well."""
        self._print(as_record(event))
        if isinstance(event, RewardPrinted):
            self.say(event_line(event, self.progress))

    def say(self, text: str) -> None:
        """Prints a line on stderr."""
        click.echo(text, err=True)

    def stopping(self) -> None:
        """Prints on stderr what is being done about Ctrl-C."""
        super().stopping()
        self.say(STOPPING)

    def result(self, result: Mapping[str, Any]) -> None:
        """Prints the last object."""
        self._print({"event": "result", **result})

    def _print(self, content: Mapping[str, Any]) -> None:
        self._out.write(json.dumps(content, allow_nan=False) + "\n")
        self._out.flush()


def progress_line(progress: Progress) -> str:
    """The state of a training in one line."""
    parts = [
        f"{clock(progress.seconds):>7}",
        f"{progress.steps:>9,} steps",
        f"{progress.steps_per_s:>6,.0f}/s",
        f"completion {percent(progress.completion):>5}",
        f"greedy {percent(progress.greedy_completion):>5}",
        f"best lap {lap_time(progress.best_lap_s)}",
    ]
    if progress.dropped_steps:
        parts.append(f"{progress.dropped_steps:,} steps over max_iteration_steps dropped")
    left = progress.time_left(progress.seconds)
    if left is not None:
        parts.append(f"{clock(left)} left")
    return "  ".join(parts)


def event_line(event: Event, progress: Progress) -> str:
    """What to say of an event that is no iteration; empty if nothing."""
    at = f"{clock(progress.seconds):>7}  "
    if isinstance(event, Started):
        resumed = f", going on from {event.resumed_from}" if event.resumed_from else ""
        return f"{at}driving{resumed}"
    if isinstance(event, FirstLap):
        return f"{at}first lap after {event.seconds:.0f} s and {event.steps:,} steps"
    if isinstance(event, Evaluated):
        laps = f"{event.laps} laps" if event.laps != 1 else "1 lap"
        best = f", best {lap_time(min(event.lap_times_s))}" if event.lap_times_s else ""
        star = "  * best so far" if event.best else ""
        return f"{at}greedy: completion {percent(event.completion)}, {laps}{best}{star}"
    if isinstance(event, RewardFailed):
        error = event.error
        trace = f"\n{error.traceback.rstrip()}" if error.traceback else ""
        return (
            f"{at}the reward function failed: {error.message}; that step counts 0{trace}\n"
            f"params: {error.params_json}"
        )
    if isinstance(event, RewardPrinted):
        more = [f"({event.dropped:,} more lines)"] if event.dropped else []
        return "\n".join(f"reward {event.worker}: {line}" for line in [*event.lines, *more])
    if isinstance(event, RewardSlow):
        return (
            f"{at}the reward function takes {percent(event.share)} of the time of driving: "
            f"{1e6 * event.mean_s:,.0f} us a call, {1e3 * event.longest_s:,.1f} ms at most"
        )
    if isinstance(event, WorkerLost):
        return f"{at}worker {event.worker} does not answer; {event.left} drive on until it is back"
    if isinstance(event, WorkerRestored):
        return f"{at}worker {event.worker} is back; {event.healthy} drive"
    return ""
