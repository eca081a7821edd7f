"""A training from its start to the pictures at its end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import TextIO

import click
import numpy as np
from numpy.typing import NDArray

from hairpin.deepracer.recorder import Recorder
from hairpin.job import Job
from hairpin.jobs.state import begun_line
from hairpin.kept import GOES_ON, GoesOn, keeping_until_the_end
from hairpin.monitoring.monitor import Monitor
from hairpin.monitoring.sources import video
from hairpin.process_time import process_began
from hairpin.progress import Progress
from hairpin.records import as_record
from hairpin.report import JsonReporter, PlainReporter, Reporter
from hairpin.secrets import forget_secrets
from hairpin.signals import StopRequest
from hairpin.streaming.streams import VideoStreams
from learner.events import NOT_FOR_HISTORY, Event, Result
from storage import Run

USER_ERROR = 2


def train_run(
    job: Job,
    run: Run,
    *,
    resume: bool,
    clone: Mapping[str, NDArray[np.float32]] | None = None,
    why_end: Callable[[], str | None] = lambda: None,
    out: TextIO | None,
) -> int:
    """Trains `job` into `run`, says how it goes, and finishes with table, picture and video.

    Args:
        job: Checked by `hairpin.preflight`.
        run: This process is its writer.
        resume: Whether to go on from its last checkpoint.
        clone: Weights to start from.
        why_end: Says why the training has to end before it wants to; None if it may go on.
        out: Where to write JSON lines, for a program; None to say it to people.

    Returns:
        The exit code.
    """
    reporter = make_reporter(Progress(stop=job.stop, run=run.name), out)
    run.checkpoints.keep_last, run.checkpoints.keep_every = job.keep_last, job.keep_every
    try:
        streams = VideoStreams(job, run, say=reporter.say)
        with streams, StopRequest(reporter.stopping) as stop_request:
            with reporter, keeping_until_the_end(run):
                result = _train(job, run, resume, clone, reporter, stop_request, why_end, streams)
                if result.stop_reason == "drained":  # there is no time for pictures
                    raise GoesOn
            return _finish(job, run, result, reporter)
    except GoesOn:
        click.echo(f"its machine has to go: run {run.name} is saved and can go on", err=True)
        return GOES_ON
    finally:
        if not run.checkpoints.names():  # nothing came of it: its name can be used again
            run.remove()
        run.end_writing(_tell_left)


def _tell_left(files: int, size_bytes: int) -> None:
    click.echo(f"uploading: {files} files, {size_bytes / 1e6:.1f} MB left", err=True)


def make_reporter(progress: Progress, out: TextIO | None) -> Reporter:
    """Chooses what suits stdout: JSON lines, a live view in a terminal, or plain lines."""
    if out:
        return JsonReporter(progress, out)
    if sys.stdout.isatty():
        from hairpin.live import LiveReporter

        return LiveReporter(progress)
    return PlainReporter(progress)


def _train(
    job: Job,
    run: Run,
    resume: bool,
    clone: Mapping[str, NDArray[np.float32]] | None,
    reporter: Reporter,
    stop_request: StopRequest,
    why_end: Callable[[], str | None],
    streams: VideoStreams,
) -> Result:
    from learner.session import train  # brings torch and Ray along

    forget_secrets()
    monitor = Monitor(job, run, video(streams.stats))
    reporter.say(begun_line(run.name, run.url))
    if monitor.url is not None:
        reporter.say(f"metrics at {monitor.url}")

    def on_event(event: Event) -> None:
        stop_request.install()
        recorder.note(event)
        monitor.note(event)
        streams.note(event)
        if isinstance(event, NOT_FOR_HISTORY):
            return
        run.append_history(as_record(event))
        reporter.progress.note(event)
        reporter.event(event)

    with Recorder(job, run, say=reporter.say) as recorder:
        return train(
            job.train_settings(),
            run,
            resume=resume,
            clone=clone,
            on_event=on_event,
            should_stop=lambda: stop_request() or why_end(),
            ray_address=job.address,
            began=process_began(),
        )


def _finish(job: Job, run: Run, result: Result, reporter: Reporter) -> int:
    from hairpin.finish import finish, print_outcome

    click.echo("evaluating the best policy, drawing the picture and the video", err=True)
    try:
        outcome, evaluation = finish(job, run, result)
    except KeyboardInterrupt:  # all that matters has been saved
        click.echo(f"left before the pictures were drawn; the run is in {run.url}", err=True)
        return 0
    if isinstance(reporter, JsonReporter):
        reporter.result(outcome)
    else:
        print_outcome(outcome, evaluation)
    if result.stop_reason == "reward":
        click.echo(f"error: {result.error}", err=True)
        return USER_ERROR
    return 0
