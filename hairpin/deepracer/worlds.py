"""DeepRacer's tracks by their names, and the route files for them that are at hand."""

from __future__ import annotations

import re
from pathlib import Path

NAMES = {  # what people call a track, and its route file
    "re:Invent 2018": "reinvent_base",
    "Oval": "Oval_track",
    "Bowtie": "Bowtie_track",
    "London Loop": "Virtual_May19_Train_track",
    "Kumo Torakku": "Tokyo_Training_track",
    "Empire City": "New_York_Track",
    "Shanghai Sudu": "China_track",
    "Cumulo Carrera": "Mexico_track",
    "Toronto Turnpike": "Canada_Training",
    "Championship 2019": "reInvent2019_track",
    "Smile Speedway": "reInvent2019_track",
    "A to Z Speedway": "reInvent2019_wide",
    "AWS Summit Raceway": "Vegas_track",
    "SOLA Speedway": "LGSWide",
    "Baadal": "AmericasGeneratedInclStart",
    "Barcelona": "Spain_track",
    "RL Speedway": "2022_summit_speedway",
    "Forever Raceway": "2024_reinvent_champ",
}
_SURFACE = re.compile(r"_(carpet|concrete|wood)$")
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")


def route_name(world: str) -> str:
    """The name of the route file of a world: without its surface, or by what people call it."""
    known = {name.lower(): route for name, route in NAMES.items()}
    return known.get(world.strip().lower(), _SURFACE.sub("", world.strip()))


def find_route(world: str, routes: Path | None) -> Path | str | None:
    """Looks for a world's route.

    Args:
        world: Its name, as in DeepRacer's files.
        routes: A folder of route files.

    Returns:
        The route file in `routes`, the name of a track of the user's own library, or None.
    """
    name = route_name(world)
    if not _SAFE.fullmatch(name):
        return None
    if routes is not None:
        for path in sorted(routes.glob("*.npy")):
            if path.stem.lower() == name.lower():
                return path
    from sim.tracks import user_folder

    own = Path(user_folder()) / f"{name}.npy"
    return name if own.is_file() else None
