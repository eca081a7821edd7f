"""Before the head stops: asks every training on it to save and end, and waits until it has.

usage: drain.py --seconds SECONDS
"""

from __future__ import annotations

import argparse
import os
import signal
import time
from itertools import pairwise
from pathlib import Path

POLL_S = 0.2


def drivers() -> list[int]:
    """Process numbers of the trainings: `hairpin train`, however Python was started."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended
            continue
        names = [os.path.basename(word) for word in words]
        if ("hairpin", "train") in pairwise(names[:4]) and not names[0].endswith("sh"):
            found.append(int(folder.name))
    return found


def main() -> None:
    """Returns when no training is left, or when the time is up."""
    parser = argparse.ArgumentParser(description="asks trainings to save and end")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to wait")
    deadline = time.monotonic() + parser.parse_args().seconds
    for pid in drivers():
        try:
            os.kill(pid, signal.SIGTERM)
        except ProcessLookupError:
            continue
    while drivers() and time.monotonic() < deadline:
        time.sleep(POLL_S)


if __name__ == "__main__":
    main()
