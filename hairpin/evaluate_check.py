"""Options of ``hairpin evaluate`` that contradict each other are refused before it drives."""

from __future__ import annotations

from typing import Any

from sim.errors import UserError

IN_THE_RUN = "-"  # what --video without a FILE says


def check_rules(
    starts: int | None,
    robust: bool,
    output: str | None,
    video: str | None,
    race: dict[str, Any],
) -> None:
    """Refuses options that contradict each other, before anything is driven."""
    given = [
        f"--{key.removesuffix('_s').replace('_', '-')}" for key in race if race[key] is not None
    ]
    if starts is not None and given:
        raise UserError(
            f"it does not go with {', '.join(given)}, which are about a race",
            where="--starts",
            fix="Leave out one or the other",
        )
    others = [
        *given,
        *(["--starts"] if starts is not None else []),
        *(["--video"] if video else []),
    ]
    if robust and others:
        raise UserError(
            f"it does not go with {', '.join(others)}: its starts, directions and noise are fixed",
            where="--robust",
            fix="Leave out one or the other",
        )
    if output is not None and not robust:
        raise UserError("only --robust draws a figure", where="--output", fix="Add --robust")
    if starts is not None and video == IN_THE_RUN:
        raise UserError(
            "videos of a whole race need a race",
            where="--video",
            fix="With --starts, name a file for the best lap: --video drive.mp4",
        )
    if race["direction"] == "alternating" and race["continuous"]:
        raise UserError(
            "a rolling run has one direction",
            where="--direction alternating",
            fix="Add --no-continuous",
        )


def check_driver(run: str | None, model: str | None, race: dict[str, Any]) -> None:
    """Refuses two drivers, none, and a race with the model of a file."""
    if (run is None) == (model is None):
        raise UserError(
            "give one driver, a run or the model of a file",
            fix="hairpin evaluate RUN, or hairpin evaluate --model FILE.",
        )
    if model is not None and any(value is not None for value in race.values()):
        raise UserError(
            "the model of a file drives from starts and does not race",
            where="--model",
            fix="Leave out the rules of the race, or evaluate the run.",
        )
