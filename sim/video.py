"""Films: the frames of a recorded drive, and their encoding as H.264."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sim.camera import CAMERAS, CameraSpec
from sim.chase import Chase
from sim.errors import UserError
from sim.moment import moment_at
from sim.recording import Recording
from sim.track import Track

Image = npt.NDArray[np.uint8]

FPS = 30
HOLD_S = 2.0  # the last frame stays so long, with the result
_ENDS = {
    "lap_complete": "Lap complete",
    "off_track": "Off track",
    "immobilized": "Stopped",
    "reversed": "Wrong way",
    "time_up": "Out of time",
}


def render_recording(
    recording: Recording,
    track: Track,
    *,
    fps: int = FPS,
    width: int = 640,
    height: int = 480,
    eye: CameraSpec = CAMERAS["fast"],
) -> Iterator[Image]:
    """Draws a drive from behind the car, smoothly between its control steps, in simulated time.

    Args:
        recording: The drive.
        track: The track it was driven on.
        fps: Frames a simulated second.
        width: Frame width, pixels.
        height: Frame height, pixels.
        eye: The camera whose picture is inset.

    Yields:
        Frames (height, width, 3) uint8 RGB; the last one stays for `HOLD_S` with the result.
    """
    chase = Chase(track, width, height, eye=eye)
    first_s, last_s = float(recording.time_s[0]), float(recording.time_s[-1])
    count = max(1, round((last_s - first_s) * fps))
    for k in range(count):
        yield chase.frame(moment_at(recording, first_s + k / fps))
    frame = chase.frame(moment_at(recording, last_s))
    chase.banner(frame, *outcome_of(recording, track))
    for _ in range(round(HOLD_S * fps)):
        yield frame


def write_mp4(path: str | Path, frames: Iterable[Image], fps: int = FPS) -> None:
    """Encodes frames as H.264 in an .mp4 file that starts playing at once in a browser.

    Args:
        path: Where to; replaced only when the whole film is written.
        frames: (h, w, 3) uint8 RGB, all of one size; an odd last row or column is left out.
        fps: Frames a second.

    Raises:
        UserError: The file cannot be written.
        ValueError: There is no frame.
    """
    import av

    path = Path(path)
    partial = path.with_name(f".{path.name}.partial.mp4")
    stream = None
    try:
        with av.open(str(partial), "w", options={"movflags": "+faststart"}) as film:
            for frame in frames:
                height, width = (size - size % 2 for size in frame.shape[:2])
                if stream is None:
                    stream = film.add_stream(
                        "libx264", rate=fps, options={"crf": "21", "preset": "veryfast"}
                    )
                    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
                even = np.ascontiguousarray(frame[:height, :width])
                film.mux(stream.encode(av.VideoFrame.from_ndarray(even, format="rgb24")))
            if stream is None:
                raise ValueError("a film needs at least one frame")
            film.mux(stream.encode())
        partial.replace(path)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UserError(
            f"the video cannot be written: {reason}", where=str(path), fix="Choose another place"
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def outcome_of(recording: Recording, track: Track) -> tuple[str, str]:
    """What came of a drive: a title, and a line below it."""
    end = _ENDS.get(recording.end_reason, recording.end_reason)
    way = f"{track.name}, driven in reverse" if recording.reverse else track.name
    if recording.lap_time_s is not None:
        return f"Lap {recording.lap_time_s:.2f} s", way
    return end, f"{way}, {recording.progress[-1]:.0f} % of the lap"
