"""Heat maps of rewards: the numbers are those of the function, and the picture shows them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sim.errors import UserError
from sim.reward_map import HEADINGS_DEG, SPEEDS_MPS, STEERING_DEG, RewardMap, reward_map
from sim.reward_picture import draw_reward
from sim.reward_states import StateMaker
from sim.track import Track


@pytest.fixture(scope="module")
def maker() -> StateMaker:
    return StateMaker(Track.load("hairpin"))


def of(body: str, maker: StateMaker, folder: Path, **options: object) -> RewardMap:
    path = folder / "reward.py"
    path.write_text(f"import math\ndef reward_function(params):\n    return {body}\n")
    return reward_map(str(path), maker, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("reverse", [False, True])
def test_cells_hold_the_reward_of_their_place(
    maker: StateMaker, tmp_path: Path, reverse: bool
) -> None:
    for key, axis in (("x", 0), ("y", 1)):
        found = of(f"params['{key}']", maker, tmp_path, reverse=reverse)
        assert (found.failures, found.errors) == (0, [])
        for road in (found.ahead, *found.turned):
            corners = road.corners[..., axis]
            middle = (corners[1:, 1:] + corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:]) / 4
            assert np.abs(road.rewards - middle).max() < 0.12  # cells of bends are skewed a little


def test_headings_speeds_and_steering_are_where_the_axes_say(
    maker: StateMaker, tmp_path: Path
) -> None:
    road = "math.atan2({1}[1] - {0}[1], {1}[0] - {0}[0])".format(
        *(f"params['waypoints'][params['closest_waypoints'][{k}]]" for k in (0, 1))
    )
    turned = f"(params['heading'] - math.degrees({road}) + 180) % 360 - 180"
    found = of(turned, maker, tmp_path)
    for heading, row in zip(HEADINGS_DEG[2:-2], found.by_heading[2:-2], strict=True):
        assert np.abs(row - heading).max() < 6.0
    assert [np.sign(np.median(road.rewards)) for road in found.turned] == [-1, -1, 1, 1]
    found = of("100 * params['speed'] + params['steering_angle']", maker, tmp_path)
    assert found.by_command == pytest.approx(100 * SPEEDS_MPS[:, None] + STEERING_DEG)
    assert found.ahead.rewards == pytest.approx(200.0)
    other = of(
        "params['speed'] + params['steering_angle']",
        maker,
        tmp_path,
        speed_mps=3.0,
        steering_deg=-20.0,
    )
    assert other.ahead.rewards == pytest.approx(-17.0)


def test_left_of_the_centre_is_the_left_side_of_the_map(maker: StateMaker, tmp_path: Path) -> None:
    found = of("1.0 if params['is_left_of_center'] else 0.0", maker, tmp_path)
    assert np.all(found.by_heading[:, found.across > 0.05] == 1.0)
    assert np.all(found.by_heading[:, found.across < -0.05] == 0.0)


def test_calls_that_fail_are_gaps(maker: StateMaker, tmp_path: Path) -> None:
    found = of("1 / 0 if params['is_left_of_center'] else 1.0", maker, tmp_path)
    assert 0.4 < found.failures / found.calls < 0.6
    assert [error.kind for error in found.errors] == ["ZeroDivisionError"]
    assert 0.4 < np.isnan(found.ahead.rewards).mean() < 0.6
    draw_reward(found, maker.track, tmp_path / "gaps.png", title="t", note="n")


def test_an_endless_loop_does_not_hang(maker: StateMaker, tmp_path: Path) -> None:
    path = tmp_path / "loop.py"
    path.write_text("def reward_function(params):\n    while True:\n        pass\n")
    found = reward_map(str(path), maker, timeout_s=0.1)
    assert found.failures == found.calls
    assert [error.kind for error in found.errors] == ["too slow"]


@pytest.mark.parametrize(
    ("spec", "name"),
    [("hairpin", "centre_line"), ("crossover", "stay_inside"), ("dash", "no_zig_zag")],
)
def test_a_picture_shows_low_and_high_rewards(spec: str, name: str, tmp_path: Path) -> None:
    maker = StateMaker(Track.load(spec))
    path = tmp_path / "reward.png"
    draw_reward(reward_map(name, maker), maker.track, path, title="A title", note="A note.")
    image = cv2.imread(str(path)).astype(int)
    assert image.shape[1] == 1430
    for red, green, blue in ((253, 231, 37), (68, 1, 84)):  # both ends of the colours
        assert (np.abs(image - (blue, green, red)).max(axis=2) < 14).mean() > 0.01


def test_a_constant_reward_can_be_drawn(maker: StateMaker, tmp_path: Path) -> None:
    found = of("2.0", maker, tmp_path)
    draw_reward(found, maker.track, tmp_path / "flat.png", title="t", note="n")
    assert (tmp_path / "flat.png").stat().st_size > 10_000


def test_what_cannot_be_read_or_written_is_named(maker: StateMaker, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot read"):
        reward_map(str(tmp_path / "none.py"), maker)
    found = of("1.0", maker, tmp_path)
    with pytest.raises(UserError, match=r"no/such\.png: cannot write the picture"):
        draw_reward(found, maker.track, tmp_path / "no" / "such.png", title="t", note="n")
