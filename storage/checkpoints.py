"""Checkpoints of a run: published whole, verified when read, the old ones removed."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Mapping
from typing import Any

from storage import layout
from storage.errors import DamagedError, NotFoundError
from storage.manifest import CheckpointInfo, FileInfo, now_utc
from storage.store import Store

logger = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints and aliases of the run `run_name`.

    A checkpoint is a folder of parts and a manifest. It is published by its manifest, which is
    written last, and removed by removing its manifest first: what has one is whole.

    Args:
        store: Where the run is kept.
        run_name: Its name there.

    Attributes:
        keep_last: So many of the newest are kept, besides those with an alias.
        keep_every: And every so-manieth that was ever written; 0: none.
    """

    def __init__(self, store: Store, run_name: str) -> None:
        self.keep_last = 3
        self.keep_every = 0
        self._store = store
        self._run_name = run_name
        self._folder = layout.checkpoints(run_name)
        self._aliases = layout.aliases(run_name)

    def write(
        self, step: int, files: Mapping[str, bytes], meta: Mapping[str, Any]
    ) -> CheckpointInfo:
        """Publishes a checkpoint and moves the alias ``latest`` to it.

        The parts are stored first, then the manifest with their sums, then the alias: a reader
        sees all of it or nothing. Then removes what `prune` would.

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
        self._store.put(self._key(info.name, layout.MANIFEST), manifest)
        self.set_alias("latest", info.name)
        self.prune()
        return info

    def surplus(self) -> list[str]:
        """Names that neither `keep_last` nor `keep_every` nor an alias protects, oldest first.

        What a killed writer has not published is among them.
        """
        keep = {*self.names()[-self.keep_last :], *self.aliases().values()}
        return [name for name in self._folders() if name not in keep and not self._is_kept(name)]

    def prune(self) -> None:
        """Removes the surplus."""
        for name in self.surplus():
            self._store.delete(self._key(name, layout.MANIFEST))
            self._store.delete_all(f"{self._folder}/{name}")

    def _is_kept(self, name: str) -> bool:
        return bool(self.keep_every) and _sequence(name) % self.keep_every == 0

    def set_alias(self, alias: str, checkpoint: str) -> None:
        """Lets `alias`, for example ``best``, mean the published checkpoint `checkpoint`.

        Raises:
            NotFoundError: There is no such checkpoint.
        """
        if not self._store.exists(self._key(checkpoint, layout.MANIFEST)):
            raise self._no_such(checkpoint)
        self._store.put(f"{self._aliases}/{alias}", f"{checkpoint}\n".encode())

    def aliases(self) -> dict[str, str]:
        """Alias to checkpoint name."""
        found = {}
        for alias in self._store.children(self._aliases):
            with contextlib.suppress(NotFoundError):
                data = self._store.get(f"{self._aliases}/{alias}")
                found[alias] = data.decode(errors="replace").strip()
        return found

    def names(self) -> list[str]:
        """Names of the published checkpoints, oldest first."""
        return [n for n in self._folders() if self._store.exists(self._key(n, layout.MANIFEST))]

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

    def damage(self, name: str) -> list[DamagedError]:
        """What is wrong with each file of the published checkpoint `name`; empty if it is whole."""
        try:
            info = self._manifest(name)
        except DamagedError as error:
            return [error]
        found = []
        for part in info.files:
            try:
                self._read_part(info, part)
            except DamagedError as error:
                found.append(error)
        return found

    def _read(self, name: str) -> tuple[CheckpointInfo, dict[str, bytes]]:
        info = self._manifest(name)
        return info, {part: self._read_part(info, part) for part in info.files}

    def _read_part(self, info: CheckpointInfo, part: str) -> bytes:
        key = self._key(info.name, part)
        try:
            data = self._store.get(key)
        except NotFoundError as error:
            if not self._store.exists(self._key(info.name, layout.MANIFEST)):
                raise  # removed as a whole
            raise DamagedError("it is missing", where=self._store.locate(key)) from error
        info.verify(part, data, where=self._store.locate(key))
        return data

    def _manifest(self, name: str) -> CheckpointInfo:
        key = self._key(name, layout.MANIFEST)
        return CheckpointInfo.from_json(self._store.get(key), where=self._store.locate(key))

    def _folders(self) -> list[str]:
        """Names of checkpoints, published or not, oldest first."""
        found = self._store.children(self._folder)
        return [name for name in found if _sequence(name)]

    def _key(self, checkpoint: str, file: str) -> str:
        return layout.checkpoint_key(self._run_name, checkpoint, file)

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
