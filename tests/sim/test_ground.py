"""What is painted on the ground, and where."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from sim import mipmap
from sim.ground import MAX_PIXELS, PIXELS_PER_M, Ground
from sim.markings import BORDER_LINE_M
from sim.track import Track

ASPHALT, WHITE = 90, 190  # darker than the first is asphalt, brighter than the second is paint


def look(ground: Ground, points: npt.NDArray[np.float64]) -> npt.NDArray[np.uint8]:
    """The gray values at world points (k, 2)."""
    right_m, down_m = points[:, 0] - ground.west_m, ground.north_m - points[:, 1]
    # Whole numbers are pixels' centres.
    column, row = (
        np.round(metres * ground.pixels_per_m - 0.5).astype(int) for metres in (right_m, down_m)
    )
    return ground.gray[row, column]


def beside(track: Track, s_m: npt.NDArray[np.float64], left_m: float) -> npt.NDArray[np.float64]:
    heading = track.heading(s_m)
    normal = np.stack([-np.sin(heading), np.cos(heading)], axis=1)
    return track.point(s_m) + normal * left_m


@pytest.fixture(scope="module")
def oval() -> tuple[Track, Ground]:
    track = Track.load("oval")
    return track, Ground.bake(track)


def test_baking_is_deterministic(oval: tuple[Track, Ground]) -> None:
    ground = oval[1]
    again = Ground.bake(Track.load("oval"))
    np.testing.assert_array_equal(ground.colour, again.colour)
    np.testing.assert_array_equal(ground.gray, again.gray)


def test_the_road_ends_where_the_paint_begins(oval: tuple[Track, Ground]) -> None:
    track, ground = oval
    s_m = np.arange(0.3, track.length_m - 0.3, 0.05)
    half = track.width_m / 2
    for side in (1.0, -1.0):
        assert (look(ground, beside(track, s_m, side * (half - 0.03))) < ASPHALT).mean() > 0.99
        paint = look(ground, beside(track, s_m, side * (half + BORDER_LINE_M / 2)))
        assert (paint > WHITE).mean() > 0.95
        grass = look(ground, beside(track, s_m, side * (half + 0.4)))
        assert ((grass > ASPHALT) & (grass < WHITE)).mean() > 0.9


def test_the_centre_line_is_dashed(oval: tuple[Track, Ground]) -> None:
    track, ground = oval
    middle = look(ground, track.point(np.arange(0.3, track.length_m - 0.3, 0.01)))
    assert 0.35 < (middle > 150).mean() < 0.6
    assert np.count_nonzero(np.diff((middle > 150).astype(int)) == 1) > track.length_m / 0.5


def test_the_rim_is_flat_grass(oval: tuple[Track, Ground]) -> None:
    colour = oval[1].colour
    rim = np.concatenate([colour[0], colour[-1], colour[:, 0], colour[:, -1]])
    assert (rim == rim[0]).all()


def test_no_paint_crosses_the_other_branch() -> None:
    track = Track.load("crossover")
    ground = Ground.bake(track)
    s_m = np.arange(0.4, track.length_m - 0.4, 0.01)
    for share in (0.5, -0.5):
        # Half way between the middle and a border there is asphalt all round, crossing or not.
        lane = look(ground, beside(track, s_m, share * track.width_m / 2))
        assert (lane < ASPHALT).mean() > 0.985


def test_a_reversed_track_has_its_borders_in_the_same_places(oval: tuple[Track, Ground]) -> None:
    ground = oval[1]
    reversed_ground = Ground.bake(Track.load("oval", reverse=True))
    different = np.abs(ground.gray.astype(int) - reversed_ground.gray) > 60
    assert different.mean() < 0.002  # dashes and kerb blocks may shift, borders may not


def test_large_tracks_stay_within_memory() -> None:
    bend = np.linspace(0.0, 2 * np.pi, 400)
    circle = np.stack([np.cos(bend), np.sin(bend)], axis=1)
    circle[-1] = circle[0]
    track = Track("vast", np.concatenate([16 * circle, 15.5 * circle, 16.5 * circle], axis=1))
    ground = Ground.bake(track)
    assert ground.pixels_per_m < PIXELS_PER_M
    assert ground.gray.size <= MAX_PIXELS * 1.01
    assert ground.gray.nbytes + ground.gray_pyramid.texels.nbytes <= 64e6


def test_mip_levels_keep_the_mean_and_hold_neighbours() -> None:
    image = np.arange(32 * 48, dtype=np.int64).reshape(32, 48).astype(np.uint8)
    pyramid = mipmap.build(image, 100.0)
    assert pyramid.size[0].tolist() == [48, 32]
    first = pyramid.texels[0, : image.size].view(np.uint8).reshape(32, 48, 4)
    np.testing.assert_array_equal(first[..., 0], image)
    np.testing.assert_array_equal(first[:, :-1, 1], image[:, 1:])
    np.testing.assert_array_equal(first[:-1, :, 2], image[1:])
    np.testing.assert_array_equal(first[:-1, :-1, 3], image[1:, 1:])
    second = pyramid.texels[0, pyramid.offset[1] :][: 24 * 16] & 0xFF
    assert second.mean() == pytest.approx(image.mean(), abs=0.6)
