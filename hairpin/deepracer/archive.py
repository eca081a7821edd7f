"""Opens a downloaded .tar.gz: only the few files that matter, and nothing outside a folder."""

from __future__ import annotations

import gzip
import stat
import tarfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from hairpin.deepracer.small_file import LIMIT_BYTES
from sim.errors import UserError

MAX_MEMBERS = 200_000  # a day's training leaves some thousand files
MAX_UNPACKED_BYTES = 4 << 30
_HEADERS = (
    tarfile.XHDTYPE,
    tarfile.XGLTYPE,
    tarfile.SOLARIS_XHDTYPE,
    tarfile.GNUTYPE_LONGNAME,
    tarfile.GNUTYPE_LONGLINK,
)


def unpack(path: Path, names: Collection[str], into: Path) -> list[str]:
    """Takes the files called one of `names` out of a .tar or .tar.gz, each in its folder.

    Args:
        path: The archive.
        names: File names, without folders.
        into: An empty folder to put them in. A single folder around everything is left out.

    Returns:
        The paths of all files in the archive.

    Raises:
        UserError: It is no archive or damaged, is larger than any model, or has a path outside of
            it, a link or a device.
    """
    found: dict[str, bytes] = {}
    everything: list[str] = []
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise UserError("is not a plain file", where=str(path))
        with (
            path.open("rb") as plain,
            tarfile.open(
                fileobj=cast(BinaryIO, _Bounded(plain, path)),
                mode="r|",
                bufsize=1 << 20,
                tarinfo=_Member,
            ) as archive,
        ):
            for number, member in enumerate(archive):
                if number >= MAX_MEMBERS:
                    raise UserError(f"has more than {MAX_MEMBERS:,} files", where=str(path))
                name = _safe_name(member, path)
                if member.isfile():
                    everything.append(name)
                    if PurePosixPath(name).name in names:
                        found[name] = _content(archive, member, path)
    except UserError:
        raise
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, ArithmeticError) as error:
        message = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise UserError(
            f"cannot read it as a .tar.gz: {message[:100] or type(error).__name__}",
            where=str(path),
        ) from error
    skip = _wrapping(everything)
    for name, content in found.items():
        target = into.joinpath(*PurePosixPath(name).parts[skip:])
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except OSError as error:
            raise UserError(
                f"cannot unpack {ascii(name)[:80]}: {(error.strerror or '').lower()}",
                where=str(path),
            ) from error
    return ["/".join(PurePosixPath(name).parts[skip:]) for name in everything]


class _Bounded:
    """What an archive unpacks to, as a stream that ends with an error when it is too much."""

    def __init__(self, plain: BinaryIO, path: Path) -> None:
        packed = plain.read(2) == b"\x1f\x8b"
        plain.seek(0)
        self._file = cast(BinaryIO, gzip.GzipFile(fileobj=plain)) if packed else plain
        self._given = 0
        self._path = path

    def read(self, size: int) -> bytes:
        """The next `size` bytes, fewer at the end."""
        piece = self._file.read(size)
        self._given += len(piece)
        if self._given > MAX_UNPACKED_BYTES:
            raise UserError(
                f"unpacks to more than {MAX_UNPACKED_BYTES >> 30} GB", where=str(self._path)
            )
        return piece


class _Member(tarfile.TarInfo):
    """A member whose headers are read into memory only if they are of a header's size."""

    def _proc_member(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:
        if self.size < 0 or (self.type in _HEADERS and self.size > LIMIT_BYTES):
            raise tarfile.ReadError(f"a header of {self.size:,} bytes")
        if self.type == tarfile.GNUTYPE_SPARSE:
            raise tarfile.ReadError("a sparse file")
        return super()._proc_member(tarfile_)  # type: ignore[misc, no-any-return]

    def _sparse(self, *_: object) -> None:
        raise tarfile.ReadError("a sparse file")

    # Maps of holes, in three versions; they can be as long as the archive.
    _proc_gnusparse_00 = _proc_gnusparse_01 = _proc_gnusparse_10 = _sparse


def _safe_name(member: tarfile.TarInfo, path: Path) -> str:
    name = PurePosixPath(member.name)
    shown = ascii(member.name)[:80]
    if name.is_absolute() or ".." in name.parts or "\\" in member.name or "\0" in member.name:
        raise UserError(f"has a path outside of it: {shown}", where=str(path))
    if member.issym() or member.islnk():
        raise UserError(f"has a link: {shown}", where=str(path), fix="Pack the files themselves.")
    if not (member.isfile() or member.isdir()):
        raise UserError(f"has a device or a pipe: {shown}", where=str(path))
    if member.isfile() and not name.parts:
        raise UserError("has a file without a name", where=str(path))
    return str(name)


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> bytes:
    where = f"{path}: {ascii(member.name)[1:80].rstrip(chr(39))}"
    if member.size > LIMIT_BYTES:
        raise UserError(
            f"is too large: {member.size:,} bytes, and such a file has at most {LIMIT_BYTES:,}",
            where=where,
        )
    file = archive.extractfile(member)
    content = file.read() if file else b""
    if len(content) != member.size:
        raise UserError("ends in the middle", where=where)
    return content


def _wrapping(paths: list[str]) -> int:
    """How many folders stand around everything: one, as downloads have it, or none."""
    parts = [PurePosixPath(path).parts for path in paths]
    tops = {part[0] for part in parts}
    one = len(tops) == 1 and all(len(part) > 1 for part in parts)
    return 1 if one and not tops & {"model", "ip", "agent"} else 0
