"""The simtrace files of a run: one an iteration and worker, no more than the disk is to bear."""

from __future__ import annotations

import gzip
import re
from collections import OrderedDict

from learner.settings import TraceSettings
from sim.trace import COLUMNS
from storage import Run

HEADER = (COLUMNS + "\n").encode()
FOLDER = "training-simtrace"
MORE, DIGITS = "more", 10  # deepracer-utils fails on a worker whose number has two digits
_NAME = re.compile(r"(?:(?:more/)?(\d+)/)?training-simtrace/(\d+)-iteration\.csv(\.gz)?")


class TraceFiles:
    """Writes traces into a run and removes the oldest when they take too much.

    The first iteration of every worker stays: deepracer-utils counts episodes by it. It reads ten
    workers at most, so those after them stand in a folder where it does not look.

    Args:
        run: Where.
        settings: How much.
        workers: How many workers write.

    Attributes:
        removed: How many files had to go, and their size, bytes.
    """

    def __init__(self, run: Run, settings: TraceSettings, workers: int) -> None:
        self._run = run
        self._settings = settings
        self._sizes: OrderedDict[str, int] = OrderedDict()
        self.removed = (0, 0)
        found = sorted(
            (int(match[2]), name) for name in run.tree() if (match := _NAME.fullmatch(name))
        )
        for _, name in found:
            self._sizes[name] = run.size_of(name)
        self._one_folder = workers == 1 and not any("/" in n.split(FOLDER)[0] for _, n in found)
        if not self._one_folder:
            self._give_way([name for _, name in found])

    def write(self, worker: int, iteration: int, lines: bytes) -> None:
        """Writes an iteration's lines.

        Args:
            worker: Index of the worker, from 0.
            iteration: Its number, from 0.
            lines: As `sim.trace.as_csv` gives them.
        """
        name = f"{FOLDER}/{iteration}-iteration.csv"
        if not self._one_folder:
            name = f"{worker}/{name}" if worker < DIGITS else f"{MORE}/{worker}/{name}"
        data = HEADER + lines
        if self._settings.compress:
            name, data = name + ".gz", gzip.compress(data, 5, mtime=0)
        self._run.put_file(name, data)
        self._sizes[name] = len(data)
        self._make_room()

    def forget_from(self, iteration: int) -> None:
        """Removes what an earlier process traced from an iteration on: it is driven again."""
        for name in list(self._sizes):
            match = _NAME.fullmatch(name)
            if match and int(match[2]) >= iteration:
                self._run.delete_file(name)
                del self._sizes[name]

    def _make_room(self) -> None:
        too_much = sum(self._sizes.values()) - round(1e6 * self._settings.max_mb)
        for name in list(self._sizes)[:-1]:
            if too_much <= 0:
                return
            if "/0-iteration." in name:
                continue
            size = self._sizes.pop(name)
            self._run.delete_file(name)
            count, total = self.removed
            self.removed = count + 1, total + size
            too_much -= size

    def _give_way(self, names: list[str]) -> None:
        """Files of a time with a single worker move to where those of the first of several are."""
        for name in names:
            if name.startswith(FOLDER):
                self._run.put_file(f"0/{name}", self._run.get_file(name))
                self._run.delete_file(name)
                self._sizes[f"0/{name}"] = self._sizes.pop(name)
