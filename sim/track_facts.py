"""A track's direction and tightest bend in words."""

from __future__ import annotations

from sim.track import Track

STRAIGHT_RADIUS_M = 1000.0  # a wider "tightest bend" than this is rounding on a straight road


def direction(track: Track) -> str:
    """Says which way round a track is driven: counter-clockwise, clockwise or open."""
    if not track.closed:
        return "open"
    return "counter-clockwise" if track.is_ccw else "clockwise"


def tightest_radius_m(track: Track) -> float | None:
    """Gives the radius of the tightest bend, metres; None on a straight road."""
    return track.min_radius_m if track.min_radius_m < STRAIGHT_RADIUS_M else None
