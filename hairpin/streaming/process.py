"""The video process: plays the cars' drives, draws, encodes and sends them.

It is started by `hairpin.streaming.streams` as ``python -m hairpin.streaming.process`` and imports
neither torch nor Ray.
"""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import cv2

from hairpin.streaming.address import FILE, parse_address
from hairpin.streaming.encoder import Encoder
from hairpin.streaming.film import Film
from hairpin.streaming.messages import Reached, Setup, Shown, read_message, write_line
from hairpin.streaming.outlet import Outlet, Sink
from hairpin.streaming.player import Player, Stage
from hairpin.streaming.rtsp import CLOCK_HZ, RtspPublisher
from sim.track import Track

NICENESS = 10  # what trains comes first
STATS_EVERY_S = 1.0
END_S = 3.0  # for what is still to be sent when the training ends


class RtspSink:
    """Encodes pictures and publishes them."""

    def __init__(self, setup: Setup, stream: str) -> None:
        self._encoder = Encoder(setup.width, setup.height, setup.fps)
        self._ticks = CLOCK_HZ // setup.fps
        address = parse_address(setup.to)
        self._publisher = RtspPublisher(
            address,
            address.path(setup.run, stream),
            setup.credentials,
            self._encoder.parameters,
        )

    def send(self, picture: Any, index: int) -> None:
        """Encodes and sends a picture, see `Encoder.encode`."""
        self._publisher.send(self._encoder.encode(picture, index), index * self._ticks)

    def close(self) -> None:
        """Ends the stream."""
        self._publisher.close()


class Studio:
    """Draws all streams in turn and hands their pictures to their outlets.

    Args:
        setup: What to do.
        tell: Sends a line back: its kind and its content.
    """

    def __init__(self, setup: Setup, tell: Callable[..., None]) -> None:
        self._setup, self._tell = setup, tell
        track = Track.load(setup.track)
        stage = Stage.build(track, setup.camera, setup.width, setup.height)
        self.players = {name: Player(stage, name, setup.run) for name in setup.streams}
        for player in self.players.values():
            player.picture_at(0.0)  # the first one compiles the kernels
        self.ended = threading.Event()
        self._outlets = {name: Outlet(name, self._way_out(name)) for name in setup.streams}

    def take(self, message: Shown | Reached) -> None:
        """Takes up a message; called by another thread."""
        if isinstance(message, Shown):
            self.players[message.stream].show(message)
        else:
            for player in self.players.values():
                player.reached(message)

    def run(self) -> None:
        """Draws until it is `ended`, then finishes what is being written."""
        fps = self._setup.fps
        began = told_at = time.monotonic()
        index = 0
        while not self.ended.wait(max(0.0, began + index / fps - time.monotonic())):
            now = time.monotonic()
            due = max(index, math.floor((now - began) * fps))
            for name, outlet in self._outlets.items():
                self._draw(self.players[name], outlet, due, due - index)
            index = due + 1
            if now - told_at >= STATS_EVERY_S:
                told_at = now
                self._tell_stats()
        for outlet in self._outlets.values():
            outlet.close(END_S)
        self._tell_stats()

    def _draw(self, player: Player, outlet: Outlet, index: int, missed: int) -> None:
        """Draws one picture if it is wanted; `missed` were due before it."""
        if self._setup.to == FILE and player.waiting:
            return
        outlet.drop(missed)
        if not outlet.takes_more():
            outlet.drop(1)
            return
        began = time.thread_time()
        outlet.put(player.picture_at(index / self._setup.fps), index)
        outlet.add_seconds(time.thread_time() - began)

    def _way_out(self, stream: str) -> Callable[[], Sink]:
        setup = self._setup

        def film() -> Sink:
            size = setup.width, setup.height
            return Film(Path(setup.folder), stream, size, setup.fps, self._tell_film(stream))

        return film if setup.to == FILE else lambda: RtspSink(setup, stream)

    def _tell_film(self, stream: str) -> Callable[[Path], None]:
        return lambda path: self._tell("film", stream=stream, path=str(path))

    def _tell_stats(self) -> None:
        streams = {name: asdict(outlet.stats) for name, outlet in self._outlets.items()}
        trouble = [outlet.trouble for outlet in self._outlets.values() if outlet.trouble]
        self._tell("stats", streams=streams, trouble=trouble[0] if trouble else "")


def main() -> int:
    """Serves one training; returns the exit code."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the end of the training is the end of this
    os.nice(NICENESS)
    cv2.setNumThreads(1)
    inbox, outbox = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints must not get between our lines
    lock = threading.Lock()

    def tell(kind: str, **content: Any) -> None:
        with lock:
            write_line(outbox, kind, **content)

    try:
        setup = read_message(inbox)
        if not isinstance(setup, Setup):
            return 0
        studio = Studio(setup, tell)
        threading.Thread(target=_listen, args=(inbox, studio), daemon=True).start()
        studio.run()
    except BrokenPipeError:  # the training was killed
        return 0
    except Exception as error:
        tell("failed", why=f"{type(error).__name__}: {error}", trace=traceback.format_exc())
        return 1
    return 0


def _listen(inbox: BinaryIO, studio: Studio) -> None:
    try:
        while (message := read_message(inbox)) is not None:
            studio.take(message)
    finally:
        studio.ended.set()


if __name__ == "__main__":
    sys.exit(main())
