"""Keeps films of live video with the run, and not too many of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from storage import Run, StorageError

FOLDER = "video"
KEPT = 6  # films of a stream, ten minutes each: the newest hour


class Films:
    """Moves finished films into the run's folder ``video``.

    A stream's films are numbered, NAME.mp4, NAME-2.mp4 and so on; the oldest go when there are
    more than `KEPT`.

    Args:
        run: Where they are kept.
        say: Told once if that does not work.
    """

    def __init__(self, run: Run, *, say: Callable[[str], None]) -> None:
        self._run, self._say = run, say
        self._kept: dict[str, list[int]] | None = None
        self._told = False

    def keep(self, stream: str, path: Path) -> None:
        """Moves a film of a stream into the run."""
        try:
            if self._kept is None:
                self._kept = self._found()
            numbers = self._kept.setdefault(stream, [])
            number = max(numbers, default=0) + 1
            self._run.put_file(_name(stream, number), path.read_bytes())
            numbers.append(number)
            while len(numbers) > KEPT:
                self._run.delete_file(_name(stream, min(numbers)))
                numbers.remove(min(numbers))
        except (StorageError, OSError) as error:
            if not self._told:
                self._told = True
                self._say(f"a film of the live video is lost: {error}")
        finally:
            path.unlink(missing_ok=True)

    def _found(self) -> dict[str, list[int]]:
        """Films that an earlier process of this run left."""
        found: dict[str, list[int]] = {}
        for name in self._run.tree():
            match = re.fullmatch(rf"{FOLDER}/(eval|worker-\d+)(?:-(\d+))?\.mp4", name)
            if match:
                found.setdefault(match[1], []).append(int(match[2] or 1))
        return found


def _name(stream: str, number: int) -> str:
    return f"{FOLDER}/{stream}{f'-{number}' if number > 1 else ''}.mp4"
