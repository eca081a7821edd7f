"""Makes the route files of the library from their control points: python -m sim.tracks.make."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from sim.polylines import Floats
from sim.route import check_route
from sim.track_design import design_route
from sim.tracks.designs import DESIGNS

_DECIMALS = 6  # a micrometre: below it machines round differently


def make_route(name: str) -> Floats:
    """Makes one route of the library: float64 (N, 6), metres, whole micrometres."""
    design = DESIGNS[name]
    route = design_route(design.corners, design.width_m, closed=design.closed)
    return check_route(np.round(route, _DECIMALS) + 0.0, where=name, closed=design.closed)


def main() -> None:
    """Writes the route files beside this script."""
    folder = Path(__file__).parent
    for name in DESIGNS:
        route = make_route(name)
        np.save(folder / f"{name}.npy", route, allow_pickle=False)
        sys.stdout.write(f"{name}: {len(route)} rows\n")


if __name__ == "__main__":
    main()
