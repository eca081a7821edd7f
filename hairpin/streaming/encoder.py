"""H.264 for live video: every picture goes out at once, and every second one stands by itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Image = npt.NDArray[np.uint8]

# The cheapest that x264 does, and nothing that waits for later pictures. One thread: two would
# spend more on each other than a picture this small costs.
OPTIONS = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "crf": "26",
    "maxrate": "3M",
    "bufsize": "3M",
    "x264-params": "scenecut=0:sliced-threads=0",
}


class Encoder:
    """Encodes the pictures of one stream.

    Args:
        width: Pixels, even.
        height: Pixels, even.
        fps: Pictures a second.

    Attributes:
        parameters: The sequence and the picture parameter set, NAL units.
    """

    def __init__(self, width: int, height: int, fps: int) -> None:
        from av.codec.context import Flags
        from av.video.codeccontext import VideoCodecContext

        codec: Any = VideoCodecContext.create("libx264", "w")
        codec.width, codec.height, codec.pix_fmt = width, height, "yuv420p"
        codec.framerate, codec.gop_size, codec.thread_count = fps, 10 * fps, 1
        codec.options = dict(OPTIONS)
        codec.flags |= Flags.global_header
        codec.open()
        self._codec, self._fps = codec, fps
        self._key_at = -fps
        kinds = {unit[0] & 0x1F: unit for unit in nal_units(bytes(codec.extradata))}
        self.parameters = (kinds[7], kinds[8])

    def encode(self, picture: Image, index: int) -> list[bytes]:
        """Encodes the next picture.

        Args:
            picture: (height * 3 / 2, width) uint8, planes Y, U, V one after another.
            index: Its place in the stream; more than the last one's, with gaps where pictures were
                left out.

        Returns:
            Its NAL units; with the parameter sets if it stands by itself.
        """
        from av import VideoFrame
        from av.video.frame import PictureType

        frame = VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = index
        key = index - self._key_at >= self._fps
        if key:
            frame.pict_type = PictureType.I
            self._key_at = index
        units = [unit for packet in self._codec.encode(frame) for unit in nal_units(bytes(packet))]
        return [*self.parameters, *units] if key else units


def nal_units(data: bytes) -> list[bytes]:
    """Splits a byte stream (ITU-T H.264, annex B) into NAL units without their start codes."""
    return [part.rstrip(b"\0") for part in data.split(b"\0\0\1")[1:]]
