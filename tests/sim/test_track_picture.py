"""Pictures of tracks: they are drawn, and show the road where it is."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sim.errors import UserError
from sim.track import Track
from sim.track_picture import ASPHALT, draw_sheet, draw_track


def asphalt_share(path: Path) -> float:
    image = cv2.imread(str(path))
    red, green, blue = (int(ASPHALT[k : k + 2], 16) for k in (1, 3, 5))
    return float((np.abs(image.astype(int) - (blue, green, red)).max(axis=2) < 6).mean())


@pytest.mark.parametrize("name", ["hairpin", "crossover", "dash", "random:3"])
def test_a_track_is_drawn(name: str, tmp_path: Path) -> None:
    draw_track(Track.load(name), tmp_path / "track.png", title="A title", note="A note.")
    assert 0.03 < asphalt_share(tmp_path / "track.png") < 0.5


def test_the_same_track_gives_the_same_picture(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        draw_track(Track.load("oval"), tmp_path / name)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


@pytest.mark.parametrize("count", [1, 2, 5])
def test_a_sheet_is_drawn(count: int, tmp_path: Path) -> None:
    names = ["hairpin", "oval", "bowtie", "dash", "needle"][:count]
    draw_sheet([(Track.load(name), name) for name in names], tmp_path / "sheet.png")
    assert asphalt_share(tmp_path / "sheet.png") > 0.02


def test_a_picture_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no/such\.png: cannot write the picture"):
        draw_track(Track.load("oval"), tmp_path / "no" / "such.png")
