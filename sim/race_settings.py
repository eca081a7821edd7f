"""The rules of a race: typed, documented, unknown keys refused.

The defaults are those of deepracer-for-cloud's evaluation: three laps in one rolling run, five
seconds for leaving the track, a hundred resets.
"""

from __future__ import annotations

from pydantic import Field

from sim.settings import Settings


class RaceSettings(Settings):
    """A race against the clock: laps, penalties, and when it is over."""

    laps: int = Field(
        default=3, ge=1, le=1000, description="Laps; as many trials if they are separate."
    )
    continuous: bool = Field(
        default=True,
        description="One rolling run; false: each lap is a trial of its own, from standstill. The "
        "laps of an open road are always separate.",
    )
    off_track_penalty_s: float = Field(
        default=5.0,
        ge=0.0,
        le=600.0,
        description="Time that a car stands after it left the track, turned round or got stuck; it "
        "is part of the lap time, s.",
    )
    max_resets: int = Field(
        default=100,
        ge=0,
        le=10_000,
        description="A run, or a trial, may go on so often after that; then it is over.",
    )
    window_laps: int = Field(
        default=3,
        ge=1,
        le=1000,
        description="So many consecutive complete laps are averaged for the ranking.",
    )
    time_limit_s: float = Field(
        default=1200.0,
        gt=0.0,
        le=86_400.0,
        description="A run, or a trial, is over after so much simulated time, s.",
    )
