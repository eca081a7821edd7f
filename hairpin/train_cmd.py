"""``hairpin train``: the main thing."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, TextIO

import click

from hairpin.options import examples, json_option, storage_option

if TYPE_CHECKING:
    from hairpin.job import Job
    from hairpin.workshop.visit import Visit


@click.command(
    epilog=examples(
        "hairpin train",
        "hairpin train my_car/ --track bowtie --minutes 5",
        "hairpin train job.yaml --until completion=0.95",
        "hairpin train --show-job > job.yaml",
        "hairpin train --resume RUN --minutes 20",
        "hairpin train my_car/ --run monday --durable",
        "hairpin train --clone RUN@best --reward faster.py --track bowtie",
        "hairpin train --storage s3://bucket/team --video rtsp://127.0.0.1:8554",
    )
)
@click.argument("job", required=False)
@click.option("--track", help="A track's name, a route file (.npy), or random:SEED.")
@click.option("--reward", metavar="FILE", help="A file with reward_function(params).")
@click.option(
    "--preset",
    type=click.Choice(["fast", "deepracer", "deepracer_deep", "deepracer_deeper"]),
    help="Camera and network: fast (80x60) or DeepRacer's (160x120).",
)
@click.option(
    "--workers",
    type=int,
    metavar="N",
    help="Processes that drive.  [default: $HAIRPIN_WORKERS or one a core]",
)
@click.option("--minutes", type=float, metavar="M", help="Stop after so many minutes.")
@click.option("--steps", type=int, metavar="N", help="Stop after so many environment steps.")
@click.option(
    "--until",
    metavar="GOAL",
    help="Stop when greedy driving is good enough: completion=0.95 or lap_time=9.5.",
)
@click.option("--seed", type=int, metavar="N", help="Seed of all random numbers.")
@click.option(
    "--clone",
    metavar="RUN[@CHECKPOINT]",
    help="Start from another run's weights; what is not said anew is as in that run.",
)
@click.option("--run", metavar="NAME", help="The run's name. [default: made up]")
@storage_option
@click.option(
    "--video",
    metavar="WHERE",
    help="Live video: an rtsp:// address, or file. [default: $HAIRPIN_VIDEO, or none]",
)
@click.option("--metrics-port", type=int, metavar="PORT", help="Serve metrics for Prometheus.")
@click.option("--resume", metavar="RUN", help="Go on with RUN from its last checkpoint.")
@click.option(
    "--durable",
    is_flag=True,
    help="Begin --run, or go on with it if it is there, or do nothing if it has come to its end. "
    "A cluster of our chart goes on with it when its driver or its head is lost.",
)
@click.option("--address", help="A Ray cluster to train on. [default: this machine]")
@click.option("--show-job", is_flag=True, help="Print the job as a file, and do nothing.")
@json_option("Print progress as JSON lines; the last one is the result.")
def train(
    job: str | None,
    resume: str | None,
    durable: bool,
    show_job: bool,
    as_json: bool,
    **options: Any,
) -> int:
    """Train a car to lap from its camera.

    JOB is a YAML or JSON file, or a folder with reward_function.py and perhaps job.yaml, which
    wins, and DeepRacer's model_metadata.json and hyperparameters.json. Without one, a default job
    trains on a track of ours. Options win over the file. Training stops at the first of --minutes,
    --steps and --until; by default when every greedy lap is complete, or after ten minutes. Ctrl-C
    stops cleanly, with a last checkpoint.
    """
    from hairpin.quiet import claim_stdout

    out = claim_stdout() if as_json else None  # before the user's reward function can print
    from hairpin.durable import Over
    from hairpin.kept import GOES_ON, GoesOn
    from hairpin.workshop.visit import begin_visit

    given, visit = by_way(options), begin_visit()
    if visit is not None:
        visit.check_said(job, options["storage"])
    try:
        if resume is None:
            return _begin(job, given, durable, show_job, out, visit)
        return _go_on(resume, job, given, durable, show_job, out, visit)
    except Over as over:
        _say(str(over))
        return 0
    except GoesOn:
        _say("its machine has to go: with --durable it waits again on the next one")
        return GOES_ON


def by_way(options: dict[str, Any]) -> dict[tuple[str, ...], Any]:
    """The options' values by the way to what they set in a job."""
    from hairpin.job_source import OPTIONS

    ways = {option[2:].replace("-", "_"): way for way, option in OPTIONS.items()}
    return {ways[name]: value for name, value in options.items()}


def _begin(
    source: str | None,
    given: dict[tuple[str, ...], Any],
    durable: bool,
    show_job: bool,
    out: TextIO | None,
    visit: Visit | None,
) -> int:
    from hairpin.job_source import load_job

    loaded = load_job(source, given)
    for note in loaded.notes:
        click.echo(f"note: {note}", err=True)
    if show_job:
        return _show(loaded.job, loaded.sources, out)
    if visit is not None:
        visit.check_job(loaded.job)
    if durable:
        from hairpin.durable import find_begun
        from hairpin.resume import CHANGEABLE

        # It goes on with the same job, so that nothing but the place is to be said anew.
        if find_begun(loaded.job, _say):
            places = {way: given.get(way) for way in CHANGEABLE}
            return _go_on(str(loaded.job.run), None, places, durable, False, out, visit)
    from hairpin.kept import keep, keeping_while_waiting
    from hairpin.preflight import create_run, prepare
    from hairpin.train import train_run
    from hairpin.workshop.turn import taking_turn

    prepared = prepare(loaded.job, loaded.sources)
    for note in prepared.notes:
        click.echo(f"note: {note}", err=True)
    with ExitStack() as turn:
        if durable:  # it is to be found by whoever goes on with it, also before it has its turn
            run = create_run(prepared)
            keep(run, _say)
            with keeping_while_waiting(run):
                why_end = turn.enter_context(taking_turn(visit, prepared.job, _say))
        else:
            why_end = turn.enter_context(taking_turn(visit, prepared.job, _say))
            run = create_run(prepared)
        return train_run(
            prepared.job, run, resume=False, clone=prepared.clone, why_end=why_end, out=out
        )


def _go_on(
    name: str,
    source: str | None,
    given: dict[tuple[str, ...], Any],
    durable: bool,
    show_job: bool,
    out: TextIO | None,
    visit: Visit | None,
) -> int:
    from hairpin.resume import job_to_resume

    job, run = job_to_resume(name, source, given, visit.check_job if visit else lambda job: None)
    if show_job:
        return _show(job, run.about().get("sources", {}), out)
    from hairpin.clone import find_clone
    from hairpin.durable import take
    from hairpin.kept import keep
    from hairpin.summary import RESULT_NAME, result_of
    from hairpin.train import train_run
    from hairpin.workshop.turn import taking_turn

    before = result_of(run)
    with taking_turn(visit, job, _say) as why_end:
        if durable:
            take(run, before, _say)
            keep(run, _say)
        else:
            run.begin_writing()
        run.delete_file(RESULT_NAME)  # it has not come to its end any more
        resume = bool(run.checkpoints.names())
        clone = None if resume else find_clone(job, run.store)
        weights = clone.weights if clone else None
        return train_run(job, run, resume=resume, clone=weights, why_end=why_end, out=out)


def _say(line: str) -> None:
    click.echo(line, err=True)


def _show(job: Job, sources: dict[str, str], out: TextIO | None) -> int:
    import json

    from hairpin.job import resolved
    from hairpin.job_source import SOURCES_KEY
    from hairpin.job_text import describe_job

    shown = resolved(job)
    if out:
        shown_json = {**shown.model_dump(mode="json"), SOURCES_KEY: sources}
        click.echo(json.dumps(shown_json, indent=2), file=out)
    else:
        click.echo(describe_job(shown, sources), nl=False)
    return 0
