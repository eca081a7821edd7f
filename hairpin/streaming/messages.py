"""What the training and the video process tell each other, through pipes.

To the video process go pickled messages of this module, each with its length before it. Back come
lines of JSON.
"""

from __future__ import annotations

import json
import pickle
import struct
from dataclasses import dataclass, field
from typing import IO, Any, Literal

from hairpin.streaming.address import Credentials
from sim.recording import Recording

EVALUATION = "eval"
_LENGTH = struct.Struct("!I")


@dataclass(frozen=True)
class Setup:
    """What the video process is to do; the first message.

    Attributes:
        run: The run's name.
        to: An RTSP address, or file.
        streams: Names of the streams.
        track: As the job names it.
        camera: Name of the camera whose picture is inset.
        width, height: Of the pictures, pixels.
        fps: Pictures a second.
        folder: Where films are written, if they go to files.
        credentials: Who publishes.
    """

    run: str
    to: str
    streams: tuple[str, ...]
    track: str
    camera: str
    width: int
    height: int
    fps: int
    folder: str
    credentials: Credentials


@dataclass(frozen=True)
class Shown:
    """A drive to be shown next on a stream.

    Attributes:
        stream: Its name.
        phase: What it was driven for.
        iteration: Training iterations before it ended.
        steps: Environment steps until then.
        recording: The drive.
    """

    stream: str
    phase: Literal["training", "evaluation"]
    iteration: int
    steps: int
    recording: Recording = field(repr=False)


@dataclass(frozen=True)
class Reached:
    """How far the training is, for streams that have nothing to show yet."""

    iteration: int
    steps: int


@dataclass
class StreamStats:
    """How a stream does.

    Attributes:
        up: Whether it is connected, or its file open.
        frames: Pictures sent.
        dropped: Pictures that were due and not sent.
        connects: Attempts to connect.
        seconds: Processor seconds spent on drawing and encoding.
    """

    up: bool = False
    frames: int = 0
    dropped: int = 0
    connects: int = 0
    seconds: float = 0.0


def stream_names(workers: int) -> tuple[str, ...]:
    """The streams of a run that shows so many workers."""
    return (EVALUATION, *(f"worker-{index}" for index in range(workers)))


def write_message(pipe: IO[bytes], message: object) -> None:
    """Sends a message; blocks while the pipe is full."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    pipe.write(_LENGTH.pack(len(data)) + data)
    pipe.flush()


def read_message(pipe: IO[bytes]) -> Any:
    """Waits for the next message; None when there will be no more."""
    head = pipe.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    length: int = _LENGTH.unpack(head)[0]
    data = pipe.read(length)
    return pickle.loads(data) if len(data) == length else None


def write_line(pipe: IO[bytes], kind: str, **content: Any) -> None:
    """Sends a line back."""
    pipe.write(json.dumps({"kind": kind, **content}).encode() + b"\n")
    pipe.flush()
