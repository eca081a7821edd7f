"""Publishing to a real MediaMTX, and what a viewer there gets."""

from __future__ import annotations

import itertools
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import av
import numpy as np
import numpy.typing as npt
import pytest

from hairpin.streaming import check
from hairpin.streaming.address import Address, Credentials
from hairpin.streaming.check import check_video
from hairpin.streaming.encoder import Encoder
from hairpin.streaming.outlet import Outlet, explain
from hairpin.streaming.rtsp import CLOCK_HZ, RtspError, RtspPublisher
from hairpin.streaming.settings import VideoSettings
from servers.mediamtx import Mediamtx
from sim.errors import UserError

Image = npt.NDArray[np.uint8]
Where = Callable[[Mediamtx], tuple[Address, Credentials]]
FPS = 15


class Camera:
    """Encodes the pictures of a test and publishes them."""

    def __init__(
        self, where: tuple[Address, Credentials], path: str, timeout_s: float = 2.0
    ) -> None:
        address, credentials = where
        self._encoder = Encoder(320, 240, FPS)
        self._publisher = RtspPublisher(
            address, path, credentials, self._encoder.parameters, timeout_s=timeout_s
        )

    def send(self, picture: Image, index: int) -> None:
        self._publisher.send(self._encoder.encode(picture, index), index * CLOCK_HZ // FPS)

    def close(self) -> None:
        self._publisher.close()


@contextmanager
def filming(outlet: Outlet, pictures: list[Image]) -> Iterator[None]:
    """Offers pictures in real time, as the video process does, while the test goes on."""
    ended = threading.Event()

    def work() -> None:
        for index in itertools.count():
            if ended.wait(1 / FPS):
                return
            if outlet.takes_more():
                outlet.put(pictures[index % len(pictures)], index)
            else:
                outlet.drop(1)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        outlet.close(5.0)


def until(condition: Callable[[], bool]) -> None:
    for _ in range(600):
        if condition():
            return
        threading.Event().wait(0.05)
    raise AssertionError("it did not come to pass within half a minute")


def watch(url: str, count: int) -> list[av.VideoFrame]:
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=20.0) as stream:
        return list(itertools.islice(stream.decode(video=0), count))


def test_a_viewer_who_comes_late_sees_moving_pictures(
    mediamtx: Mediamtx, where: Where, pictures: list[Image]
) -> None:
    outlet = Outlet("eval", lambda: Camera(where(mediamtx), "/late/eval"))
    with filming(outlet, pictures):
        until(lambda: outlet.stats.frames > 3 * FPS)
        frames = watch(mediamtx.reader_url("late/eval"), 20)
    assert (frames[0].width, frames[0].height) == (320, 240)
    times_s = [float(frame.pts * frame.time_base) for frame in frames]
    steps = np.diff(times_s) * FPS  # whole numbers, also where a busy machine left one out
    np.testing.assert_allclose(steps, np.round(steps), atol=0.02)
    assert np.median(steps) == pytest.approx(1.0, abs=0.02)
    bars = [int(frame.to_ndarray(format="gray").mean(axis=0).argmax()) for frame in frames]
    assert len(set(np.array(bars) // 20)) > 10
    assert outlet.stats.connects == 1 and outlet.stats.frames > 60


def test_a_picture_that_stands_by_itself_comes_every_second(pictures: list[Image]) -> None:
    encoder, alone = Encoder(320, 240, FPS), []
    # Every third picture is left out, as when the machine is busy.
    sent = [index for index in range(90) if index % 3]
    for index in sent:
        kinds = [unit[0] & 0x1F for unit in encoder.encode(pictures[index % 16], index)]
        assert kinds, "every picture goes out at once"
        if 5 in kinds:
            assert kinds[:2] == [7, 8], "with what a decoder must know"
            alone.append(index)
    assert len(alone) >= 5 and max(np.diff(alone)) <= FPS + 2


def test_wrong_credentials_are_refused_and_not_repeated(mediamtx: Mediamtx, where: Where) -> None:
    address, _ = where(mediamtx)
    for credentials in (Credentials(), Credentials(mediamtx.user, "wrong-word")):
        with pytest.raises(RtspError, match="refuses the user or the password") as caught:
            Camera((address, credentials), "/refused/eval", timeout_s=9.0)
        assert caught.value.refused and "wrong-word" not in str(caught.value)


def test_a_server_that_goes_away_is_found_again(
    new_mediamtx: Callable[[], Mediamtx], where: Where, pictures: list[Image]
) -> None:
    server = new_mediamtx()
    outlet = Outlet("eval", lambda: Camera(where(server), "/away/eval"))
    with filming(outlet, pictures):
        until(lambda: outlet.stats.frames > FPS)
        server.stop()
        until(lambda: outlet.trouble != "")
        assert not outlet.stats.up
        dropped = outlet.stats.dropped
        until(lambda: outlet.stats.dropped > dropped + FPS)
        server.start()
        until(lambda: outlet.stats.up)
        assert outlet.trouble == "" and outlet.stats.connects >= 2
        assert watch(server.reader_url("away/eval"), 2)


def test_a_server_that_stands_still_costs_pictures_but_no_time(
    new_mediamtx: Callable[[], Mediamtx], where: Where
) -> None:
    server = new_mediamtx()
    noise = np.random.default_rng(1).integers(0, 255, (4, 360, 320), dtype=np.uint8)
    outlet = Outlet("eval", lambda: Camera(where(server), "/still/eval"))
    with filming(outlet, list(noise)):
        until(lambda: outlet.stats.frames > 2)
        os.kill(server.pid, signal.SIGSTOP)
        try:
            # What it has taken up stays in the connection until that is full.
            until(lambda: not outlet.stats.up)
            assert outlet.stats.dropped > 0
        finally:
            os.kill(server.pid, signal.SIGCONT)
        until(lambda: outlet.stats.up)


def test_a_viewer_who_never_reads_holds_nothing_up(
    mediamtx: Mediamtx, where: Where, pictures: list[Image]
) -> None:
    outlet = Outlet("eval", lambda: Camera(where(mediamtx), "/sleeper/eval"))
    with filming(outlet, pictures):
        until(lambda: outlet.stats.frames > FPS)
        asleep = av.open(mediamtx.reader_url("sleeper/eval"), options={"rtsp_transport": "tcp"})
        frames = outlet.stats.frames
        until(lambda: outlet.stats.frames > frames + 3 * FPS)
        assert outlet.stats.up and outlet.stats.connects == 1
        asleep.close()


@pytest.mark.parametrize("mute", [True, False])
def test_what_is_no_video_server_is_said_at_the_start(
    mute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert check.LIMIT_S < 10.0
    monkeypatch.setattr(check, "LIMIT_S", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not mute:

            def hang_up() -> None:
                connection, _ = server.accept()
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                connection.close()

            threading.Thread(target=hang_up, daemon=True).start()
        with pytest.raises(UserError) as caught:
            check_video(VideoSettings(to=f"rtsp://127.0.0.1:{port}"), "monday")
    expected = "does not answer" if mute else "no RTSP server"
    assert expected in str(caught.value) and f"rtsp://127.0.0.1:{port}" in str(caught.value)


def test_the_start_says_who_is_missing_and_what_to_set(
    mediamtx: Mediamtx, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = VideoSettings(to=mediamtx.url)
    for name in mediamtx.env():
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"wants a user.*HAIRPIN_RTSP_USER"):
        check_video(settings, "monday")
    monkeypatch.setenv("HAIRPIN_RTSP_USER", mediamtx.user)
    monkeypatch.setenv("HAIRPIN_RTSP_PASSWORD", "wrong-word")
    with pytest.raises(UserError, match="refuses the user") as caught:
        check_video(settings, "monday")
    assert "wrong-word" not in str(caught.value)
    for name, value in mediamtx.env().items():
        monkeypatch.setenv(name, value)
    check_video(settings, "monday")
    with pytest.raises(UserError, match=r"no host 'no\.such\.invalid'"):
        check_video(VideoSettings(to="rtsp://no.such.invalid"), "monday")
    with pytest.raises(UserError, match="refused"):
        check_video(VideoSettings(to="rtsp://127.0.0.1:1"), "monday")


def test_errors_are_said_in_a_few_words() -> None:
    assert explain(TimeoutError("timed out")) == "the server does not answer"
    assert explain(ConnectionResetError(104, "Connection reset by peer")) == (
        "connection reset by peer"
    )
