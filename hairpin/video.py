"""A drive as an .mp4."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from hairpin.evaluate import Evaluation
from hairpin.race_run import RunRace
from sim.errors import UserError
from sim.recording import Recording

if TYPE_CHECKING:
    from sim.race_film import View


def check_video_path(path: Path) -> None:
    """Raises `UserError` unless a video can be written to `path`, before anything is driven."""
    if path.suffix.lower() != ".mp4":
        raise UserError("a video's name ends in .mp4", where=str(path))
    if not path.absolute().parent.is_dir():
        raise UserError("there is no such folder", where=str(path.absolute().parent))


def save_video(evaluation: Evaluation, path: Path) -> None:
    """Writes the best drive of a recorded evaluation as an .mp4.

    Raises:
        UserError: The file cannot be written.
    """
    drive = evaluation.best_recording
    if drive is None:
        raise ValueError("the evaluation was not recorded")
    save_recording(drive, evaluation.camera, path)


def save_recording(drive: Recording, camera: str, path: Path) -> None:
    """Writes a drive as an .mp4; `camera` names what the car saw with.

    Raises:
        UserError: The file cannot be written.
    """
    from sim.camera import CAMERAS
    from sim.track import Track
    from sim.video import render_recording, write_mp4

    frames = render_recording(drive, Track.load(drive.track), eye=CAMERAS[camera])
    write_mp4(path, frames)


def video_of(evaluation: Evaluation) -> bytes:
    """The best drive of a recorded evaluation as the content of an .mp4.

    Raises:
        UserError: It cannot be encoded here.
    """
    with tempfile.TemporaryDirectory(prefix="hairpin-") as folder:
        path = Path(folder) / "drive.mp4"
        save_video(evaluation, path)
        return path.read_bytes()


def film_of(raced: RunRace, view: View) -> bytes:
    """A whole race as the content of an .mp4, 640x480 and 15 frames a second.

    Args:
        raced: The race.
        view: Whence it is seen, see `sim.race_film.render_race`.

    Raises:
        UserError: It cannot be encoded here.
    """
    from sim.camera import CAMERAS
    from sim.race_film import FPS, render_race
    from sim.track import Track
    from sim.video import write_mp4

    track = Track.load(raced.world.track)
    title = f"{raced.run} on {track.name}"
    with tempfile.TemporaryDirectory(prefix="hairpin-") as folder:
        path = Path(folder) / "race.mp4"
        eye = CAMERAS[raced.world.camera]
        write_mp4(path, render_race(raced.race, track, view, title=title, eye=eye), FPS)
        return path.read_bytes()
