"""``hairpin evaluate``: drives a trained policy and counts laps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from hairpin.numbers import lap_time, percent
from hairpin.options import examples, json_option, storage_option

if TYPE_CHECKING:
    from hairpin.evaluate import Evaluation


@click.command(
    epilog=examples(
        "hairpin evaluate RUN",
        "hairpin evaluate RUN@latest --starts 5",
        "hairpin evaluate RUN --track bowtie --video bowtie.mp4",
    )
)
@click.argument("run", metavar="RUN[@CHECKPOINT]")
@click.option("--track", help="Another track than the run's: a name, a .npy file, random:SEED.")
@click.option(
    "--starts",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Start points, evenly spread over the lap.",
)
@click.option("--video", metavar="FILE", help="Also write the best drive as an .mp4.")
@storage_option
@json_option("Print one JSON object.")
def evaluate(
    run: str, track: str | None, starts: int, video: str | None, storage: str | None, as_json: bool
) -> None:
    """Drive the policy of RUN greedily from several starts and count laps.

    CHECKPOINT is best (the default), latest, or a name or its number of steps, as
    `hairpin show RUN` lists them.
    """
    from hairpin.quiet import claim_stdout

    out = claim_stdout() if as_json else None
    evaluation = evaluate_reference(run, track, starts, video, storage)
    if out:
        click.echo(json.dumps(evaluation.as_dict()), file=out)
    else:
        print_evaluation(evaluation)
        if video:
            click.echo(f"video: {video}")


def evaluate_reference(
    reference: str, track: str | None, starts: int, video: str | None, storage: str | None
) -> Evaluation:
    """Does what the command does, and returns what came of it."""
    from pathlib import Path

    from hairpin.evaluate import evaluate_run
    from hairpin.job import absolute, looks_like_path
    from hairpin.places import split_reference, storage_url
    from hairpin.video import check_video_path, save_video
    from sim.track import Track
    from storage import Run, open_store

    name, checkpoint = split_reference(reference)
    run = Run.open(open_store(storage_url(storage)), name)
    if track is not None:
        Track.load(track)
        track = absolute(track, Path()) if looks_like_path(track) else track
    if video:
        check_video_path(Path(video))
    evaluation = evaluate_run(
        run, checkpoint or "best", track=track, starts=starts, record=video is not None
    )
    if video:
        save_video(evaluation, Path(video))
    return evaluation


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
