"""What a checkpoint consists of: the size and sum of every file, and facts about it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from storage.errors import DamagedError

FORMAT = 1


@dataclass(frozen=True)
class FileInfo:
    """The size in bytes and the hexadecimal SHA-256 of one file."""

    size: int
    sha256: str

    @classmethod
    def of(cls, data: bytes) -> FileInfo:
        """Measures `data`."""
        return cls(len(data), hashlib.sha256(data).hexdigest())


@dataclass(frozen=True)
class CheckpointInfo:
    """A published checkpoint.

    Args:
        name: Its name in the run, for example ``00007-step-123456``; sorts by time of writing.
        step: The environment steps it was trained for.
        created: When it was written, ISO 8601, UTC.
        files: Size and sum of each file.
        meta: Whatever the writer wants to be told about it; JSON values.
    """

    name: str
    step: int
    created: str
    files: Mapping[str, FileInfo]
    meta: Mapping[str, Any] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """The size of all files together."""
        return sum(info.size for info in self.files.values())

    def to_json(self) -> bytes:
        """The manifest as it is stored."""
        content = {
            "format": FORMAT,
            "name": self.name,
            "step": self.step,
            "created": self.created,
            "files": {
                name: {"size": info.size, "sha256": info.sha256}
                for name, info in sorted(self.files.items())
            },
            "meta": dict(self.meta),
        }
        return (json.dumps(content, indent=2, allow_nan=False) + "\n").encode()

    @classmethod
    def from_json(cls, data: bytes, *, where: str) -> CheckpointInfo:
        """Reads a manifest; `where` names it in the `DamagedError` raised if it is none."""
        try:
            content = json.loads(data)
            if content["format"] > FORMAT:
                raise DamagedError(
                    f"format {content['format']} is newer than this version reads ({FORMAT})",
                    where=where,
                    fix="Use a newer Hairpin.",
                )
            return cls(
                name=str(content["name"]),
                step=int(content["step"]),
                created=str(content["created"]),
                files={
                    str(name): FileInfo(int(info["size"]), str(info["sha256"]))
                    for name, info in content["files"].items()
                },
                meta=dict(content["meta"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedError("the manifest is damaged", where=where) from error

    def verify(self, name: str, data: bytes, *, where: str) -> None:
        """Raises `DamagedError` unless `data` is what was written as the file `name`."""
        expected, found = self.files[name], FileInfo.of(data)
        if found.size != expected.size:
            raise DamagedError(f"has {found.size} bytes instead of {expected.size}", where=where)
        if found.sha256 != expected.sha256:
            raise DamagedError("its sha256 is not the one in the manifest", where=where)


def now_utc() -> str:
    """The time, ISO 8601 to the second, for example ``2031-05-06T07:08:09Z``."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
