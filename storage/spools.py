"""The folders of this machine in which files wait for a store."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from storage.errors import StorageError

DEFAULT_LIMIT_BYTES = 2 * 2**30
FOLDER, LIMIT = "HAIRPIN_SPOOL", "HAIRPIN_SPOOL_BYTES"
_ABOUT = ".store.json"


@dataclass(frozen=True)
class Waiting:
    """What waits of one run.

    Attributes:
        folder: The spool's folder.
        url: The store it is for.
        endpoint: The object store behind that address.
        run: The run.
        files: How many files wait, at most: some may have been sent already.
        size_bytes: Their size.
    """

    folder: Path
    url: str
    endpoint: str
    run: str
    files: int
    size_bytes: int


class Spool:
    """One store's folder; the files of its runs are under their keys in it.

    Args:
        folder: Where.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def of(cls, url: str, endpoint: str) -> Spool:
        """The folder for the store at `url`, made if need be.

        Raises:
            StorageError: It cannot be made.
        """
        name = hashlib.sha256(f"{endpoint} {url}".encode()).hexdigest()[:16]
        spool = cls(spool_root() / name)
        with spool._errors():
            spool.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            about = json.dumps({"url": url, "endpoint": endpoint}) + "\n"
            if not (spool.folder / _ABOUT).is_file():
                (spool.folder / _ABOUT).write_text(about, encoding="utf-8")
        return spool

    def check_writable(self) -> None:
        """Raises `StorageError` if files cannot be kept here."""
        with self._errors(), tempfile.TemporaryFile(dir=self.folder) as probe:
            probe.write(b"0")
            probe.flush()

    def held(self, run: str) -> int:
        """Under which number the last process that used this folder held the run's lock."""
        try:
            return int(self._mark(run).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return 0

    def hold(self, run: str, number: int) -> None:
        """Remembers the number; a disk without room for it costs a warning at the next start."""
        with contextlib.suppress(OSError):
            self._mark(run).write_text(f"{number}\n", encoding="utf-8")

    def set_aside(self, run: str) -> Path | None:
        """Moves what waits of a run out of the way; returns where to, or None if nothing waits."""
        folder = self.folder / run
        if not any(path.is_file() for path in folder.rglob("*")):
            return None
        target = self.folder / f".{run}-{time.strftime('%Y%m%d-%H%M%S')}"
        folder.rename(target)
        return target

    def clear(self, run: str) -> None:
        """Removes what is remembered of a run of which nothing waits."""
        with contextlib.suppress(OSError):
            self._mark(run).unlink(missing_ok=True)

    def _mark(self, run: str) -> Path:
        return self.folder / f".{run}.held"

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StorageError(
                f"files cannot wait here for the store: {(error.strerror or str(error)).lower()}",
                where=str(self.folder),
                fix=f"Set {FOLDER} to a folder with room.",
            ) from error


def spool_root() -> Path:
    """Where the folders are: $HAIRPIN_SPOOL, or in the user's cache."""
    given = os.environ.get(FOLDER)
    return Path(given).expanduser().absolute() if given else Path.home() / ".cache/hairpin/spool"


def spool_limit() -> int:
    """How many bytes may wait: $HAIRPIN_SPOOL_BYTES; raises `StorageError` if it is no number."""
    given = os.environ.get(LIMIT) or str(DEFAULT_LIMIT_BYTES)
    try:
        limit = int(float(given))
    except (ValueError, OverflowError):
        limit = 0
    if limit <= 0:
        raise StorageError(
            f"{given!r} is no number of bytes", where=LIMIT, fix="For example 2000000000."
        )
    return limit


def waiting() -> Iterator[Waiting]:
    """What waits on this machine, of all stores and runs."""
    for about in sorted(spool_root().glob(f"*/{_ABOUT}")):
        try:
            place = json.loads(about.read_text(encoding="utf-8"))
            url, endpoint = str(place["url"]), str(place["endpoint"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        for folder in sorted(path for path in about.parent.iterdir() if path.is_dir()):
            files = [path for path in folder.rglob("*") if path.is_file() and path.name[0] != "."]
            if files and not folder.name.startswith("."):
                size = sum(path.stat().st_size for path in files)
                yield Waiting(about.parent, url, endpoint, folder.name, len(files), size)
