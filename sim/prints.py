"""What a reward function prints: kept line by line, as much as a log can bear."""

from __future__ import annotations

import io
import time
from typing import Any

BURST = 30  # lines that may come at once
LINES_PER_S = 1.0  # and so many a second in the long run
MAX_CHARS = 400  # of one line


class PrintCollector(io.TextIOBase):
    """A text stream that keeps whole lines until they are taken, at a bounded rate.

    Attributes:
        lines: Kept since the last `take`.
        dropped: How many were not kept since then.
        muted: Whether what comes is forgotten: the prints of a file that is loaded once more.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.dropped = 0
        self.muted = False
        self._begun = ""
        self._credit = float(BURST)
        self._at = time.monotonic()

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, text: Any) -> int:
        """Takes text up; a line is one when its end has come."""
        text = str(text)
        if self.muted:
            return len(text)
        if "\n" not in text:
            self._begun = (self._begun + text)[: MAX_CHARS + 1]
            return len(text)
        first, *more = text.split("\n")
        self._line(self._begun + first)
        for line in more[:-1]:
            self._line(line)
        self._begun = more[-1][: MAX_CHARS + 1]
        return len(text)

    def take(self) -> tuple[list[str], int]:
        """The lines since the last call, and how many more there were."""
        taken = self.lines, self.dropped
        self.lines, self.dropped = [], 0
        return taken

    def _line(self, line: str) -> None:
        if self._credit < 1.0:
            now = time.monotonic()
            self._credit = min(self._credit + (now - self._at) * LINES_PER_S, float(BURST))
            self._at = now
            if self._credit < 1.0:
                self.dropped += 1
                return
        self._credit -= 1.0
        self.lines.append(line if len(line) <= MAX_CHARS else line[:MAX_CHARS] + "…")
