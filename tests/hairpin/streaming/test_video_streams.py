"""The video process as a training uses it: films, deaths, statistics, and what it must not load."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from hairpin.job import Job
from hairpin.streaming import films
from hairpin.streaming.address import Credentials
from hairpin.streaming.film import Film
from hairpin.streaming.films import Films
from hairpin.streaming.streams import VideoStreams, scrubbed
from learner.events import Driven, DrivenEpisodes, Event, IterationDone, Started
from servers.mediamtx import Mediamtx
from sim.recording import Recording
from storage import Run, open_store

STARTED = Started(20.0, {}, 2, 2, "float32")
VIDEO = {"width": 320, "height": 240, "fps": 15}


def until(condition: Callable[[], bool]) -> None:
    for _ in range(1200):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not come to pass within a minute")


def driven(phase: str, worker: int, recording: Recording | None) -> Driven:
    return Driven(3, 9000, 30.0, phase, {worker: DrivenEpisodes(0, [], [], [], recording)})


def a_job(**video: object) -> Job:
    return Job.model_validate({"track": "oval", "workers": 2, "video": {**VIDEO, **video}})


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run.create(open_store(str(tmp_path / "runs")), "monday", {})


def test_films_are_kept_with_the_run(run: Run, make_drive: Callable[..., Recording]) -> None:
    said: list[str] = []
    with VideoStreams(a_job(to="file"), run, say=said.append) as streams:
        assert streams.pid is None, "nothing is started before the driving is"
        streams.note(STARTED)
        streams.note(driven("evaluation", 1, make_drive(seconds=3.0)))
        streams.note(driven("training", 1, make_drive(seconds=3.0)))
        streams.note(driven("training", 2, make_drive(seconds=3.0)))
        until(lambda: min(each.frames for each in streams.stats().values()) > 20)
        stats = streams.stats()
    assert set(stats) == {"eval", "worker-0"} and said == []
    assert all(each.up and each.connects == 1 and each.seconds > 0.0 for each in stats.values())
    assert streams.pid is None
    assert [name for name in run.tree() if name.endswith(".mp4")] == [
        "video/eval.mp4",
        "video/worker-0.mp4",
    ]
    path = run.local_path("video/eval.mp4")
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.width, stream.codec_context.height) == (320, 240)
        frames = list(film.decode(stream))
    pictures = [frame.to_ndarray(format="rgb24") for frame in frames]
    # It is played as fast as it was driven, also where a picture was left out.
    times = np.diff([float(frame.pts * frame.time_base) for frame in frames])
    assert np.median(times) == pytest.approx(1 / 15, abs=1e-3)
    np.testing.assert_allclose(times * 15, np.round(times * 15), atol=0.01)
    assert len(pictures) > 20 and np.std(pictures[10]) > 30
    assert (pictures[5] != pictures[15]).any()


def test_a_process_that_dies_is_said_and_started_again(
    run: Run, make_drive: Callable[..., Recording]
) -> None:
    said: list[str] = []
    with VideoStreams(a_job(to="file", workers=0), run, say=said.append) as streams:
        streams.note(STARTED)
        streams.note(driven("evaluation", 1, make_drive(seconds=3.0)))
        until(lambda: streams.stats()["eval"].frames > 5)
        first, frames = streams.pid, streams.stats()["eval"].frames
        assert first is not None
        os.kill(first, signal.SIGKILL)
        # It shows the last drive again, and goes on counting.
        until(lambda: streams.pid not in (None, first))
        until(lambda: streams.stats()["eval"].frames > frames + 5)
        assert streams.stats()["eval"].connects == 2
    assert said == ["the video process died (SIGKILL) and is started again"]


def test_a_server_away_is_said_once_and_its_return_too(
    new_mediamtx: Callable[[], Mediamtx],
    run: Run,
    make_drive: Callable[..., Recording],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server, said = new_mediamtx(), []
    for name, value in server.env().items():
        monkeypatch.setenv(name, value)
    with VideoStreams(a_job(to=server.url), run, say=said.append) as streams:
        for name in server.env():  # as in a training: whoever needs them has read them
            monkeypatch.delenv(name)
        streams.note(STARTED)
        streams.note(driven("training", 1, make_drive()))
        until(lambda: all(each.frames for each in streams.stats().values()))
        assert streams.pid is not None
        words = Path(f"/proc/{streams.pid}/cmdline").read_bytes()
        surroundings = Path(f"/proc/{streams.pid}/environ").read_bytes()
        assert server.password.encode() not in words + surroundings
        server.stop()
        until(lambda: bool(said))
        until(lambda: streams.stats()["eval"].dropped > 30)
        server.start()
        until(lambda: len(said) > 1)
    assert said[0].startswith("video server unreachable, retrying: ")
    assert said[1:] == ["video server is back"]
    assert server.password not in " ".join(said)


def test_without_video_nothing_is_started(run: Run, make_drive: Callable[..., Recording]) -> None:
    with VideoStreams(a_job(), run, say=print) as streams:
        events: list[Event] = [STARTED, driven("training", 1, make_drive())]
        for event in events:
            streams.note(event)
        assert streams.pid is None and streams.stats() == {}


def test_telling_it_costs_nothing_even_if_it_takes_nothing(
    run: Run, make_drive: Callable[..., Recording]
) -> None:
    recording = make_drive(seconds=60.0)
    with VideoStreams(a_job(to="file", workers=0), run, say=print) as streams:
        streams.note(STARTED)
        until(lambda: streams.pid is not None)
        assert streams.pid is not None
        os.kill(streams.pid, signal.SIGSTOP)
        for number in range(300):  # many times what a pipe holds; the test would hang here
            streams.note(IterationDone(number, number, 0.0, 0.0, {}, [], None, None, {}))
            streams.note(driven("evaluation", 1, recording))
        os.kill(streams.pid, signal.SIGCONT)
        until(lambda: streams.stats()["eval"].frames > 5)


def test_the_process_loads_neither_torch_nor_ray() -> None:
    script = (
        "import hairpin.streaming.process, sys; "
        "print({'torch', 'ray', 'pybullet'} & set(sys.modules))"
    )
    words = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    ).stdout.split()
    assert words == ["set()"]


def test_long_films_are_cut_and_the_oldest_go(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(films, "KEPT", 2)
    kept = Films(run, say=print)
    film = Film(
        tmp_path, "eval", (64, 48), 15, lambda path: kept.keep("eval", path), file_s=10 / 15
    )
    gray = np.full((72, 64), 128, np.uint8)
    for index in range(35):
        film.send(gray, index)
    film.close()
    assert [name for name in run.tree() if ".mp4" in name] == [
        "video/eval-3.mp4",
        "video/eval-4.mp4",
    ]
    with av.open(str(run.local_path("video/eval-3.mp4"))) as cut:
        assert len(list(cut.decode(video=0))) == 10
    # A resumed run goes on with the numbers.
    (tmp_path / "next.mp4").write_bytes(b"a film")
    Films(run, say=print).keep("eval", tmp_path / "next.mp4")
    assert run.get_file("video/eval-5.mp4") == b"a film"
    assert not list(tmp_path.glob("*.mp4"))


def test_a_password_is_scrubbed_from_what_went_wrong() -> None:
    credentials = Credentials("me", "geheim")
    assert scrubbed("no geheim here", credentials) == "no *** here"
    assert scrubbed("nothing", Credentials()) == "nothing"
