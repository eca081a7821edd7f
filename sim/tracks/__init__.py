"""The tracks that ship with Hairpin, and the way to find any other."""

from __future__ import annotations

from sim.tracks.catalogue import TrackInfo, import_route, info, names, route, user_folder
from sim.tracks.designs import DESIGNS

__all__ = ["DESIGNS", "TrackInfo", "import_route", "info", "names", "route", "user_folder"]
