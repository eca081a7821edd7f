"""Live video into .mp4 files, a new one every so many minutes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hairpin.streaming.encoder import OPTIONS

Image = npt.NDArray[np.uint8]

FILE_S = 600.0  # a film of this length is finished, and the next one begun: 60 MB or so


class Film:
    """Writes the pictures of one stream into films.

    Args:
        folder: Where they are written.
        stream: The stream's name.
        size: Width and height, pixels, even.
        fps: Pictures a second.
        done: Called with each film that is finished.
        file_s: How long a film is, seconds.
    """

    def __init__(
        self,
        folder: Path,
        stream: str,
        size: tuple[int, int],
        fps: int,
        done: Callable[[Path], None],
        *,
        file_s: float = FILE_S,
    ) -> None:
        self._folder, self._name, self._size, self._fps = folder, stream, size, fps
        self._done = done
        self._limit = round(file_s * fps)
        self._count = self._first = 0
        self._film: Any = None
        self._path = folder

    def send(self, picture: Image, index: int) -> None:
        """Adds a picture, see `Encoder.encode`.

        Raises:
            OSError: It cannot be written.
        """
        from av import VideoFrame

        if self._film is not None and index - self._first >= self._limit:
            self.close()
        if self._film is None:
            self._open(index)
        frame = VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = index - self._first
        self._film.mux(self._stream.encode(frame))

    def close(self) -> None:
        """Finishes the film that is being written."""
        film, self._film = self._film, None
        if film is None:
            return
        film.mux(self._stream.encode())
        film.close()
        self._done(self._path)

    def _open(self, index: int) -> None:
        import av

        self._count += 1
        self._first = index
        self._path = self._folder / f"{self._name}-{self._count}.mp4"
        self._film = av.open(str(self._path), "w", options={"movflags": "+faststart"})
        stream = self._film.add_stream("libx264", rate=self._fps, options=dict(OPTIONS))
        stream.width, stream.height = self._size
        stream.pix_fmt, stream.thread_count = "yuv420p", 1
        stream.codec_context.gop_size = 2 * self._fps
        self._stream = stream
