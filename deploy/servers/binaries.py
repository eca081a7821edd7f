"""Programs built from published sources at fixed versions, once per user.

A program is Go's to build: it checks what it downloads against the sums in the source's own go.sum,
and those of the source itself against Go's checksum database.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from servers import leftovers
from servers.errors import ServerError, last_lines
from servers.sources import CHART_TOOLS, SOURCES, Source

MIN_GO = (1, 26)
"""The newest of what the sources' go.mod files ask for."""

LOG_LINES_SHOWN = 5


def program(name: str) -> Path:
    """The path of a program, which is built first if this user has not got it.

    Args:
        name: A program of `servers.sources`, such as ``minio`` or ``helm``.

    Raises:
        ServerError: It has to be built and Go is missing, too old, or fails.
    """
    (source,) = (source for source in (*SOURCES, *CHART_TOOLS) if name in source.programs)
    return built(source) / name


def cache() -> Path:
    """The folder of the built programs: $HAIRPIN_SERVERS_CACHE, or one in the user's cache."""
    given = os.environ.get("HAIRPIN_SERVERS_CACHE")
    if given:
        return Path(given).expanduser().resolve()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "hairpin" / "servers"


def built(source: Source, home: Path | None = None) -> Path:
    """The folder of a source's programs, which are built first if they are not there.

    One process builds and the others wait for it.

    Args:
        source: What to build.
        home: The folder that the programs' folder is in; None: `cache`.

    Raises:
        ServerError: They have to be built and Go is missing, too old, or fails.
    """
    folder = (home or cache()) / source.key
    if folder.is_dir():
        leftovers.use(folder)
        return folder
    go = find_go(source)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _lock(folder.with_name(f"{source.key}.lock"), source):
        if not folder.is_dir():
            _build(source, go, folder)
    return folder


def clean(sources: Sequence[Source], home: Path | None = None) -> None:
    """Removes other versions of programs, if nobody has used them for a day.

    Args:
        sources: Whose.
        home: The folder that they are in; None: `cache`.
    """
    for source in sources:
        for name in leftovers.remove(home or cache(), source.kind, [source.key]):
            _say(f"removed {name}, which was of another version")


def find_go(source: Source) -> str:
    """The path of Go.

    Args:
        source: What it is needed for.

    Raises:
        ServerError: There is none, or it is too old.
    """
    needed = f"{MIN_GO[0]}.{MIN_GO[1]}"
    purpose = f"{source.title} {source.release} is built from source, once, by Go {needed} or newer"
    go = shutil.which("go")
    if go is None:
        raise ServerError(f"{purpose}; there is no 'go' on the PATH. Install it: https://go.dev/dl")
    asked = subprocess.run([go, "version"], capture_output=True, text=True, check=False)
    found = re.search(r"\bgo(\d+)\.(\d+)", asked.stdout)
    if found is None or (int(found[1]), int(found[2])) < MIN_GO:
        has = found[0] if found else "of an unknown version"
        raise ServerError(f"{purpose}; {go} is {has}. Install a newer one: https://go.dev/dl")
    return go


def _build(source: Source, go: str, folder: Path) -> None:
    begun = time.monotonic()
    _say(f"building {source.title} {source.release} from source (once; takes some minutes) ...")
    log = folder.with_name(f"{source.key}.log")
    with (
        tempfile.TemporaryDirectory(prefix=f"{source.key}.", dir=folder.parent) as temporary,
        log.open("w", encoding="utf-8") as output,
    ):
        tree, programs = Path(temporary, "source"), Path(temporary, "programs")
        programs.mkdir()
        _copy_writable(source.folder or _download(source, go, log), tree)
        for name, text in source.files.items():
            (tree / name).write_text(text, encoding="utf-8")
        variables = " ".join(f"-X {name}={value}" for name, value in source.variables.items())
        build = [go, "build", "-trimpath", "-buildvcs=false", "-ldflags", f"-s -w {variables}"]
        build += ["-tags", ",".join(source.tags)]
        # Go calls a program as its package, and links several side by side.
        names = list(source.programs)
        place = f"{programs}/" if len(names) > 1 else str(programs / names[0])
        ran = subprocess.run(
            [*build, "-o", place, *source.programs.values()],
            cwd=tree,
            env=_go_env(),
            stdout=output,
            stderr=output,
            check=False,
        )
        if ran.returncode:
            raise ServerError(f"{source.title} could not be built: {_end_of(log)}")
        for name, program in source.links.items():
            (programs / name).symlink_to(program)
        for name in source.keep:
            shutil.copytree(tree / name, programs / name)
        programs.rename(folder)
    _say(f"built {source.title} in {time.monotonic() - begun:.0f} s: {folder}")


def _download(source: Source, go: str, log: Path) -> Path:
    """The module's files, as Go downloaded and checked them."""
    asked = subprocess.run(
        [go, "mod", "download", "-json", f"{source.module}@{source.version}"],
        cwd=log.parent,
        env=_go_env(),
        capture_output=True,
        text=True,
        check=False,
    )
    log.write_text(asked.stderr, encoding="utf-8")
    if asked.returncode:
        with contextlib.suppress(ValueError):
            log.write_text(str(json.loads(asked.stdout)["Error"]), encoding="utf-8")
        raise ServerError(f"{source.title} could not be downloaded: {_end_of(log)}")
    return Path(json.loads(asked.stdout)["Dir"])


def _copy_writable(module: Path, tree: Path) -> None:
    """Copies a module, which Go keeps read-only."""
    shutil.copytree(module, tree, copy_function=shutil.copyfile)
    for folder, _, _ in os.walk(tree):
        os.chmod(folder, 0o755)


def _go_env() -> dict[str, str]:
    """The user's environment; a program without C code runs on any system of its kind."""
    return {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "", "GOWORK": "off"}


@contextlib.contextmanager
def _lock(path: Path, source: Source) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _say(f"waiting for another process that builds {source.title} ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _end_of(log: Path) -> str:
    text = log.read_text(encoding="utf-8", errors="replace")
    return f"{last_lines(text, LOG_LINES_SHOWN)} (all of it: {log})"


def _say(line: str) -> None:
    print(f"services: {line}", file=sys.stderr, flush=True)
