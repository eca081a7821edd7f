"""Recordings on disk and the films made of them."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import av
import numpy as np
import pytest

from sim.errors import UserError
from sim.moment import moment_at
from sim.recording import Recording
from sim.track import Track
from sim.video import HOLD_S, render_recording, write_mp4


def a_drive(track: Track, steps: int = 12) -> Recording:
    time_s = np.arange(1, steps + 1) / 15
    yaw = track.heading(time_s)
    still = np.zeros(steps)
    return Recording(
        origin=np.column_stack([track.point(time_s), still]),
        quaternion=np.column_stack([still, still, np.sin(yaw / 2), np.cos(yaw / 2)]),
        steering_deg=np.linspace(-15.0, 15.0, steps),
        speed_mps=still + 1.0,
        measured_speed_mps=still + 0.9,
        progress=100.0 * time_s / track.length_m,
        reward=still + 0.5,
        time_s=time_s,
        track=track.name,
        reverse=False,
        control_hz=15,
        lap_time_s=None,
        end_reason="off_track",
    )


@pytest.fixture(scope="module")
def track() -> Track:
    return Track.load("oval")


@pytest.fixture
def drive(track: Track) -> Recording:
    return a_drive(track)


@pytest.mark.parametrize("lap_time_s", [None, 8.25])
def test_a_saved_drive_comes_back(
    drive: Recording, tmp_path: Path, lap_time_s: float | None
) -> None:
    drive = replace(drive, lap_time_s=lap_time_s, reverse=True)
    drive.save(tmp_path / "drive.npz")
    again = Recording.load(tmp_path / "drive.npz")
    for field in fields(Recording):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(drive, field.name))
        assert type(getattr(again, field.name)) is type(getattr(drive, field.name))


def test_a_bad_file_is_the_users_error(drive: Recording, tmp_path: Path) -> None:
    path = tmp_path / "drive.npz"
    with pytest.raises(UserError, match="no such file"):
        Recording.load(path)
    for content in (b"", b"not a drive at all", b"PK\x03\x04 cut off"):
        path.write_bytes(content)
        with pytest.raises(UserError, match="no recording"):
            Recording.load(path)
    drive.save(path)
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(UserError, match="no recording"):
        Recording.load(path)
    np.savez(path, origin=np.zeros(3))
    with pytest.raises(UserError, match="missing"):
        Recording.load(path)
    np.savez(path, **{f.name: np.array([{}], dtype=object) for f in fields(Recording)}, format=1)
    with pytest.raises(UserError, match="no recording"):
        Recording.load(path)
    for broken in (
        {"origin": drive.origin[:-1]},
        {"quaternion": drive.origin},
        {"reward": np.full(len(drive), np.nan)},
    ):
        replace(drive, **broken).save(path)
        with pytest.raises(UserError, match="no recording"):
            Recording.load(path)


def test_moments_lie_between_the_steps(drive: Recording) -> None:
    for k in (0, 5, len(drive) - 1):
        there = moment_at(drive, float(drive.time_s[k]))
        np.testing.assert_allclose(there.origin, drive.origin[k])
        np.testing.assert_allclose(there.quaternion, drive.quaternion[k])
    between = moment_at(drive, float(drive.time_s[4] + drive.time_s[5]) / 2)
    np.testing.assert_allclose(between.origin, (drive.origin[4] + drive.origin[5]) / 2)
    assert drive.progress[4] < between.progress < drive.progress[5]
    assert moment_at(drive, -1.0).time_s == drive.time_s[0]
    assert moment_at(drive, 99.0).time_s == drive.time_s[-1]


def test_a_film_plays_in_simulated_time(drive: Recording, track: Track, tmp_path: Path) -> None:
    path = tmp_path / "drive.mp4"
    write_mp4(path, render_recording(drive, track, width=320, height=240))
    with av.open(str(path)) as film:
        stream = film.streams.video[0]
        frames = [frame.to_ndarray(format="rgb24") for frame in film.decode(stream)]
        assert stream.codec_context.name == "h264"
        assert stream.codec_context.pix_fmt == "yuv420p"
        assert stream.average_rate == 30
    driven_s = drive.time_s[-1] - drive.time_s[0]
    assert len(frames) == pytest.approx((driven_s + HOLD_S) * 30, abs=2)
    assert frames[0].shape == (240, 320, 3)
    source = next(iter(render_recording(drive, track, width=320, height=240)))
    assert np.abs(frames[0].astype(int) - source).mean() < 8.0
    assert [entry.name for entry in tmp_path.iterdir()] == ["drive.mp4"]


def test_an_unwritable_film_is_the_users_error(tmp_path: Path) -> None:
    frame = np.zeros((32, 32, 3), dtype=np.uint8)
    with pytest.raises(UserError, match="cannot be written"):
        write_mp4(tmp_path / "nowhere" / "drive.mp4", [frame])
    with pytest.raises(ValueError, match="at least one frame"):
        write_mp4(tmp_path / "drive.mp4", [])
    assert not list(tmp_path.iterdir())


def test_odd_sizes_are_trimmed(tmp_path: Path) -> None:
    frames = [np.full((33, 47, 3), 10 * k, dtype=np.uint8) for k in range(5)]
    write_mp4(tmp_path / "odd.mp4", frames, fps=15)
    with av.open(str(tmp_path / "odd.mp4")) as film:
        stream = film.streams.video[0]
        assert (stream.codec_context.width, stream.codec_context.height) == (46, 32)
        assert len(list(film.decode(stream))) == 5
