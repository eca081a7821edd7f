"""The car's shape: a low-poly racer of our own, as coloured quadrilaterals in the body frame."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sim.car import CAR, Car

Array = npt.NDArray[np.float64]

BLUE, STRIPE, CARBON, GLASS = (26, 104, 214), (240, 242, 245), (38, 40, 46), (30, 38, 50)
SKIRT, ACCENT, TYRE, WALL = (18, 72, 156), (250, 186, 40), (34, 34, 36), (44, 44, 47)
RIM_LIGHT, RIM_DARK, LAMP, TAIL = (196, 200, 206), (70, 73, 80), (250, 248, 230), (226, 36, 40)

# Cross-sections of the shell from nose to tail, metres: x, then half widths at the sill, the
# shoulder and the deck, then their heights. Narrow where the front wheels turn.
_SHELL = (
    (0.162, 0.026, 0.030, 0.020, 0.024, 0.034, 0.040),
    (0.140, 0.038, 0.042, 0.031, 0.019, 0.038, 0.050),
    (0.085, 0.041, 0.045, 0.036, 0.016, 0.046, 0.066),
    (0.044, 0.046, 0.050, 0.042, 0.015, 0.050, 0.078),
    (0.026, 0.074, 0.078, 0.046, 0.015, 0.047, 0.081),
    (-0.026, 0.078, 0.082, 0.046, 0.015, 0.047, 0.083),
    (-0.044, 0.056, 0.060, 0.045, 0.015, 0.050, 0.083),
    (-0.112, 0.050, 0.056, 0.040, 0.018, 0.052, 0.076),
    (-0.150, 0.044, 0.050, 0.034, 0.026, 0.052, 0.066),
)
# Sections of the cockpit: x, half width at its foot and its roof, heights of foot and roof.
_COCKPIT = (
    (0.066, 0.026, 0.022, 0.068, 0.073),
    (0.026, 0.040, 0.029, 0.078, 0.105),
    (-0.030, 0.041, 0.029, 0.080, 0.110),
    (-0.092, 0.030, 0.017, 0.076, 0.082),
)
_STRIPE_M = 0.009
_TYRE_WIDTH_M = 0.036
_RIM = 0.66  # radius of the rim, of the wheel's
_SIDES = 20  # of a wheel
_RIM_MEAN = 0.5 * (np.array(RIM_LIGHT) + RIM_DARK)


_FLAT_OUT_RADPS = 60.0  # spokes are a blur from this rate on


class Mesh(NamedTuple):
    """Quadrilaterals: corners (k, 4, 3) in metres, counter-clockwise from outside; RGB (k, 3)."""

    corners: Array
    rgb: Array
    lift_m: float = 0.0  # how much nearer to the eye it counts when sorted, as things stuck on do


class CarModel:
    """The car's shape; front wheels steer and all wheels roll.

    Args:
        car: Gives the wheels' places and size.

    Attributes:
        parts: All that does not move; each part is roughly convex.
    """

    def __init__(self, car: Car = CAR) -> None:
        self.parts = [_shell(), _cockpit(), *_aero(), *_lamps()]
        self._car = car
        self._left, self._right = (_wheel(car.wheel_radius_m, side) for side in (1.0, -1.0))
        self._spokes = (self._left.rgb == RIM_LIGHT).all(axis=1) | (self._left.rgb == RIM_DARK).all(
            axis=1
        )

    def wheels(self, steering_rad: float, roll_rad: float, rate_radps: float) -> list[Mesh]:
        """The four wheels: front left, front right, rear left, rear right.

        Args:
            steering_rad: Angle of the front wheels, left positive.
            roll_rad: How far the wheels have turned about their axles.
            rate_radps: How fast they turn, which blurs their spokes.
        """
        blur = min(abs(rate_radps) / _FLAT_OUT_RADPS, 0.85)
        cos, sin = math.cos(roll_rad), math.sin(roll_rad)
        roll = np.array([[cos, 0.0, -sin], [0.0, 1.0, 0.0], [sin, 0.0, cos]])
        meshes = []
        for k, (x, y) in enumerate(self._car.wheels_m):
            wheel = self._left if y > 0.0 else self._right
            angle = steering_rad if k < 2 else 0.0
            cos, sin = math.cos(angle), math.sin(angle)
            turn = np.array([[cos, sin, 0.0], [-sin, cos, 0.0], [0.0, 0.0, 1.0]])
            centre = np.array([x, y, self._car.wheel_radius_m])
            rgb = wheel.rgb.copy()
            rgb[self._spokes] += blur * (_RIM_MEAN - rgb[self._spokes])
            meshes.append(Mesh(wheel.corners @ (roll @ turn) + centre, rgb))
        return meshes


def _facing_out(corners: Array, rgb: Array, inside: Array) -> Mesh:
    """Winds quadrilaterals so that they face away from points inside, (3,) or (k, 3)."""
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    inwards = np.einsum("ij,ij->i", normal, corners.mean(axis=1) - inside) < 0.0
    wound = np.where(inwards[:, None, None], corners[:, ::-1], corners)
    return Mesh(wound, np.broadcast_to(np.asarray(rgb, dtype=np.float64), (len(corners), 3)))


def _loft(rings: Array, colours: list[list[tuple[int, int, int]]]) -> Mesh:
    """Skins rings (sections, points, 3); colours by section and by strip along the ring."""
    front, back = rings[:-1], rings[1:]
    quads = np.stack([front[:, :-1], front[:, 1:], back[:, 1:], back[:, :-1]], axis=2)
    corners = quads.reshape(-1, 4, 3)
    axis = corners.mean(axis=1) * (1.0, 0.0, 0.0) + (0.0, 0.0, 0.05)
    return _facing_out(corners, np.array(colours).reshape(-1, 3), axis)


def _shell() -> Mesh:
    rings = np.array(
        [
            [
                (x, -sill, low), (x, -shoulder, mid), (x, -deck, top), (x, -_STRIPE_M, top),
                (x, _STRIPE_M, top), (x, deck, top), (x, shoulder, mid), (x, sill, low),
            ]
            for x, sill, shoulder, deck, low, mid, top in _SHELL
        ]
    )  # fmt: skip
    strips = [SKIRT, BLUE, BLUE, STRIPE, BLUE, BLUE, SKIRT]
    skin = _loft(rings, [strips] * (len(rings) - 1))
    caps = np.array(
        [
            [ring[k], ring[7 - k], ring[6 - k], ring[k + 1]]
            for ring in rings[[0, -1]]
            for k in range(3)
        ]
    )
    ends = _facing_out(caps, np.array([BLUE] * 3 + [CARBON] * 3), np.array([0.0, 0.0, 0.05]))
    return Mesh(np.concatenate([skin.corners, ends.corners]), np.concatenate([skin.rgb, ends.rgb]))


def _cockpit() -> Mesh:
    rings = np.array(
        [
            [
                (x, -foot, low), (x, -roof, top), (x, -_STRIPE_M, top),
                (x, _STRIPE_M, top), (x, roof, top), (x, foot, low),
            ]
            for x, foot, roof, low, top in _COCKPIT
        ]
    )  # fmt: skip
    cabin = [GLASS, BLUE, STRIPE, BLUE, GLASS]
    return _loft(rings, [[GLASS] * 5, cabin, cabin])


def _aero() -> list[Mesh]:
    """Splitter, diffuser, wing, and the mast that carries the camera."""
    return [
        _box((0.128, -0.088, 0.012), (0.168, 0.088, 0.018), CARBON),
        _box((-0.158, -0.060, 0.018), (-0.122, 0.060, 0.026), CARBON),
        _box((-0.150, -0.030, 0.064), (-0.138, -0.024, 0.108), CARBON),
        _box((-0.150, 0.024, 0.064), (-0.138, 0.030, 0.108), CARBON),
        _box((-0.162, -0.086, 0.108), (-0.122, 0.086, 0.114), BLUE),
        _box((-0.164, -0.090, 0.088), (-0.118, -0.086, 0.122), ACCENT),
        _box((-0.164, 0.086, 0.088), (-0.118, 0.090, 0.122), ACCENT),
        _box((0.128, -0.004, 0.050), (0.134, 0.004, 0.124), CARBON),
        _box((0.126, -0.016, 0.122), (0.145, 0.016, 0.140), CARBON),
    ]


def _lamps() -> list[Mesh]:
    """Two lamps on the nose and two on the tail, thin boxes."""
    lamps = []
    for side in (1.0, -1.0):
        inner, outer = sorted((0.016 * side, 0.040 * side))
        lamps.append(
            _box((-0.1515, inner, 0.048), (-0.149, outer, 0.057), TAIL)._replace(lift_m=0.04)
        )
        inner, outer = sorted((0.012 * side, 0.024 * side))
        lamps.append(
            _box((0.160, inner, 0.029), (0.1635, outer, 0.035), LAMP)._replace(lift_m=0.04)
        )
    return lamps


def _box(
    low: tuple[float, float, float], high: tuple[float, float, float], rgb: tuple[int, int, int]
) -> Mesh:
    bits = np.array([[k >> 2 & 1, k >> 1 & 1, k & 1] for k in range(8)])
    corner = np.where(bits, high, low)
    sides = [(0, 1, 3, 2), (4, 5, 7, 6), (0, 1, 5, 4), (2, 3, 7, 6), (0, 2, 6, 4), (1, 3, 7, 5)]
    return _facing_out(corner[np.array(sides)], np.array(rgb), corner.mean(axis=0))


def _wheel(radius_m: float, outward: float) -> Mesh:
    """A wheel about its centre, axle along y: tread, walls, and a rim of five spokes."""
    angle = np.linspace(0.0, 2 * math.pi, _SIDES + 1)
    circle = np.stack([np.sin(angle), np.zeros_like(angle), np.cos(angle)], axis=1) * radius_m
    face = np.array([0.0, _TYRE_WIDTH_M / 2 * outward, 0.0])
    tyre, back, rim = circle + face, circle - face, circle * _RIM + face
    hub = np.broadcast_to(face * 0.55, circle.shape)  # the rim's middle lies inside the tyre
    spoke = np.where(np.arange(_SIDES)[:, None] % (_SIDES // 5) < 2, RIM_LIGHT, RIM_DARK)
    parts = [
        (tyre, back, np.array(TYRE)),
        (tyre, rim, np.array(WALL)),
        (rim, hub, spoke),
        (back, np.broadcast_to(-face, circle.shape), np.array(TYRE)),
    ]
    meshes = [
        _facing_out(np.stack([a[:-1], a[1:], b[1:], b[:-1]], axis=1), rgb, np.zeros(3))
        for a, b, rgb in parts
    ]
    corners, rgb = (np.concatenate([mesh[k] for mesh in meshes]) for k in (0, 1))
    return Mesh(corners, rgb)
