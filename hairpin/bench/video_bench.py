"""Training steps a second with one stream of live video, against without."""

from __future__ import annotations

import contextlib
import os
import signal
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hairpin.bench.machine import describe
from hairpin.bench.timing import Work, median_ratio, rate, warm_up
from hairpin.bench.trainings import on_threads, ray_for, training
from hairpin.job import validate_job
from hairpin.streaming.address import FILE
from hairpin.streaming.check import check_video
from hairpin.streaming.messages import EVALUATION
from hairpin.streaming.streams import VideoStreams
from learner.config import build_config
from learner.events import Driven, DrivenEpisodes, Started
from sim.errors import UserError
from sim.recording import Recording
from sim.track import Track
from storage import Run, open_store

WITH, WITHOUT = "with video", "without"
_RUN = "hairpin-bench"
_START_S = 120.0  # the kernels may have to be compiled first


@dataclass(frozen=True)
class VideoResult:
    """Rates of both, and how they compare."""

    ratio: float
    """With one stream to without."""
    rates: dict[str, float]
    """Median training steps a second of both."""
    frames_per_s: float
    """Pictures sent a second while training."""
    frame_ms: float
    """Processor milliseconds that drawing, encoding and sending a picture takes."""
    rounds: int
    """How often each was measured; rates and ratio are medians over the rounds."""
    machine: dict[str, object]


def run(
    *,
    to: str | None = None,
    rounds: int = 26,
    seconds: float = 2.0,
    report: Callable[[str], None] = lambda doing: None,
) -> VideoResult:
    """Trains the default job both ways in turn, several times over.

    Args:
        to: An RTSP address; by default the video goes to a file.
        rounds: How often each is measured.
        seconds: How long each time; an iteration that was begun is finished.
        report: Told what is being done.

    Raises:
        UserError: The video cannot be sent there.
    """
    video = {"to": to or FILE, "workers": 0}
    job = validate_job({"video": video}, lambda way: "--to")
    check_video(job.video, _RUN)
    settings = job.train_settings()
    plain = settings.model_copy(update={"recorded_workers": None})
    recorded = settings.model_copy(update={"recorded_workers": 1})
    with contextlib.ExitStack() as stack:
        report("starting Ray and building both")
        stack.enter_context(ray_for(settings, workers=2 * settings.workers))
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="hairpin-bench-"))
        kept = Run.create(open_store(folder), _RUN, {})
        streams = stack.enter_context(VideoStreams(job, kept, say=report))
        works: dict[str, Work] = {}
        for name, one in ((WITH, recorded), (WITHOUT, plain)):
            algorithm = build_config(one).build_algo()
            stack.callback(algorithm.stop)
            works[name] = on_threads(1, training(algorithm))
        report("warming up")
        pid = _started(streams, a_lap(Track.load(job.track)))
        # Stopped, it costs nothing; it must be able to end, however this does.
        stack.callback(os.kill, pid, signal.SIGCONT)
        warm_up(works.values())
        report(f"measuring {rounds} rounds")
        rates: dict[str, list[float]] = {name: [] for name in works}
        began = streams.stats()[EVALUATION]
        filmed_s = 0.0
        for _ in range(rounds):
            for name, work in works.items():
                os.kill(pid, signal.SIGCONT if name == WITH else signal.SIGSTOP)
                before = time.monotonic()
                rates[name].append(rate(work, seconds))
                filmed_s += time.monotonic() - before if name == WITH else 0.0
        os.kill(pid, signal.SIGCONT)
        now = streams.stats()[EVALUATION]
    frames = now.frames - began.frames
    return VideoResult(
        ratio=median_ratio(rates, WITH, WITHOUT),
        rates={name: statistics.median(values) for name, values in rates.items()},
        frames_per_s=frames / filmed_s,
        frame_ms=1000.0 * (now.seconds - began.seconds) / max(frames, 1),
        rounds=rounds,
        machine={**describe("hairpin", "av", "numpy"), "workers": settings.workers},
    )


def a_lap(track: Track, speed_mps: float = 1.5) -> Recording:
    """A car that keeps to the centre line for a whole lap."""
    hz = 15
    count = max(2, round(track.length_m / speed_mps * hz))
    time_s = np.arange(1, count + 1) / hz
    way_m = np.minimum(speed_mps * time_s, track.length_m)
    yaw, still = track.heading(way_m), np.zeros(count)
    return Recording(
        origin=np.column_stack([track.point(way_m), still]),
        quaternion=np.column_stack([still, still, np.sin(yaw / 2), np.cos(yaw / 2)]),
        steering_deg=still,
        speed_mps=still + speed_mps,
        measured_speed_mps=still + speed_mps,
        progress=100.0 * way_m / track.length_m,
        reward=still + 1.0,
        time_s=time_s,
        track=track.name,
        reverse=False,
        control_hz=hz,
        lap_time_s=float(time_s[-1]),
        end_reason="lap_complete",
    )


def _started(streams: VideoStreams, lap: Recording) -> int:
    """Lets the video process show a lap over and over; returns its id once it does."""
    streams.note(Started(0.0, {}, 1, 1, "float32"))
    driven = {1: DrivenEpisodes(0, [], [], [], lap)}
    streams.note(Driven(1, 0, 0.0, "evaluation", driven))
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        pid = streams.pid
        if pid is not None and streams.stats()[EVALUATION].frames > 0:
            return pid
        time.sleep(0.1)
    raise UserError("the video does not begin", fix="Try hairpin train --video file")
