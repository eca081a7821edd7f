"""A store in a folder of this machine (or of a shared file system)."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from storage.errors import NotFoundError, StorageError
from storage.store import Direct, Entry, check_key

_TEMPORARY = ".writing-"


class LocalStore(Direct):
    """Keeps each key as a file beneath `root`; implements `storage.store.Store`.

    A write goes to a temporary file beside its target, is forced to disk and then renamed over
    it, so a reader or a crash at any moment meets the old bytes or the new ones.
    """

    def __init__(self, root: str | os.PathLike[str]) -> None:
        self.root = Path(os.path.abspath(os.path.expanduser(root)))
        self.url = str(self.root)

    def put(self, key: str, data: bytes) -> None:
        target = self._path(key)
        with self._errors(target), self._written_beside(target, data) as temporary:
            os.replace(temporary, target)
            _sync_folder(target.parent)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        target = self._path(key)
        with self._errors(target):
            if target.exists():
                return False
            with self._written_beside(target, data) as temporary:
                try:
                    os.link(temporary, target)  # unlike a rename, fails if the target exists
                except FileExistsError:
                    return False
                _sync_folder(target.parent)
        return True

    def append(self, key: str, data: bytes) -> None:
        target = self._path(key)
        with self._errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("ab", buffering=0) as file:
                while data:  # a disk that is nearly full takes a part and only then refuses
                    data = data[file.write(data) :]

    def get(self, key: str) -> bytes:
        target = self._path(key)
        with self._errors(target):
            try:
                return target.read_bytes()
            except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
                raise NotFoundError("there is nothing here", where=str(target)) from error

    def exists(self, key: str) -> bool:
        return self._path(key).is_file()

    def stat(self, key: str) -> Entry:
        target = self._path(key)
        if not target.is_file():
            raise NotFoundError("there is nothing here", where=str(target))
        with self._errors(target):
            return _entry(target)

    def entries(self, prefix: str = "") -> dict[str, Entry]:
        found = {}
        for key in self.keys(prefix):
            with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                found[key] = _entry(self._path(key))
        return found

    def keys(self, prefix: str = "") -> list[str]:
        folder = self._path(prefix) if prefix else self.root
        found = []
        with self._errors(folder):
            for path, folders, files in os.walk(folder):
                folders[:] = [name for name in folders if not name.startswith(".")]
                relative = Path(path).relative_to(self.root)
                found += [(relative / name).as_posix() for name in files if name[0] != "."]
        return sorted(found)

    def children(self, prefix: str = "") -> list[str]:
        folder = self._path(prefix) if prefix else self.root
        with self._errors(folder):
            with contextlib.suppress(FileNotFoundError):
                return sorted(name for name in os.listdir(folder) if not name.startswith("."))
            return []

    def delete(self, key: str) -> None:
        target = self._path(key)
        with self._errors(target):
            target.unlink(missing_ok=True)

    def delete_all(self, prefix: str) -> None:
        folder = self._path(prefix)
        with self._errors(folder), contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)

    def check_writable(self) -> None:
        with self._errors(self.root), self._written_beside(self.root / "probe", b""):
            pass

    def locate(self, key: str) -> str:
        return str(self._path(key))

    def local_path(self, key: str) -> Path | None:
        return self._path(key)

    def _path(self, key: str) -> Path:
        return self.root / check_key(key)

    @contextlib.contextmanager
    def _written_beside(self, target: Path, data: bytes) -> Iterator[Path]:
        """A temporary file beside `target` with `data` on disk; gone afterwards."""
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.parent / f"{_TEMPORARY}{os.getpid()}-{secrets.token_hex(4)}"
        try:
            with temporary.open("xb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            yield temporary
        finally:
            temporary.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _errors(self, path: Path) -> Iterator[None]:
        """Says an `OSError` in our own words."""
        try:
            yield
        except PermissionError as error:
            raise StorageError(
                "no permission", where=str(path), fix=f"Make {self.root} writable, or {_ELSEWHERE}"
            ) from error
        except (FileExistsError, NotADirectoryError) as error:
            blocking = _file_in_the_way(path)
            raise StorageError(
                "a folder is needed here, and this is none",
                where=str(blocking),
                fix=f"Remove it, or {_ELSEWHERE}",
            ) from error
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise StorageError(
                reason, where=str(path), fix=f"Mend that, or {_ELSEWHERE}"
            ) from error


_ELSEWHERE = "choose another folder with --storage."


def _entry(path: Path) -> Entry:
    status = path.stat()
    return Entry(status.st_size, status.st_mtime)


def _file_in_the_way(path: Path) -> Path:
    """The part of `path`, from the top, that is there and is no folder."""
    return next((p for p in reversed([path, *path.parents]) if p.exists() and not p.is_dir()), path)


def _sync_folder(folder: Path) -> None:
    """Forces a rename to disk, where folders can be opened (not on Windows)."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
