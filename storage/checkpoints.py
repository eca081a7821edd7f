"""Checkpoints of a run: published whole, verified when read, the old ones removed."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping
from typing import Any

from storage.errors import DamagedError, NotFoundError
from storage.manifest import CheckpointInfo, FileInfo, now_utc
from storage.store import Store

logger = logging.getLogger(__name__)

_MANIFEST = "manifest.json"


class Checkpoints:
    """The checkpoints and aliases of the run `run_name`.

    A checkpoint is a folder of parts and a manifest. It is published by its manifest, which is
    written last, and removed by removing its manifest first: what has one is whole.

    Args:
        store: Where the run is kept.
        run_name: Its name there.

    Attributes:
        keep_last: So many of the newest are kept, besides those with an alias.
    """

    def __init__(self, store: Store, run_name: str) -> None:
        self.keep_last = 3
        self._store = store
        self._run_name = run_name

    def write(
        self, step: int, files: Mapping[str, bytes], meta: Mapping[str, Any]
    ) -> CheckpointInfo:
        """Publishes a checkpoint and moves the alias ``latest`` to it.

        The parts are stored first, then the manifest with their sums, then the alias: a reader
        sees all of it or nothing. Then removes what `keep_last` and the aliases don't protect.

        Args:
            step: The environment steps trained for.
            files: Name and content of each part.
            meta: Facts about it, as JSON values.
        """
        sequence = max((_sequence(name) for name in self._folders()), default=0) + 1
        info = CheckpointInfo(
            name=f"{sequence:05d}-step-{step}",
            step=step,
            created=now_utc(),
            files={name: FileInfo.of(data) for name, data in files.items()},
            meta=meta,
        )
        manifest = info.to_json()  # first, because it refuses what is not JSON
        for name, data in files.items():
            self._store.put(self._key(info.name, name), data)
        self._store.put(self._key(info.name, _MANIFEST), manifest)
        self.set_alias("latest", info.name)
        self._prune()
        return info

    def set_alias(self, alias: str, checkpoint: str) -> None:
        """Lets `alias`, for example ``best``, mean the published checkpoint `checkpoint`.

        Raises:
            NotFoundError: There is no such checkpoint.
        """
        if not self._store.exists(self._key(checkpoint, _MANIFEST)):
            raise self._no_such(checkpoint)
        self._store.put(f"{self._run_name}/aliases/{alias}", f"{checkpoint}\n".encode())

    def aliases(self) -> dict[str, str]:
        """Alias to checkpoint name."""
        found = {}
        for alias in self._store.children(f"{self._run_name}/aliases"):
            with contextlib.suppress(NotFoundError):
                data = self._store.get(f"{self._run_name}/aliases/{alias}")
                found[alias] = data.decode(errors="replace").strip()
        return found

    def names(self) -> list[str]:
        """Names of the published checkpoints, oldest first."""
        return [n for n in self._folders() if self._store.exists(self._key(n, _MANIFEST))]

    def infos(self) -> list[CheckpointInfo]:
        """The published checkpoints, oldest first, without those whose manifest is damaged."""
        found = []
        for name in self.names():
            with contextlib.suppress(DamagedError, NotFoundError):
                found.append(self._manifest(name))
        return found

    def resolve(self, ref: str = "latest") -> str:
        """The name of the checkpoint that `ref` means.

        Args:
            ref: An alias, a name, or environment steps: the newest checkpoint of just so many.

        Raises:
            NotFoundError: There is none; says which there are.
        """
        names = self.names()
        name = self.aliases().get(ref, ref)
        if name in names:
            return name
        of_step = [name for name in names if name.rpartition("-")[2] == ref]
        if of_step:
            return of_step[-1]
        if ref == "latest" and names:  # killed before the alias was first written
            return names[-1]
        raise self._no_such(ref)

    def read(self, ref: str = "latest") -> tuple[CheckpointInfo, dict[str, bytes]]:
        """Reads and verifies a checkpoint.

        A damaged one is named in a warning of this module's logger, and the one before it is
        read in its stead.

        Args:
            ref: ``latest``, ``best``, or the name or the steps of a checkpoint.

        Returns:
            What was read, which may be older than what `ref` means, and its files.

        Raises:
            NotFoundError: There is no such checkpoint.
            DamagedError: It and all before it are damaged.
        """
        first = self.resolve(ref)
        for name in reversed([n for n in self.names() if n <= first]):
            try:
                return self._read(name)
            except DamagedError as error:
                logger.warning(
                    "checkpoint %s of run %s is damaged, using the one before it (%s)",
                    name,
                    self._run_name,
                    error,
                )
            except NotFoundError:
                # Its writer may have removed it meanwhile, which it does once there are newer.
                if self.resolve(ref) != first:
                    return self.read(ref)
        raise DamagedError(
            f"checkpoint {first} is damaged, and so are all before it",
            where=self._store.locate(self._run_name),
            fix="Restore it from a copy, or begin a new run.",
        )

    def _read(self, name: str) -> tuple[CheckpointInfo, dict[str, bytes]]:
        info = self._manifest(name)
        files = {}
        for part in info.files:
            key = self._key(name, part)
            try:
                data = self._store.get(key)
            except NotFoundError as error:
                if not self._store.exists(self._key(name, _MANIFEST)):
                    raise  # removed as a whole
                raise DamagedError("it is missing", where=self._store.locate(key)) from error
            info.verify(part, data, where=self._store.locate(key))
            files[part] = data
        return info, files

    def _manifest(self, name: str) -> CheckpointInfo:
        key = self._key(name, _MANIFEST)
        return CheckpointInfo.from_json(self._store.get(key), where=self._store.locate(key))

    def _prune(self) -> None:
        keep = {*self.names()[-self.keep_last :], *self.aliases().values()}
        for name in self._folders():
            if name not in keep:
                self._store.delete(self._key(name, _MANIFEST))
                self._store.delete_all(f"{self._run_name}/checkpoints/{name}")

    def _folders(self) -> list[str]:
        """Names of checkpoints, published or not, oldest first."""
        found = self._store.children(f"{self._run_name}/checkpoints")
        return [name for name in found if _sequence(name)]

    def _key(self, checkpoint: str, file: str) -> str:
        return f"{self._run_name}/checkpoints/{checkpoint}/{file}"

    def _no_such(self, ref: str) -> NotFoundError:
        names = self.names()
        known = [
            *(alias for alias, name in sorted(self.aliases().items()) if name in names),
            *names,
        ]
        return NotFoundError(
            f"there is no checkpoint {ref!r}",
            where=self._store.locate(self._run_name),
            fix=f"There are: {', '.join(known)}." if known else "None has been written yet.",
        )


def _sequence(name: str) -> int:
    match = re.fullmatch(r"(\d{5,})-step-\d+", name)
    return int(match[1]) if match else 0
