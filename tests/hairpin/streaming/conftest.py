"""Drives to show, and a server that takes them."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from hairpin.streaming.address import Address, Credentials, parse_address
from servers.mediamtx import Mediamtx
from sim.recording import Recording
from sim.track import Track

Image = npt.NDArray[np.uint8]


def drive_on(track: Track, *, seconds: float = 2.0, lap_time_s: float | None = None) -> Recording:
    """A car that keeps to the centre line at 2 m/s."""
    count = round(15 * seconds)
    time_s = np.arange(1, count + 1) / 15
    way_m = 2.0 * time_s % track.length_m
    yaw, still = track.heading(way_m), np.zeros(count)
    return Recording(
        origin=np.column_stack([track.point(way_m), still]),
        quaternion=np.column_stack([still, still, np.sin(yaw / 2), np.cos(yaw / 2)]),
        steering_deg=np.linspace(-15.0, 15.0, count),
        speed_mps=still + 2.5,
        measured_speed_mps=still + 2.0,
        progress=100.0 * 2.0 * time_s / track.length_m,
        reward=1.0 + np.sin(3.0 * time_s),
        time_s=time_s,
        track=track.name,
        reverse=False,
        control_hz=15,
        lap_time_s=lap_time_s,
        end_reason="off_track" if lap_time_s is None else "lap_complete",
    )


@pytest.fixture(scope="session")
def oval() -> Track:
    return Track.load("oval")


@pytest.fixture(scope="session")
def make_drive(oval: Track) -> Callable[..., Recording]:
    return lambda **changes: drive_on(oval, **changes)


def server_of(mediamtx: Mediamtx) -> tuple[Address, Credentials]:
    """What a publisher needs to know of a server."""
    return parse_address(mediamtx.url), Credentials(mediamtx.user, mediamtx.password)


@pytest.fixture(scope="session")
def where() -> Callable[[Mediamtx], tuple[Address, Credentials]]:
    return server_of


@pytest.fixture(scope="session")
def pictures() -> list[Image]:
    """Sixteen pictures, 320x240: a bright bar that wanders over noise, as planes Y, U, V."""
    noise = np.random.default_rng(0).integers(40, 90, (240, 320, 3), dtype=np.uint8)
    made = []
    for k in range(16):
        frame = noise.copy()
        frame[:, 20 * k : 20 * k + 20] = 230
        made.append(cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420))
    return made
