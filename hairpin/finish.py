"""The end of a training: a last evaluation, a picture, a video, and what to type next."""

from __future__ import annotations

import json
import logging
import math
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import click

from hairpin.evaluate import Evaluation, evaluate_run
from hairpin.evaluation_table import print_evaluation
from hairpin.history import Curves
from hairpin.job import Job
from hairpin.numbers import clock, lap_time
from hairpin.places import storage_url
from hairpin.summary import RESULT_NAME
from learner.events import Result
from sim.errors import UserError
from storage import NotFoundError, Run, UnreachableError, store_url

logger = logging.getLogger(__name__)

PICTURE, VIDEO = "training.png", "drive.mp4"
STARTS = 20

REASONS = {
    "goal": "the goal is reached",
    "minutes": "the time is up",
    "steps": "the steps are done",
    "stopped": "stopped by you",
    "reward": "the reward function failed too often",
    "allowance": "the participant's minutes of training are used up",
    "room": "the participant's runs take as much room as they may (hairpin storage rm makes some)",
}


def finish(job: Job, run: Run, result: Result) -> tuple[dict[str, Any], Evaluation | None]:
    """Evaluates the best policy and stores the result, a picture and a video with the run.

    Args:
        job: What was trained.
        run: Where; this process is its writer.
        result: How the training ended.

    Returns:
        The result as JSON-able values, and the evaluation; None if there is no checkpoint.
    """
    outcome = asdict(result)
    _store(run, outcome)  # first of all: whatever goes wrong below, this run came to its end
    evaluation = _evaluate_best(run)
    if evaluation is not None:
        found = evaluation.as_dict()
        outcome |= {
            "completion": evaluation.completion,
            "best_lap_s": evaluation.best_lap_s,
            "evaluation": {key: found[key] for key in ("checkpoint", "laps", "off_tracks")},
        }
    run.put_file(PICTURE, draw_picture(job, run, outcome))
    outcome["picture"] = run.locate(PICTURE)
    outcome["video"] = _make_video(run, evaluation)
    _store(run, outcome)
    return outcome, evaluation


def print_outcome(outcome: Mapping[str, Any], evaluation: Evaluation | None) -> None:
    """Says to people how it ended, where everything is, and what to type next."""
    if evaluation is not None:
        print_evaluation(evaluation)
    first_lap = outcome["first_lap_s"]
    laps = "no lap yet"
    if first_lap is not None:
        laps = f"first lap after {first_lap:.0f} s, {outcome['laps']:,} laps while exploring"
    click.echo(
        f"\n{REASONS.get(outcome['stop_reason'], outcome['stop_reason'])}: "
        f"{outcome['steps']:,} steps in {clock(outcome['seconds'])}, "
        f"{outcome['steps_per_s']:,.0f} steps/s, {laps}"
    )
    for name in ("folder", "picture", "video"):
        if outcome.get(name):
            click.echo(f"  {name:8} {outcome[name]}")
    click.echo("\nnext")
    for command in next_commands(outcome):
        click.echo(f"  {command}")


def next_commands(outcome: Mapping[str, Any]) -> list[str]:
    """What may be typed next, with the storage where it is not the default one."""
    run, folder = outcome["run"], str(outcome["folder"])
    storage = folder[: -len(run)].rstrip("/")
    usual = store_url(storage_url(None)) == storage
    suffix = "" if usual else f" --storage {shlex.quote(storage)}"
    minutes = math.ceil(outcome["seconds"] / 60.0) + 10
    commands = [f"hairpin train --resume {run} --minutes {minutes}{suffix}"]
    if outcome.get("evaluation"):
        commands = [
            f"hairpin evaluate {run} --track bowtie{suffix}",
            f"hairpin play {run}{suffix}",
            *commands,
        ]
    return commands


def draw_picture(job: Job, run: Run, outcome: Mapping[str, Any]) -> bytes:
    """Draws the run's history as a PNG."""
    from hairpin.figure import draw_training

    note = (
        f"{run.about().get('track', job.track)}, {job.preset}, {outcome['steps']:,} steps in "
        f"{clock(outcome['seconds'])}, best lap {lap_time(outcome['best_lap_s'])}"
    )
    return draw_training(Curves.of(run.history()), title=run.name, note=note)


def _evaluate_best(run: Run) -> Evaluation | None:
    for ref in ("best", "latest"):
        try:
            return evaluate_run(run, ref, starts=STARTS, record=True)
        except NotFoundError:
            continue
        except UnreachableError as error:
            logger.warning("the best policy is not evaluated now: %s", error)
            return None
    return None


def _make_video(run: Run, evaluation: Evaluation | None) -> str | None:
    from hairpin.video import video_of

    if evaluation is None:
        return None
    try:
        run.put_file(VIDEO, video_of(evaluation))
    except UserError as error:  # a machine without the codec has trained all the same
        logger.warning("no video: %s", error)
        return None
    return run.locate(VIDEO)


def _store(run: Run, outcome: Mapping[str, Any]) -> None:
    run.put_file(RESULT_NAME, (json.dumps(outcome, indent=2) + "\n").encode())
