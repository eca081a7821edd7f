"""Fixtures: a track both ways, and reward functions in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sim.reward_process import RewardProcess
from sim.track import Track
from tests.sim.reward_calls import CARS


@pytest.fixture(scope="module")
def tracks() -> tuple[Track, Track]:
    """The oval as driven along its rows, and against them."""
    track = Track.load("oval")
    return track, track.turned()


@pytest.fixture
def start(tmp_path: Path, tracks: tuple[Track, Track]) -> Iterator[Callable[..., RewardProcess]]:
    """Starts a process for a reward function given by its body (or a whole source)."""
    started: list[RewardProcess] = []

    def make(body: str, *, before: str = "", cars: int = CARS, **limits: Any) -> RewardProcess:
        path = tmp_path / f"reward{len(started)}.py"
        indented = "\n".join(f"    {line}" for line in body.splitlines())
        path.write_text(f"{before}\ndef reward_function(params):\n{indented}\n")
        process = RewardProcess(str(path), tracks, cars, **limits)
        started.append(process)
        process.wait()
        return process

    yield make
    for process in started:
        process.close()
