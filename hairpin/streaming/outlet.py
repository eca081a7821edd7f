"""The way of a stream's pictures out of the process, which may be slow, dead, or gone for a while.

Whoever draws never waits: a picture that is not wanted is a dropped one.
"""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
import numpy.typing as npt

from hairpin.streaming.messages import StreamStats
from hairpin.streaming.rtsp import RtspError

Image = npt.NDArray[np.uint8]

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 10.0  # before connecting again; each time twice as long
_WAITING = 2  # pictures; more would only be late
_LASTED_S = 5.0  # a connection that lasted so long was a good one


class Sink(Protocol):
    """Where pictures go."""

    def send(self, picture: Image, index: int) -> None:
        """Encodes and sends a picture, see `Encoder.encode`."""

    def close(self) -> None:
        """Ends the stream."""


class Outlet:
    """Encodes and sends one stream's pictures in a thread of its own, and connects again.

    Args:
        name: The stream's name.
        connect: Makes a sink that is ready to send.

    Attributes:
        stats: Counted here.
        trouble: Why it is not connected; empty while it is, or before the first attempt.
    """

    def __init__(self, name: str, connect: Callable[[], Sink]) -> None:
        self.stats = StreamStats()
        self.trouble = ""
        self._connect = connect
        self._queue: queue.Queue[tuple[Image, int]] = queue.Queue(_WAITING)
        self._ending = threading.Event()
        self._lock = threading.Lock()
        self._random = random.Random(name)
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._thread.start()

    def takes_more(self) -> bool:
        """Whether it is worth drawing the next picture."""
        return self.stats.up and not self._queue.full()

    def put(self, picture: Image, index: int) -> None:
        """Hands over a picture, which is not to be written to any more; never waits."""
        try:
            self._queue.put_nowait((picture, index))
        except queue.Full:
            self.drop(1)

    def drop(self, count: int) -> None:
        """Counts pictures that were due and are not sent."""
        with self._lock:  # both threads do
            self.stats.dropped += count

    def add_seconds(self, seconds: float) -> None:
        """Counts processor time spent on drawing."""
        with self._lock:
            self.stats.seconds += seconds

    def close(self, timeout_s: float) -> None:
        """Sends what is waiting and ends the stream; gives up after `timeout_s`."""
        self._ending.set()
        self._thread.join(timeout_s)

    def _work(self) -> None:
        wait_s = FIRST_WAIT_S
        while not self._ending.is_set():
            began = time.monotonic()
            self.stats.connects += 1
            try:
                self._serve(self._connect())
            except (OSError, RtspError) as error:
                self.trouble = explain(error)
            finally:
                self.stats.up = False
            if time.monotonic() - began > _LASTED_S:
                wait_s = FIRST_WAIT_S
            # Several streams lose one server together; they should not all come back at once.
            self._ending.wait(wait_s * self._random.uniform(0.7, 1.0))
            wait_s = min(2.0 * wait_s, LONGEST_WAIT_S)

    def _serve(self, sink: Sink) -> None:
        self.stats.up = True
        self.trouble = ""
        try:
            while True:
                try:
                    picture, index = self._queue.get(timeout=0.1)
                except queue.Empty:
                    if self._ending.is_set():
                        return
                    continue
                began = time.thread_time()
                try:
                    sink.send(picture, index)
                except (OSError, RtspError):
                    self.drop(1)
                    raise
                self.stats.frames += 1
                self.add_seconds(time.thread_time() - began)
        finally:
            self.stats.up = False
            self._drop_waiting()
            sink.close()

    def _drop_waiting(self) -> None:
        while True:
            try:
                self._queue.get_nowait()
            except queue.Empty:
                return
            self.drop(1)


def explain(error: OSError | RtspError) -> str:
    """Why a connection failed, in a few words without an address."""
    if isinstance(error, TimeoutError):
        return "the server does not answer"
    if isinstance(error, OSError):
        return (error.strerror or type(error).__name__).lower()
    return str(error)
