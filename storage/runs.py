"""A run in a store: its job, its history, its files, and its checkpoints published whole.

::

    RUN/job.json                        the job; whoever writes it first owns the name
    RUN/run.json                        when, where and with which versions it was made
    RUN/history.jsonl                   one JSON object a line, over time
    RUN/checkpoints/NAME/...            the parts of a checkpoint, then manifest.json
    RUN/aliases/latest, RUN/aliases/best   the name of a checkpoint
    RUN/lock/NUMBER                     who is writing
    RUN/training.png, RUN/drive.mp4, ...   other files
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from storage import layout
from storage.checkpoints import Checkpoints
from storage.errors import DamagedError, NotFoundError, StorageError
from storage.lock import Lock
from storage.manifest import CheckpointInfo, now_utc
from storage.store import Progress, Store, check_key

_MAX_NAME = 100


class Run:
    """One run. Made by `Run.create`, found again by `Run.open` or `list_runs`.

    Args:
        store: Where it is kept.
        name: Its name there.

    Attributes:
        checkpoints: Its checkpoints.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store = store
        self.name = name
        self.checkpoints = Checkpoints(store, name)
        self._lock = Lock(store, layout.lock(name))
        self._history_is_whole = False

    @classmethod
    def create(
        cls, store: Store, name: str, job: Mapping[str, Any], about: Mapping[str, Any] | None = None
    ) -> Run:
        """Claims `name`, stores the job and starts writing.

        Args:
            store: Where to keep it.
            name: Letters, digits, '.', '_' and '-', up to 100; no run of that name may exist.
            job: What to do, as JSON values.
            about: Facts to keep with it, as JSON values; the time of creation is added.

        Raises:
            StorageError: The name is in use or not valid, or the store refuses.
        """
        run = cls(store, check_run_name(name))
        if not store.put_if_absent(f"{name}/job.json", _to_json(job)):
            raise run._name_in_use()
        run.begin_writing()
        run.put_file("run.json", _to_json({"created": now_utc(), **(about or {})}))
        return run

    @classmethod
    def open(cls, store: Store, name: str) -> Run:
        """Finds the run `name`, to read it; call `begin_writing` before writing to it.

        Raises:
            NotFoundError: There is none; names those there are.
        """
        if not store.exists(f"{check_run_name(name)}/job.json"):
            names = [run.name for run in list_runs(store)][-5:]
            raise NotFoundError(
                f"there is no run {name!r}",
                where=store.url,
                fix=f"The newest here: {', '.join(names)}." if names else "There are no runs here.",
            )
        return cls(store, name)

    @property
    def url(self) -> str:
        """Where a person finds it: a folder's path or an address."""
        return self.store.locate(self.name)

    def check_name_free(self) -> None:
        """Raises `StorageError` if no run could be created with this name; claims nothing."""
        check_run_name(self.name)
        if self.store.exists(f"{self.name}/job.json"):
            raise self._name_in_use()

    def begin_writing(self) -> None:
        """Makes this the run's writer; raises `StorageError` while another one lives."""
        self._lock.acquire()
        self.store.begin(self.name)

    def end_writing(self, progress: Progress = lambda files, size: None) -> None:
        """Lets others write the run, once all is stored as `Store.end` says."""
        self.store.end(progress)
        self._lock.release()

    def remove(self) -> None:
        """Removes the run and all that is kept of it; its name is free again."""
        self.store.delete_all(self.name)
        self._lock = Lock(self.store, layout.lock(self.name))

    def is_being_written(self) -> bool:
        """Whether a living process is writing it."""
        return self._lock.is_taken()

    def job(self) -> dict[str, Any]:
        """The job it was created with."""
        return self.read_json("job.json")

    def about(self) -> dict[str, Any]:
        """When (``created``, ISO 8601 UTC), where and with what it was made."""
        try:
            return self.read_json("run.json")
        except NotFoundError:  # killed between claiming the name and saying more
            return {"created": ""}

    def write_checkpoint(
        self, step: int, files: Mapping[str, bytes], meta: Mapping[str, Any]
    ) -> CheckpointInfo:
        """Publishes a checkpoint as a whole; see `Checkpoints.write`."""
        info = self.checkpoints.write(step, files, meta)
        self._lock.renew()
        return info

    def set_alias(self, alias: str, checkpoint: str) -> None:
        """Lets `alias`, for example ``best``, mean `checkpoint`; see `Checkpoints.set_alias`."""
        self.checkpoints.set_alias(alias, checkpoint)

    def read_checkpoint(self, ref: str = "latest") -> tuple[CheckpointInfo, dict[str, bytes]]:
        """Reads and verifies a checkpoint, or the one before; see `Checkpoints.read`."""
        return self.checkpoints.read(ref)

    def append_history(self, record: Mapping[str, Any]) -> None:
        """Adds one record (JSON values, no NaN) to the history."""
        line = json.dumps(record, allow_nan=False) + "\n"
        key = f"{self.name}/history.jsonl"
        if not self._history_is_whole:
            # A killed writer may have left a torn line; what follows must not stick to it.
            if self.store.exists(key) and not self.store.get(key).endswith(b"\n"):
                line = "\n" + line
            self._history_is_whole = True
        self.store.append(key, line.encode())
        self._lock.renew()

    def history(self) -> list[dict[str, Any]]:
        """All records, in the order of writing; torn lines are left out."""
        try:
            data = self.store.get(f"{self.name}/history.jsonl")
        except NotFoundError:
            return []
        return list(_records(data))

    def put_file(self, name: str, data: bytes) -> None:
        """Stores `data` as the run's file `name`, for example ``training.png``."""
        self.store.put(f"{self.name}/{name}", data)

    def append_file(self, name: str, data: bytes) -> None:
        """Adds `data` to the end of the run's file `name`; a crash may leave part of it."""
        self.store.append(f"{self.name}/{name}", data)

    def get_file(self, name: str) -> bytes:
        """The run's file `name`; raises `NotFoundError` if there is none."""
        return self.store.get(f"{self.name}/{name}")

    def delete_file(self, name: str) -> None:
        """Removes the run's file `name`, if there is one."""
        self.store.delete(f"{self.name}/{name}")

    def file_names(self) -> list[str]:
        """Names of the run's files, sorted; those of checkpoints are not among them."""
        return [n for n in self.store.children(self.name) if self.store.exists(f"{self.name}/{n}")]

    def has_file(self, name: str) -> bool:
        """Whether the run has a file `name`."""
        return self.store.exists(f"{self.name}/{name}")

    def tree(self) -> list[str]:
        """Names of everything in the run, also in folders such as ``metrics``, sorted."""
        return [key[len(self.name) + 1 :] for key in self.store.keys(self.name)]

    def size_of(self, name: str) -> int:
        """Bytes of the run's file `name`; raises `NotFoundError` if there is none."""
        return self.store.stat(f"{self.name}/{name}").size_bytes

    def locate(self, name: str) -> str:
        """Where a person finds the run's file `name`."""
        return self.store.locate(f"{self.name}/{name}")

    def local_path(self, name: str) -> Path | None:
        """The run's file `name` as a file of this machine, or None if it is not one."""
        return self.store.local_path(f"{self.name}/{name}")

    def read_json(self, name: str) -> dict[str, Any]:
        """The run's file `name`, a JSON object; raises `DamagedError` if it is not one."""
        try:
            content = json.loads(self.get_file(name))
        except ValueError as error:
            raise DamagedError("this is not valid JSON", where=self.locate(name)) from error
        if not isinstance(content, dict):
            raise DamagedError("this is not a JSON object", where=self.locate(name))
        return content

    def _name_in_use(self) -> StorageError:
        return StorageError(
            f"there is already a run {self.name!r}",
            where=self.url,
            fix="Choose another name with --run, or go on with it: --resume " + self.name + ".",
        )


def list_runs(store: Store) -> list[Run]:
    """The runs of a store, oldest first."""
    names = [n for n in store.children() if store.exists(f"{n}/job.json")]
    runs = [Run(store, name) for name in names]
    created = {run.name: str(run.about().get("created", "")) for run in runs}
    return sorted(runs, key=lambda run: (created[run.name], run.name))


def check_run_name(name: str) -> str:
    """Returns `name` if a run may be called so; raises `StorageError` otherwise."""
    if "/" in name or len(name) > _MAX_NAME:
        raise StorageError(
            f"{name!r} cannot be a run's name", fix=f"Use up to {_MAX_NAME} characters and no '/'."
        )
    if name in layout.NO_RUNS:
        raise StorageError(
            f"{name!r} cannot be a run's name: a workshop has a folder of that name beside runs",
            fix="Choose another name with --run.",
        )
    return check_key(name)


def _records(data: bytes) -> Iterator[dict[str, Any]]:
    for line in data.splitlines():
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                yield record


def _to_json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(dict(content), indent=2, allow_nan=False) + "\n").encode()
