"""The car against closed formulas: the bicycle model, the friction circle, braking distance."""

from __future__ import annotations

import hashlib
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from sim.car import CAR, GRAVITY_MPS2
from sim.physics import Physics

MU = 0.5
HZ = 15


@pytest.fixture
def car() -> Iterator[Physics]:
    physics = Physics(1, friction=MU)
    physics.place(0, 0.0, 0.0, 0.0)
    yield physics
    physics.close()


def drive(physics: Physics, steering_deg: float, speed_mps: float, seconds: float) -> None:
    steering = np.full(physics.num_cars, math.radians(steering_deg))
    speed = np.full(physics.num_cars, float(speed_mps))
    for _ in range(round(seconds * HZ)):
        physics.step(steering, speed)


@pytest.mark.parametrize("speed", [0.5, 1.0])
@pytest.mark.parametrize("steering", [5, 10, 15, 20, 25, 30, -5, -15, -30])
def test_low_speed_turning_radius_is_the_bicycle_models(
    car: Physics, steering: float, speed: float
) -> None:
    drive(car, steering, speed, 4.0)
    velocity, spin = car.velocity[0], car.spin[0, 2]
    x, y, z, w = car.quaternion[0]
    forward = np.array([1 - 2 * (y * y + z * z), 2 * (x * y + w * z)])
    # The rear axle moves along the body's x axis; its speed over the yaw rate is its radius.
    radius = float(velocity[:2] @ forward) / spin
    wanted = CAR.wheelbase_m / math.tan(math.radians(steering))
    assert radius == pytest.approx(wanted, rel=0.05)
    at_origin = math.copysign(float(np.hypot(*velocity[:2])) / abs(spin), spin)
    assert at_origin == pytest.approx(wanted, rel=0.05)


@pytest.mark.parametrize("speed", [0.1, 0.5, 1.0, 2.0, 4.0])
def test_straight_speed_is_the_command(car: Physics, speed: float) -> None:
    drive(car, 0.0, speed, 3.0)
    assert np.hypot(*car.velocity[0, :2]) == pytest.approx(speed, rel=0.02)
    assert abs(car.origin[0, 1]) < 0.01


@pytest.mark.parametrize(("steering", "speed"), [(10, 3.0), (15, 2.5), (20, 2.0), (-10, 4.0)])
def test_cornering_saturates_at_the_friction_limit(
    car: Physics, steering: float, speed: float
) -> None:
    bicycle = speed**2 * math.tan(math.radians(abs(steering))) / CAR.wheelbase_m
    assert bicycle > 1.3 * MU * GRAVITY_MPS2, "the case asks for more than the tyres have"
    drive(car, 0.0, speed, 2.0)
    lateral = []
    for _ in range(3 * HZ):
        before = car.velocity[0, :2].copy()
        drive(car, steering, speed, 1 / HZ)
        change = (car.velocity[0, :2] - before) * HZ
        ahead = before / np.hypot(*before)
        lateral.append(abs(ahead[0] * change[1] - ahead[1] * change[0]))
    assert np.mean(lateral[HZ:]) == pytest.approx(MU * GRAVITY_MPS2, rel=0.10)
    assert max(lateral) < 1.1 * MU * GRAVITY_MPS2


def test_braking_distance_is_that_of_full_friction(car: Physics) -> None:
    drive(car, 0.0, 4.0, 3.0)
    speed, at = float(car.velocity[0, 0]), float(car.origin[0, 0])
    drive(car, 0.0, 0.0, 3.0)
    assert np.abs(car.velocity[0]).max() < 1e-6
    wanted = speed**2 / (2 * MU * GRAVITY_MPS2)
    assert float(car.origin[0, 0]) - at == pytest.approx(wanted, rel=0.10)


@pytest.mark.parametrize("physics_hz", [60, 120, 240])
def test_rests_still_on_its_wheels(physics_hz: int) -> None:
    physics = Physics(1, physics_hz=physics_hz)
    physics.place(0, 1.0, 2.0, 0.7)
    drive(physics, 0.0, 0.0, 10.0)
    assert physics.origin[0] == pytest.approx([1.0, 2.0, 0.0], abs=1e-6)
    assert np.abs(physics.velocity[0]).max() < 1e-9
    assert np.abs(physics.spin[0]).max() < 1e-9
    physics.close()


def test_rates_must_divide() -> None:
    with pytest.raises(ValueError, match="divide"):
        Physics(1, physics_hz=100, control_hz=15)


def test_a_million_random_actions_stay_on_the_ground() -> None:
    cars, steps = 64, 15_625
    physics = Physics(cars)
    for k in range(cars):
        physics.place(k, 0.0, float(k), 0.0)
    rng = np.random.default_rng(0)
    lowest, highest, fastest = 1.0, -1.0, 0.0
    for _ in range(steps):
        steering = np.radians(rng.uniform(-30.0, 30.0, cars))
        physics.step(steering, rng.uniform(0.1, 4.0, cars))
        height = physics.origin[:, 2]
        lowest, highest = min(lowest, height.min()), max(highest, height.max())
        fastest = max(fastest, float(np.linalg.norm(physics.velocity, axis=1).max()))
        assert np.isfinite(physics.origin).all()
    assert lowest > -0.01, "a car sank"
    assert highest < 0.02, "a car took off"
    assert fastest < 4.2
    assert (physics.quaternion[:, :2] ** 2).sum(axis=1).max() < 0.01, "a car fell over"
    physics.close()


def trajectory(cars: int, watched: int, others_seed: int) -> str:
    """A hash of 200 steps of one car among `cars`, the others driven at random."""
    physics = Physics(cars)
    for k in range(cars):
        physics.place(k, 0.3 * k, 0.0, 0.1 * k)
    physics.place(watched, 0.5, -0.5, 1.0)
    mine, others = np.random.default_rng(7), np.random.default_rng(others_seed)
    digest = hashlib.sha256()
    for _ in range(200):
        steering, speed = others.uniform(-0.5, 0.5, cars), others.uniform(0.1, 4.0, cars)
        steering[watched], speed[watched] = mine.uniform(-0.5, 0.5), mine.uniform(0.1, 4.0)
        physics.step(steering, speed)
        digest.update(physics.origin[watched].tobytes())
        digest.update(physics.quaternion[watched].tobytes())
        digest.update(physics.velocity[watched].tobytes())
    physics.close()
    return digest.hexdigest()


def test_one_seed_is_one_trajectory_whatever_the_others_do() -> None:
    alone = trajectory(1, 0, 0)
    assert trajectory(1, 0, 1) == alone
    assert trajectory(5, 3, 1) == alone
    assert trajectory(9, 8, 2) == alone


def test_one_seed_is_one_trajectory_in_another_process() -> None:
    code = "from tests.sim.test_physics import trajectory; print(trajectory(4, 2, 5))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
        cwd=Path(__file__).parents[2],
    )
    assert done.stdout.strip() == trajectory(4, 2, 5)
