"""What a user names on the command line: a run and its checkpoint, a track."""

from __future__ import annotations

from pathlib import Path

from hairpin.places import absolute, looks_like_path, split_reference, storage_url
from sim.track import Track
from storage import Run, open_store


def open_reference(reference: str, storage: str | None) -> tuple[Run, str]:
    """The run that a reference names, and its checkpoint."""
    name, checkpoint = split_reference(reference)
    return Run.open(open_store(storage_url(storage)), name), checkpoint or "best"


def usable_track(track: str | None) -> str | None:
    """The track with its path made absolute, if it is one that can be loaded."""
    if track is None:
        return None
    Track.load(track)
    return absolute(track, Path()) if looks_like_path(track) else track
