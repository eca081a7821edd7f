"""How numbers are written for people."""

from __future__ import annotations


def percent(share: float | None) -> str:
    """Writes 0.953 as 95 %; a dash if there is no number."""
    # Rounded down: 100 % is said of nothing that is less.
    return "-" if share is None else f"{int(100.0 * share + 1e-9)} %"


def lap_time(time_s: float | None) -> str:
    """Writes a lap time as 12.34 s; a dash if there is none."""
    return "-" if time_s is None else f"{time_s:.2f} s"


def clock(duration_s: float) -> str:
    """Writes a duration as 2:03 or 1:02:03."""
    minutes, seconds = divmod(round(duration_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def short_count(value: float) -> str:
    """Writes 150000 as 150k and 2500000 as 2.5M."""
    if abs(value) >= 1e6:
        return f"{value / 1e6:.3g}M"
    return f"{value / 1e3:.3g}k" if abs(value) >= 1e3 else f"{value:.3g}"
