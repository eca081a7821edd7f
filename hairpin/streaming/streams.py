"""Live video as the training sees it: it tells what happened and never waits for anything."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

from hairpin.job import Job
from hairpin.streaming.address import FILE, Credentials
from hairpin.streaming.films import Films
from hairpin.streaming.messages import (
    EVALUATION,
    Reached,
    Setup,
    Shown,
    StreamStats,
    stream_names,
    write_message,
)
from learner.events import Driven, Event, IterationDone, Started
from storage import Run

MAX_RESTARTS = 5  # so many without GOOD_S between them, and there is no video any more
GOOD_S = 300.0
RESTART_WAIT_S = 1.0
END_S = 15.0  # for the last pictures and the ends of the films
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class VideoStreams:
    """Shows a training; a context manager, and a listener of its events.

    Drawing, encoding and sending are done by a process of its own, which begins with the driving
    and is started again if it dies. Where no video is wanted, this does nothing.

    Args:
        job: What is trained.
        run: Where films go, if they go to files.
        say: Told, for people, when the server goes away or comes back, and when the process dies.
    """

    def __init__(self, job: Job, run: Run, *, say: Callable[[str], None]) -> None:
        self._job, self._run, self._say = job, run, say
        video = job.video
        self._to = video.target
        self._credentials = Credentials.from_environment()  # soon it will not be there any more
        self._streams = stream_names(min(video.workers, job.train_settings().workers))
        self._condition = threading.Condition()
        self._waiting: dict[str, Shown | Reached] = {}  # by stream, or "" for what all are told
        self._newest: dict[str, Shown | Reached] = {}
        self._stats = {name: StreamStats() for name in self._streams}
        self._before = {name: StreamStats() for name in self._streams}  # of processes that died
        self._ended = False
        self._lost = False
        self._failure = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._thread: threading.Thread | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._films: Films | None = None

    def __enter__(self) -> VideoStreams:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._condition:
            self._ended = True
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join(END_S)
            if self._thread.is_alive() and self._process is not None:
                self._process.kill()
                self._thread.join(END_S)
        if self._folder is not None:
            self._folder.cleanup()

    def note(self, event: Event) -> None:
        """Takes up what can be shown; returns at once."""
        if self._to is None:
            return
        if isinstance(event, Started):
            self._start()
        elif isinstance(event, IterationDone):
            self._put("", Reached(event.iteration, event.steps))
        elif isinstance(event, Driven):
            for worker, driven in event.workers.items():
                stream = f"worker-{max(0, worker - 1)}"
                if event.phase == "evaluation":
                    stream = EVALUATION
                if driven.recording is not None and stream in self._streams:
                    at = (event.iteration, event.steps)
                    self._put(stream, Shown(stream, event.phase, *at, driven.recording))

    def stats(self) -> dict[str, StreamStats]:
        """How each stream does, by name; empty without video. Returns at once."""
        if self._to is None:
            return {}
        with self._condition:
            return {
                name: StreamStats(
                    up=now.up,
                    frames=before.frames + now.frames,
                    dropped=before.dropped + now.dropped,
                    connects=before.connects + now.connects,
                    seconds=before.seconds + now.seconds,
                )
                for (name, now), before in zip(
                    self._stats.items(), self._before.values(), strict=True
                )
            }

    @property
    def pid(self) -> int | None:
        """The video process; None while there is none."""
        process = self._process
        return None if process is None or process.poll() is not None else process.pid

    def _start(self) -> None:
        if self._to == FILE:
            self._folder = tempfile.TemporaryDirectory(prefix="hairpin-video-")
            self._films = Films(self._run, say=self._say)
        self._thread = threading.Thread(target=self._keep_going, name="video", daemon=True)
        self._thread.start()

    def _put(self, key: str, message: Shown | Reached) -> None:
        with self._condition:
            self._waiting[key] = self._newest[key] = message
            self._condition.notify_all()

    def _setup(self) -> Setup:
        job = self._job
        assert self._to is not None
        return Setup(
            run=self._run.name,
            to=self._to,
            streams=self._streams,
            track=job.track,
            camera=job.camera,
            width=job.video.width,
            height=job.video.height,
            fps=job.video.fps,
            folder=self._folder.name if self._folder else "",
            credentials=self._credentials,
        )

    def _keep_going(self) -> None:
        """Runs the process, again and again if need be."""
        restarts = 0
        while True:
            began = time.monotonic()
            why = self._run_once()
            with self._condition:
                if self._ended:
                    return
                self._carry_over()
                self._waiting = dict(self._newest)
            if time.monotonic() - began > GOOD_S:
                restarts = 0
            if restarts == MAX_RESTARTS:
                self._say(f"the video process died again ({why}); there is no video any more")
                return
            restarts += 1
            self._say(f"the video process died ({why}) and is started again")
            with self._condition:
                self._condition.wait_for(lambda: self._ended, RESTART_WAIT_S * restarts)

    def _run_once(self) -> str:
        """Runs the process until it ends; returns why it did."""
        self._failure = ""
        paths = os.pathsep.join(entry for entry in sys.path if entry)
        environment = {**os.environ, **dict.fromkeys(_ONE_THREAD, "1"), "PYTHONPATH": paths}
        try:
            process = subprocess.Popen(
                [sys.executable, "-m", "hairpin.streaming.process"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the training, which then ends this
            )
        except OSError as error:
            return f"it cannot be started: {error.strerror}"
        self._process = process
        assert process.stdin is not None and process.stdout is not None
        feeder = threading.Thread(target=self._feed, args=(process.stdin,), daemon=True)
        feeder.start()
        for line in process.stdout:
            with contextlib.suppress(ValueError):
                self._take(json.loads(line))
        code = process.wait()
        with self._condition:
            self._condition.notify_all()
        feeder.join()
        process.stdout.close()
        if self._failure:
            return self._failure
        return signal.Signals(-code).name if code < 0 else f"exit code {code}"

    def _feed(self, pipe: IO[bytes]) -> None:
        """Hands on what is waiting; a process that is slow to take it gets the newest only."""
        process = self._process
        assert process is not None
        with contextlib.suppress(OSError), pipe:
            write_message(pipe, self._setup())
            while True:
                with self._condition:
                    self._condition.wait_for(
                        lambda: self._waiting or self._ended or process.poll() is not None
                    )
                    messages, self._waiting = list(self._waiting.values()), {}
                    if not messages:
                        return
                for message in messages:
                    write_message(pipe, message)

    def _take(self, line: dict[str, Any]) -> None:
        kind = line.pop("kind")
        if kind == "failed":
            self._failure = scrubbed(str(line["why"]), self._credentials)
        elif kind == "film" and self._films is not None:
            self._films.keep(line["stream"], Path(line["path"]))
        elif kind == "stats":
            with self._condition:
                for name, values in line["streams"].items():
                    self._stats[name] = StreamStats(**values)
            self._tell_trouble(line["trouble"])

    def _tell_trouble(self, trouble: str) -> None:
        """Says once that the server is away, and once that it is back."""
        down = any(not stats.up for stats in self._stats.values())
        if down and trouble and not self._lost:
            self._lost = True
            self._say(f"video server unreachable, retrying: {trouble}")
        elif self._lost and not down:
            self._lost = False
            self._say("video server is back")

    def _carry_over(self) -> None:
        for name, now in self._stats.items():
            before = self._before[name]
            before.frames += now.frames
            before.dropped += now.dropped
            before.connects += now.connects
            before.seconds += now.seconds
            self._stats[name] = StreamStats()


def scrubbed(text: str, credentials: Credentials) -> str:
    """A text without the password, in case an error of a library repeats it."""
    return text.replace(credentials.password, "***") if credentials.password else text
