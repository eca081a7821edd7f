"""What a stream shows, looked at as pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from hairpin.streaming.messages import Reached, Shown
from hairpin.streaming.player import HOLD_S, Player, Stage, steps_text
from sim.recording import Recording
from sim.track import Track

Image = npt.NDArray[np.uint8]
FPS = 15
HIGH = 240
STATUS, TIME = (slice(5, 32), slice(100, 220)), (slice(6, 34), slice(6, 90))
MIDDLE = (slice(120, 200), slice(80, 240))


@pytest.fixture(scope="module")
def stage(oval: Track) -> Stage:
    return Stage.build(oval, "fast", 320, HIGH)


@pytest.fixture
def player(stage: Stage) -> Player:
    return Player(stage, "worker-0", "monday")


def training(recording: Recording, iteration: int = 12) -> Shown:
    return Shown("worker-0", "training", iteration, 345_678, recording)


def rgb(planes: Image) -> Image:
    shown: Image = cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420)
    return shown


def differ(one: Image, other: Image, part: tuple[slice, slice]) -> bool:
    return float(np.abs(rgb(one)[part].astype(int) - rgb(other)[part]).max()) > 60.0


def car_pixels(planes: Image) -> int:
    red, green, blue = (rgb(planes)[..., k].astype(int) for k in range(3))
    return np.count_nonzero((blue > 110) & (blue > 1.8 * red) & (blue > 1.3 * green))


def test_a_drive_is_shown_with_its_car_and_display(
    player: Player, make_drive: Callable[..., Recording], tmp_path: Path
) -> None:
    player.show(training(make_drive(seconds=2.0)))
    seen = [player.picture_at(5.0 + k / FPS) for k in range(24)]
    for index, planes in enumerate(seen):
        path = tmp_path / f"frame-{index:02}.png"
        assert cv2.imwrite(str(path), rgb(planes)[..., ::-1])
        picture = cv2.imread(str(path))
        assert picture.shape == (HIGH, 320, 3) and picture.std() > 30
    assert all(car_pixels(planes) > 400 for planes in seen), "the car is blue"
    assert rgb(seen[0])[:8].mean() > rgb(seen[0])[150:].mean() + 20, "the sky is above"
    red, green, blue = rgb(seen[0])[90:140, :60].reshape(-1, 3).mean(axis=0)
    assert green > red and green > 1.2 * blue, "grass is beside the road"
    assert differ(seen[0], seen[12], TIME), "the time goes on"
    assert differ(seen[0], seen[12], MIDDLE), "and so does the car"
    assert not differ(seen[1], seen[2], STATUS)


def test_a_second_of_a_drive_takes_a_second_and_its_end_is_held(
    player: Player, make_drive: Callable[..., Recording]
) -> None:
    length_s = 2.0 - 1 / 15  # from the first step to the last
    player.show(training(make_drive(seconds=2.0)))
    first = player.picture_at(100.0)
    assert (player.picture_at(100.0 + 0.95 * length_s) != first).any()
    end = player.picture_at(100.0 + length_s + 0.01)
    assert player.picture_at(100.0 + length_s + 0.9 * HOLD_S) is end, "it is not drawn again"
    assert differ(end, player.picture_at(100.0 + length_s + HOLD_S + 0.1), MIDDLE)


def test_the_newest_drive_comes_next_and_the_last_one_is_repeated(
    player: Player, make_drive: Callable[..., Recording]
) -> None:
    player.show(training(make_drive(seconds=1.0), iteration=1))
    first = player.picture_at(0.0)
    player.show(training(make_drive(seconds=1.0), iteration=22))
    player.show(training(make_drive(seconds=1.0), iteration=333))
    assert not differ(first, player.picture_at(0.5), STATUS), "it is shown to its end"
    after_s = 1.0 + HOLD_S
    newest = player.picture_at(after_s)
    assert differ(first, newest, STATUS)
    assert not differ(newest, player.picture_at(2 * after_s), STATUS)
    assert differ(newest, player.picture_at(2 * after_s + 0.8), MIDDLE)


def test_lap_times_stay_in_the_display(
    player: Player, make_drive: Callable[..., Recording]
) -> None:
    def best_lap(planes: Image) -> int:
        """Pixels of the green that only the best lap has, where it stands."""
        red, green, _ = (rgb(planes)[52:66, 44:88, k].astype(int) for k in range(3))
        return np.count_nonzero((green > 150) & (green > 1.3 * red))

    player.show(training(make_drive(seconds=1.0, lap_time_s=8.25)))
    before = player.picture_at(0.0)
    end = player.picture_at(1.0)
    assert best_lap(before) == 0 < best_lap(end)
    player.show(training(make_drive(seconds=1.0)))
    assert best_lap(player.picture_at(1.1 + HOLD_S)) > 10


def test_a_card_is_shown_before_the_first_drive(stage: Stage, tmp_path: Path) -> None:
    player = Player(stage, "eval", "monday")
    assert player.waiting
    card = player.picture_at(0.0)
    assert player.picture_at(1.0) is card
    assert rgb(card).std() > 30 and car_pixels(card) > 400
    player.reached(Reached(7, 29_000))
    assert differ(card, player.picture_at(2.0), STATUS)


def test_steps_are_written_short() -> None:
    assert [steps_text(n) for n in (940, 345_678, 2_714_000)] == ["940", "345k", "2.71M"]
