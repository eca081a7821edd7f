"""What Numba compiled here, for a worker that would have to compile the same.

Compiling takes about seven CPU seconds, and Numba keeps the results in files, of which a pod that
has just started has none. Its neighbours have them. Numba itself compares processor and source:
where either is another, it compiles as if there were no files.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

FOLDER = "NUMBA_CACHE_DIR"


def compiled() -> dict[str, bytes]:
    """The files of $NUMBA_CACHE_DIR, by their paths below it; none if that is not set.

    Without it Numba writes beside the sources, which another machine may keep elsewhere.
    """
    home = os.environ.get(FOLDER)
    if not home:
        return {}
    files = sorted(Path(home).glob("*/*.nb[ci]"))
    return {str(file.relative_to(home)): file.read_bytes() for file in files}


def take(files: Mapping[str, bytes]) -> None:
    """Puts what `compiled` gave where Numba looks for it, except into folders that have files.

    An index and what it lists belong together, so a folder is there as a whole or not at all, also
    for another process of this machine that looks at the same time.
    """
    home = os.environ.get(FOLDER)
    if not home:
        return
    os.makedirs(home, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home) as parts:
        for path, data in files.items():
            part = Path(parts, path)
            part.parent.mkdir(exist_ok=True)
            part.write_bytes(data)
        for part in Path(parts).iterdir():
            with contextlib.suppress(OSError):  # somebody else's are there
                part.rename(Path(home, part.name))
