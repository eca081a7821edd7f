"""Finds tracks by name: the library, the user's own, files, and random ones."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.errors import UserError, did_you_mean
from sim.polylines import Floats
from sim.random_track import parse_seed, random_route
from sim.route import load_route
from sim.tracks.designs import DESIGNS

_FOLDER = Path(__file__).parent
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass(frozen=True)
class TrackInfo:
    """What is known of a track besides its shape.

    Attributes:
        name: What the user types.
        title: For a headline.
        teaches: One sentence: what there is to learn on it.
        source: Where it comes from: ``library``, ``imported``, ``file`` or ``random``.
    """

    name: str
    title: str
    teaches: str
    source: str


def names() -> list[str]:
    """Lists the tracks that have a name: the library's in its order, then the user's own."""
    own = sorted(path.stem for path in user_folder().glob("*.npy"))
    return [*DESIGNS, *(name for name in own if name not in DESIGNS)]


def route(spec: str) -> tuple[str, Floats]:
    """Finds a route.

    Args:
        spec: A name in the library or among the imported tracks, the path of a .npy file, or
            ``random:SEED``.

    Returns:
        The track's name, and its route: float64 (N, 6), as `sim.route.load_route` returns it.

    Raises:
        UserError: There is no such track, or it is not a route that a car can drive.
    """
    if spec.startswith("random:"):
        seed = parse_seed(spec)
        return f"random:{seed}", random_route(seed)
    path = _path(spec)
    return path.stem, load_route(path)


def info(spec: str) -> TrackInfo:
    """Describes a track, named as for `route`.

    Raises:
        UserError: There is no such track.
    """
    if spec in DESIGNS:
        return TrackInfo(spec, DESIGNS[spec].title, DESIGNS[spec].teaches, "library")
    if spec.startswith("random:"):
        seed = parse_seed(spec)
        return TrackInfo(
            f"random:{seed}", f"Random {seed}", "A road that nobody has driven before.", "random"
        )
    path = _path(spec)
    own = path.parent == user_folder()
    teaches = "A track of your own." if own else "A track from a file."
    return TrackInfo(path.stem, path.stem, teaches, "imported" if own else "file")


def user_folder() -> Path:
    """Names the folder of imported tracks: in $HAIRPIN_HOME, or else in ~/.hairpin."""
    home = os.environ.get("HAIRPIN_HOME")
    return (Path(home) if home else Path.home() / ".hairpin") / "tracks"


def import_route(path: str | os.PathLike[str], name: str = "", *, force: bool = False) -> str:
    """Checks a route file and copies it to the imported tracks.

    Args:
        path: The .npy file.
        name: What the track will be called; the file's name if empty.
        force: Whether an imported track of that name may be replaced.

    Returns:
        The track's name.

    Raises:
        UserError: The file is no good, the name is not allowed or in use, or the folder cannot be
            written.
    """
    name = name or Path(path).stem
    if not _NAME.fullmatch(name):
        raise UserError(
            f"{name!r} cannot be a track's name",
            where="--name",
            fix="Use letters, digits, '-' and '_'.",
        )
    if name in DESIGNS:
        raise UserError(
            f"{name!r} is a track of the library", where="--name", fix="Give another name."
        )
    array = load_route(path)
    target = user_folder() / f"{name}.npy"
    if target.exists() and not force:
        raise UserError(
            f"there already is a track {name!r}",
            where=str(target),
            fix="Give another --name, or --force to replace it.",
        )
    # Written beside and moved, so that another process never reads half a file.
    part = target.with_name(f".{name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(part, "wb") as file:
            np.save(file, array, allow_pickle=False)
        part.replace(target)
    except OSError as error:
        raise UserError(
            f"cannot write the track: {error.strerror or error}",
            where=str(target),
            fix="Set HAIRPIN_HOME to a folder that can be written.",
        ) from error
    return name


def _path(spec: str) -> Path:
    """Finds the file of a track; a file that is asked for as such need not be there."""
    if spec in DESIGNS:
        return _FOLDER / f"{spec}.npy"
    if _NAME.fullmatch(spec) and (own := user_folder() / f"{spec}.npy").is_file():
        return own
    if spec.endswith(".npy") or Path(spec).is_file():
        return Path(spec)
    raise UserError(
        f"there is no track {spec!r}",
        where="track",
        fix=f"{did_you_mean(spec, names())} 'hairpin tracks list' shows them all; a route file "
        "ends in .npy, and 'random:7' is a random track.",
    )
