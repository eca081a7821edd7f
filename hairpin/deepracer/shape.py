"""Which tool left a folder or an archive, and what is in it, by the names of its files."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from hairpin.deepracer.archive import MAX_MEMBERS
from sim.errors import UserError

_SHAPES = (  # the first that fits; the names are those that deepracer-utils gives them
    (r"sim-trace/training/training-simtrace/", "console model with logs"),
    (r"sim-trace/(training|evaluation)/[^/]+/", "deepracer-on-aws model with logs"),
    (r"training-simtrace/", "deepracer-for-cloud model of one worker"),
    (r"\d+/training-simtrace/", "deepracer-for-cloud model of several workers"),
    (r"(evaluation-\d{14}|model)/", "deepracer-for-cloud upload"),
    (r"agent/model\.pb$", "model of a physical car"),
)
_ODD = "model of no known tool"
# What is in it besides the files of a job, and what becomes of it.
_CONTENTS = (
    (
        r"\.ckpt[.\w-]*$|coach_checkpoint$|^checkpoint$",
        "TensorFlow checkpoints",
        "cannot be converted: they keep a policy and a value network apart, ours share their "
        "layers; a job starts from fresh weights",
    ),
    (
        r"\.pb$",
        "frozen graphs",
        "cannot be trained further: the value function and the optimiser are not in them",
    ),
    (r"-simtrace/[^/]*\.csv(\.gz)?$", "traces", "left there: they are of other runs than ours"),
    (r"(^|/)metrics/.*\.json$", "metrics", "left there: they are of other runs than ours"),
    (r"\.mp4$", "videos", "left there: they are of other runs than ours"),
    (r"\.log$", "logs", "left there: they are of other runs than ours"),
)


def shape_of(paths: Iterable[str]) -> str:
    """The kind of model folder that has files of these paths."""
    paths = list(paths)
    for pattern, name in _SHAPES:
        wanted = re.compile(pattern)
        if any(wanted.match(path) for path in paths):
            return name
    return _ODD


def contents(paths: Iterable[str]) -> list[tuple[str, int, str]]:
    """What else is there: kind, number of files, and what becomes of it."""
    kinds = [(re.compile(pattern), kind, fate) for pattern, kind, fate in _CONTENTS]
    found: Counter[tuple[str, str]] = Counter()
    for path in paths:
        for pattern, kind, fate in kinds:
            if pattern.search(path):
                found[(kind, fate)] += 1
                break
    return [(kind, number, fate) for (kind, fate), number in found.items()]


def list_files(folder: Path) -> list[str]:
    """The paths of all files in a folder, with ``/``; links to folders are not followed.

    Raises:
        UserError: There are too many for a model.
    """
    paths: list[str] = []
    for place, _, names in os.walk(folder):
        inside = os.path.relpath(place, folder).replace(os.sep, "/")
        paths += [name if inside == "." else f"{inside}/{name}" for name in names]
        if len(paths) > MAX_MEMBERS:
            raise UserError(f"has more than {MAX_MEMBERS:,} files", where=str(folder))
    return sorted(paths)
