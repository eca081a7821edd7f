"""The picture for people: car, shadow, sky, display and steadiness."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from sim.camera import CAMERAS
from sim.car import CAR
from sim.car_model import BLUE, CarModel
from sim.car_view import Pinhole
from sim.chase import Chase
from sim.ground import Ground
from sim.gym_env import TimeTrialEnv
from sim.moment import Moment, slerp
from sim.track import Track
from sim.typeface import Typeface

Image = npt.NDArray[np.uint8]


def moment_on(track: Track, s_m: float, **changes: object) -> Moment:
    yaw = float(track.heading(s_m))
    there = Moment(
        origin=np.array([*track.point(s_m), 0.0]),
        quaternion=np.array([0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2)]),
        steering_deg=0.0,
        speed_mps=1.0,
        measured_speed_mps=1.0,
        progress=100.0 * s_m / track.length_m,
        reward=1.0,
        time_s=s_m,
    )
    return replace(there, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def track() -> Track:
    return Track.load("oval")


@pytest.fixture(scope="module")
def ground(track: Track) -> Ground:
    return Ground.bake(track)


@pytest.fixture
def plain(track: Track, ground: Ground) -> Chase:
    return Chase(track, 320, 240, hud=False, ground=ground)


def test_the_car_stands_in_the_middle_of_the_lower_half(track: Track, plain: Chase) -> None:
    frame = plain.frame(moment_on(track, 1.0))
    assert frame.shape == (240, 320, 3) and frame.dtype == np.uint8
    red, green, blue = (frame[..., k].astype(int) for k in range(3))
    body = (blue > 120) & (blue > 2 * red) & (blue > 1.4 * green)
    rows, columns = np.nonzero(body)
    assert len(rows) > 500
    assert 120 < rows.mean() < 220
    assert columns.mean() == pytest.approx(160, abs=12)


def test_it_casts_a_shadow(track: Track, ground: Ground, plain: Chase) -> None:
    there = moment_on(track, 1.0)
    with_car = plain.frame(there).astype(int)
    away = moment_on(track, 1.0, origin=np.array([*track.point(1.0), 0.0]))
    camera_only = Chase(track, 320, 240, hud=False, ground=ground)
    camera_only._car.draw = lambda *_: None  # type: ignore[method-assign]
    empty = camera_only.frame(away).astype(int)
    darker = (empty - with_car).min(axis=2) > 8
    same_hue = np.abs(np.ptp(with_car, axis=2) - np.ptp(empty, axis=2)) < 8
    assert np.count_nonzero(darker & same_hue) > 200


def test_sky_is_above_and_ground_below(track: Track, plain: Chase) -> None:
    frame = plain.frame(moment_on(track, 1.0)).astype(int)
    assert (frame[:25, :, 2] >= frame[:25, :, 0]).mean() > 0.95
    assert frame[:25].mean() > 150
    assert frame[180:].mean() < 140


def test_frames_are_deterministic(track: Track, ground: Ground) -> None:
    films = []
    for _ in range(2):
        chase = Chase(track, 160, 120, ground=ground)
        films.append([chase.frame(moment_on(track, 0.05 * k)) for k in range(4)])
    np.testing.assert_array_equal(films[0], films[1])


def test_the_camera_swings_after_the_car_smoothly(track: Track, ground: Ground) -> None:
    chase = Chase(track, 160, 120, hud=False, ground=ground)
    chase.frame(moment_on(track, 1.0))
    straight = chase._yaw_rad
    turned = np.array([0.0, 0.0, math.sin((straight + 1.0) / 2), math.cos((straight + 1.0) / 2)])
    swings = []
    for k in range(1, 60):
        chase.frame(moment_on(track, 1.0, quaternion=turned, time_s=1.0 + k / 30))
        swings.append(chase._yaw_rad - straight)
    assert swings[0] < 0.2
    assert np.all(np.diff(swings) > 0.0)
    assert swings[-1] == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("size", [(640, 480), (320, 240), (960, 540)])
@pytest.mark.parametrize("name", sorted(CAMERAS))
def test_the_display_fits_any_size(
    track: Track, ground: Ground, size: tuple[int, int], name: str
) -> None:
    chase = Chase(track, *size, eye=CAMERAS[name], ground=ground)
    seen = np.zeros((CAMERAS[name].height, CAMERAS[name].width), dtype=np.uint8)
    with_display = chase.frame(moment_on(track, 2.0), seen)
    chase.banner(with_display, "Lap 9.87 s", "oval")
    without = Chase(track, *size, hud=False, ground=ground).frame(moment_on(track, 2.0))
    changed = (with_display != without).any(axis=2)
    assert 0.1 < changed.mean() < 0.65
    for corner in (changed[:40, :40], changed[-40:, :40], changed[:40, -40:], changed[-40:, -40:]):
        assert corner.any()


def test_the_model_has_the_size_of_the_car_and_faces_outwards() -> None:
    model = CarModel()
    wheels = model.wheels(0.0, 0.3, 0.0)
    parts = [*model.parts, *wheels]
    points = np.concatenate([part.corners.reshape(-1, 3) for part in parts])
    assert np.ptp(points[:, 0]) == pytest.approx(CAR.length_m, abs=0.02)
    assert np.ptp(points[:, 1]) == pytest.approx(CAR.width_m, abs=0.01)
    assert points[:, 2].min() == pytest.approx(0.0, abs=1e-3)
    for part in wheels:
        middle = part.corners.reshape(-1, 3).mean(axis=0)
        normal = np.cross(
            part.corners[:, 2] - part.corners[:, 0], part.corners[:, 3] - part.corners[:, 1]
        )
        outward = np.einsum("ij,ij->i", normal, part.corners.mean(axis=1) - middle)
        assert (outward > 0.0).all()
    assert any((part.rgb == BLUE).all(axis=1).any() for part in model.parts)


def test_front_wheels_steer_to_the_left() -> None:
    straight, turned = (CarModel().wheels(math.radians(angle), 0.0, 0.0) for angle in (0.0, 20.0))
    for k, angle in enumerate((20.0, 20.0, 0.0, 0.0)):
        axle, axle_turned = (
            (wheels[k].corners[:20, :2].mean(axis=1) - wheels[k].corners[:20, 2:].mean(axis=1))[0]
            for wheels in (straight, turned)
        )
        left = math.atan2(axle_turned[1], axle_turned[0]) - math.atan2(axle[1], axle[0])
        assert math.degrees(left) == pytest.approx(angle, abs=0.01)


def test_pinhole_puts_the_axis_in_the_middle() -> None:
    camera = Pinhole(np.array([1.0, 2.0, 0.5]), 0.7, 0.3, 200.0, 320, 240)
    point = camera.eye + 3.0 * camera.axes[2]
    np.testing.assert_allclose(camera.project(point), [160.0, 120.0], atol=1e-9)
    left = point - 0.3 * camera.axes[0]
    np.testing.assert_allclose(camera.project(left), [140.0, 120.0], atol=1e-9)


def test_slerp_turns_evenly_and_the_short_way() -> None:
    a, b = (np.array([0.0, 0.0, math.sin(t / 2), math.cos(t / 2)]) for t in (0.2, 1.4))
    for end in (b, -b):
        middle = slerp(a, end, 0.25)
        assert 2 * math.atan2(abs(middle[2]), abs(middle[3])) == pytest.approx(0.5)
    np.testing.assert_allclose(slerp(a, a, 0.5), a)


def test_text_stays_inside_the_picture() -> None:
    face, image = Typeface(14), np.zeros((20, 40, 3), dtype=np.uint8)
    for x, anchor in ((-5, "left"), (38, "left"), (2, "right"), (20, "middle")):
        face.draw(image, "12.5 m/s", x, 15, anchor=anchor)  # type: ignore[arg-type]
    assert image.max() > 200
    face.draw(image, "far away", 500, 500)


def test_the_environment_renders_the_chase_picture() -> None:
    env = TimeTrialEnv(render_mode="rgb_array", track="oval")
    env.reset(seed=1)
    env.step(env.action_space.sample())
    frame = np.asarray(env.render())
    assert frame.shape == (480, 640, 3) and frame.dtype == np.uint8 and frame.std() > 20
    env.close()
