"""``hairpin play``: a video of a run's best drive."""

from __future__ import annotations

import click

from hairpin.options import examples, storage_option


@click.command(
    epilog=examples(
        "hairpin play RUN",
        "hairpin play RUN@latest -o latest.mp4",
        "hairpin play RUN --track bowtie -o bowtie.mp4",
    )
)
@click.argument("run", metavar="RUN[@CHECKPOINT]")
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    default="drive.mp4",
    show_default=True,
    help="The video to write.",
)
@click.option("--track", help="Another track than the run's: a name, a .npy file, random:SEED.")
@click.option(
    "--starts",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Drive from so many start points and show the best drive.",
)
@storage_option
def play(run: str, output: str, track: str | None, starts: int, storage: str | None) -> None:
    """Drive the policy of RUN greedily and write the best drive as a video.

    CHECKPOINT is best (the default), latest, or a name or its number of steps, as
    `hairpin show RUN` lists them.
    """
    from pathlib import Path

    from hairpin.evaluate_cmd import evaluate_reference
    from hairpin.numbers import lap_time, percent

    evaluation = evaluate_reference(run, track, starts, output, storage)
    shown = evaluation.best_recording
    time_s = shown.lap_time_s if shown else None
    best = f"lap of {lap_time(time_s)}" if time_s is not None else "best drive, no whole lap"
    click.echo(
        f"{Path(output).absolute()}: {best} on {evaluation.track} "
        f"(completion {percent(evaluation.completion)}, checkpoint {evaluation.checkpoint})"
    )
