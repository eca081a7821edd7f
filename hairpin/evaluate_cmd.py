"""``hairpin evaluate``: a trained policy races, or drives from many starts."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from hairpin.evaluate_check import IN_THE_RUN, check_driver, check_rules
from hairpin.options import examples, json_option, storage_option

if TYPE_CHECKING:
    from hairpin.evaluate import Evaluation
    from hairpin.race_run import RunRace

logger = logging.getLogger(__name__)

MODEL_STARTS = 20  # where the model of a file drives from


@click.command(
    epilog=examples(
        "hairpin evaluate RUN",
        "hairpin evaluate RUN --laps 5 --no-continuous",
        "hairpin evaluate RUN@latest --track bowtie --off-track-penalty 2",
        "hairpin evaluate RUN --video",
        "hairpin evaluate RUN --starts 20 --video drive.mp4",
        "hairpin evaluate RUN --robust -o robust.png",
        "hairpin evaluate --model car.onnx --track oval --starts 20",
    )
)
@click.argument("run", metavar="RUN[@CHECKPOINT]", required=False)
@click.option(
    "--model",
    metavar="FILE",
    help="Instead of a run: an export (.onnx, .pt2), or a DeepRacer model (.tar.gz, .pb); drives "
    "a lap from each of 20 starts, or of --starts.",
)
@click.option("--track", help="Another track than the run's: a name, a .npy file, random:SEED.")
@click.option("--laps", type=click.IntRange(1, 1000), help="Laps of the race.  [job: 3]")
@click.option(
    "--continuous/--no-continuous",
    default=None,
    help="One rolling run, or each lap a trial from standstill.  [job: continuous]",
)
@click.option(
    "--direction",
    type=click.Choice(["forward", "reversed", "alternating"]),
    help="Driving direction; alternating needs --no-continuous.  [job: forward]",
)
@click.option(
    "--off-track-penalty",
    type=click.FloatRange(0.0, 600.0),
    metavar="SECONDS",
    help="How long a car stands that left the track; part of its lap time.  [job: 5]",
)
@click.option(
    "--max-resets", type=click.IntRange(0, 10_000), help="Then the run is over.  [job: 100]"
)
@click.option(
    "--starts",
    type=click.IntRange(1, 1000),
    help="No race: one lap from each of so many starts, spread over the track, without resets.",
)
@click.option(
    "--robust",
    is_flag=True,
    help="No race: one lap from each of 20 starts, in both directions, as commanded and with noise "
    "on the commands: uniform, up to 10 % of the steering range and of the top speed, drawn anew "
    "at every step from the job's seed. Draws a figure.",
)
@click.option(
    "-o", "--output", metavar="FILE", help="Where --robust draws it.  [default: into the run]"
)
@click.option(
    "--video",
    metavar="[FILE]",
    is_flag=False,
    flag_value=IN_THE_RUN,
    help="Also write videos: three of the whole race into the run, or the best lap to FILE (.mp4).",
)
@storage_option
@json_option("Print one JSON object.")
def evaluate(
    run: str | None,
    model: str | None,
    track: str | None,
    laps: int | None,
    continuous: bool | None,
    direction: str | None,
    off_track_penalty: float | None,
    max_resets: int | None,
    starts: int | None,
    robust: bool,
    output: str | None,
    video: str | None,
    storage: str | None,
    as_json: bool,
) -> None:
    """Let the policy of RUN race greedily, by the rules of the DeepRacer league.

    A car that leaves the track stands for the penalty, which counts, and drives on from the middle
    of the nearer lane. What is not given comes from `race:` in the run's job. Trace and metrics are
    written into the run, as deepracer-for-cloud writes them.

    CHECKPOINT is best (the default), latest, or a name or its number of steps, as
    `hairpin show RUN` lists them.
    """
    from hairpin.quiet import claim_stdout

    rules = {
        "laps": laps,
        "continuous": continuous,
        "off_track_penalty_s": off_track_penalty,
        "max_resets": max_resets,
    }
    check_driver(run, model, {**rules, "direction": direction, "robust": robust or None})
    if model is not None:
        starts = starts or MODEL_STARTS
    check_rules(starts, robust, output, video, {**rules, "direction": direction})
    out = claim_stdout() if as_json else None
    if robust:
        from hairpin.robust_report import print_robustness, robust_reference

        found, picture = robust_reference(str(run), track, output, storage)
        if out:
            click.echo(json.dumps({**found.as_dict(), "picture": picture}), file=out)
        else:
            print_robustness(found)
            click.echo(f"picture: {picture}")
        return
    if starts is not None:
        if run is None:
            evaluation = evaluate_file(str(model), track, starts, video)
        else:
            evaluation = evaluate_reference(run, track, starts, video, storage)
        if out:
            click.echo(json.dumps(evaluation.as_dict()), file=out)
        else:
            from hairpin.evaluation_table import print_evaluation

            print_evaluation(evaluation)
        written: dict[str, str] = {}
    else:
        assert run is not None
        raced, written = race_reference(run, track, direction, rules, video, storage)
        if out:
            click.echo(json.dumps({**raced.as_dict(), "files": written}), file=out)
        else:
            from hairpin.race_table import print_race

            print_race(raced)
    if not out:
        if video and video != IN_THE_RUN:
            written["video"] = video
        for name, place in written.items():
            click.echo(f"{name}: {place}")


def evaluate_reference(
    reference: str, track: str | None, starts: int, video: str | None, storage: str | None
) -> Evaluation:
    """Drives a lap from each start, and returns what came of it."""
    from hairpin.evaluate import evaluate_run
    from hairpin.reference import open_reference

    found, checkpoint = open_reference(reference, storage)
    return _filmed(partial(evaluate_run, found, checkpoint, starts=starts), track, video)


def evaluate_file(model: str, track: str | None, starts: int, video: str | None) -> Evaluation:
    """Drives a lap from each start with the model of a file, and returns what came of it."""
    from pathlib import Path

    from hairpin.export.evaluation import evaluate_model

    return _filmed(partial(evaluate_model, Path(model), starts=starts), track, video)


def _filmed(
    evaluate: Callable[..., Evaluation], track: str | None, video: str | None
) -> Evaluation:
    """Drives on a track that is usable, and films the best drive if a video is wanted."""
    from pathlib import Path

    from hairpin.reference import usable_track
    from hairpin.video import check_video_path, save_video

    track = usable_track(track)
    if video:
        check_video_path(Path(video))
    evaluation = evaluate(track=track, record=video is not None)
    if video:
        save_video(evaluation, Path(video))
    return evaluation


def race_reference(
    reference: str,
    track: str | None,
    direction: str | None,
    rules: dict[str, Any],
    video: str | None,
    storage: str | None,
) -> tuple[RunRace, dict[str, str]]:
    """Drives a race, stores its files, and returns it and where they are."""
    from pathlib import Path

    from hairpin.deepracer.evaluation_files import write_evaluation
    from hairpin.race_run import race_run
    from hairpin.reference import open_reference, usable_track
    from hairpin.video import check_video_path, film_of, save_recording
    from sim.race_film import VIEWS
    from storage import StorageError

    found, checkpoint = open_reference(reference, storage)
    track = usable_track(track)
    if video and video != IN_THE_RUN:
        check_video_path(Path(video))
    raced = race_run(found, checkpoint, track=track, direction=direction, rules=rules)
    written = {}
    try:
        name = write_evaluation(found, raced)
        written["trace"] = found.locate(f"{name}/evaluation-simtrace/0-iteration.csv")
        written["metrics"] = found.locate(f"metrics/evaluation/{name}.json")
        if video == IN_THE_RUN:
            for view in VIEWS:
                place = f"{name}/camera-{view}/0-video.mp4"
                found.put_file(place, film_of(raced, view))
                written[f"camera-{view}"] = found.locate(place)
    except StorageError as error:  # the race was driven all the same
        logger.warning("not all files are kept: %s", error)
    if video and video != IN_THE_RUN:
        save_recording(raced.best_recording, raced.world.camera, Path(video))
    return raced, written
