"""A drive as an .mp4."""

from __future__ import annotations

import tempfile
from pathlib import Path

from hairpin.evaluate import Evaluation
from sim.errors import UserError
from sim.recording import Recording


def check_video_path(path: Path) -> None:
    """Raises `UserError` unless a video can be written to `path`, before anything is driven."""
    if path.suffix.lower() != ".mp4":
        raise UserError("a video's name ends in .mp4", where=str(path))
    if not path.absolute().parent.is_dir():
        raise UserError("there is no such folder", where=str(path.absolute().parent))


def save_video(evaluation: Evaluation, path: Path) -> None:
    """Writes the best drive of a recorded evaluation.

    Raises:
        UserError: The file cannot be written.
    """
    recording = evaluation.best_recording
    if recording is not None:
        try:
            path.write_bytes(encode(recording))
        except OSError as error:
            raise UserError(f"cannot write the video: {error.strerror}", where=str(path)) from error


def encode(recording: Recording) -> bytes:
    """Draws a drive from the chase camera and encodes it as an .mp4."""
    from sim.video import render_recording, write_mp4

    with tempfile.TemporaryDirectory(prefix="hairpin-") as folder:
        path = Path(folder) / "drive.mp4"
        write_mp4(path, render_recording(recording))
        return path.read_bytes()
