"""A real training that is watched while it goes on."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from servers.mediamtx import Mediamtx

pytestmark = pytest.mark.slow


def test_a_training_can_be_watched(mediamtx: Mediamtx, tmp_path: Path) -> None:
    words = (
        f"train --track oval --run watched --steps 60000 --workers 1 --video {mediamtx.url}/team "
        f"--storage {tmp_path}"
    ).split()
    process = subprocess.Popen(
        [sys.executable, "-m", "hairpin", *words],
        env={**os.environ, **mediamtx.env()},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: said.extend(process.stdout or ()))
    reader.start()
    seen: dict[str, list[np.ndarray]] = {}
    try:
        for stream in ("worker-0", "eval"):
            while stream not in seen:
                assert process.poll() is None, f"it ended unseen: {''.join(said)}"
                try:
                    seen[stream] = watch(mediamtx.reader_url(f"team/watched/{stream}"), 20)
                except av.FFmpegError:  # not there yet
                    threading.Event().wait(0.2)
        assert process.wait() == 0
    finally:
        process.kill()
        reader.join()
    for pictures in seen.values():
        assert pictures[0].shape == (480, 640, 3) and pictures[0].std() > 30
    assert np.abs(seen["worker-0"][0].astype(int) - seen["worker-0"][19]).mean() > 1.0
    assert mediamtx.password not in "".join(said)
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or mediamtx.password.encode() not in path.read_bytes(), path


def watch(url: str, count: int) -> list[np.ndarray]:
    with av.open(url, options={"rtsp_transport": "tcp"}, timeout=20.0) as stream:
        frames = itertools.islice(stream.decode(video=0), count)
        return [frame.to_ndarray(format="rgb24") for frame in frames]
