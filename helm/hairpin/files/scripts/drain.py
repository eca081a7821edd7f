"""Before a Ray pod stops: asks every training on it to save and end, waits, and then ends Ray.

Ray is the first process of the pod, or a shell that hands no signal on. A first process does not
get a signal that it has no handler for, as when Ray is still starting: so Ray is asked until it
ends, and is not killed when the time is up.

usage: drain.py --seconds SECONDS
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import time
from itertools import pairwise
from pathlib import Path

POLL_S = 0.2
AGAIN_S = 2.0


def running(program: str, command: str) -> list[int]:
    """Process numbers of ``PROGRAM COMMAND``, however Python was started."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdecimal() or int(folder.name) == os.getpid():
            continue
        try:
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has ended
            continue
        names = [os.path.basename(word) for word in words]
        if (program, command) in pairwise(names[:4]) and not names[0].endswith("sh"):
            found.append(int(folder.name))
    return found


def ask_to_end(pids: list[int], number: int = signal.SIGTERM) -> None:
    """Sends a signal to processes, of which some may have ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def main() -> None:
    """Ends Ray when no training is left, or when the time is up."""
    parser = argparse.ArgumentParser(description="asks trainings to save and end, then ends Ray")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long to wait")
    deadline = time.monotonic() + parser.parse_args().seconds
    ask_to_end(running("hairpin", "train"), signal.SIGUSR1)  # save, end, and be gone on with
    while running("hairpin", "train") and time.monotonic() < deadline:
        time.sleep(POLL_S)
    while starts := running("ray", "start"):
        ask_to_end(starts)
        time.sleep(AGAIN_S)


if __name__ == "__main__":
    main()
