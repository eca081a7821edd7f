"""What recipes of the past have left in a cache, and its end.

Several working trees share a cache, so nothing goes that any of them used of late.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Collection
from pathlib import Path

UNUSED_S = 24 * 3600.0


def use(path: Path) -> None:
    """Notes that a file or folder of a cache is used."""
    with contextlib.suppress(OSError):  # somebody else's, or read-only
        os.utime(path)


def remove(folder: Path, kind: str, keep: Collection[str], unused_s: float = UNUSED_S) -> list[str]:
    """Removes what no recipe makes any more and nobody has used for a day.

    Args:
        folder: The cache.
        kind: What the names of one recipe's versions begin with, such as ``minio-``.
        keep: The beginnings of the names that stay.
        unused_s: How long it must not have been used.

    Returns:
        The names of what is gone.
    """
    before = time.time() - unused_s
    gone = []
    for path in sorted(folder.glob(f"{kind}*")):
        if path.name.startswith(tuple(keep)) or path.lstat().st_mtime > before:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        gone.append(path.name)
    return gone
