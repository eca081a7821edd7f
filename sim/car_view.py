"""Draws the car into a picture: shaded polygons by painter's algorithm, and its soft shadow."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sim.car_model import CarModel
from sim.moment import Moment

Array = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]

SUN = np.array([-0.45, 0.40, 0.80]) / math.sqrt(0.45**2 + 0.40**2 + 0.80**2)  # towards the sun
_AMBIENT, _DIFFUSE, _SKYLIGHT, _GLOSS = 0.40, 0.62, 0.16, 0.45
_SHADOW, _CONTACT = 0.52, 0.40  # how much light the shadow and the car's underside take away
_OVERSAMPLE = 3  # the car is drawn so many times finer, then averaged
_SHIFT = 4


@dataclass(frozen=True)
class Pinhole:
    """A level camera that looks a little down.

    Attributes:
        eye: (3,) m, world frame.
        yaw_rad, pitch_rad: Direction of its axis; pitch is positive downwards.
        focal_px, width, height: Its image.
    """

    eye: Array
    yaw_rad: float
    pitch_rad: float
    focal_px: float
    width: int
    height: int

    @property
    def axes(self) -> Array:
        """(3, 3): rows are the image's right, its down, and the optical axis, world frame."""
        cy, sy = math.cos(self.yaw_rad), math.sin(self.yaw_rad)
        cp, sp = math.cos(self.pitch_rad), math.sin(self.pitch_rad)
        return np.array([[sy, -cy, 0.0], [-sp * cy, -sp * sy, -cp], [cp * cy, cp * sy, -sp]])

    def project(self, points: Array) -> Array:
        """World points (..., 3) to image coordinates (..., 2); pixel centres lie at k + 0.5."""
        seen = (points - self.eye) @ self.axes.T
        depth = np.maximum(seen[..., 2:], 1e-3)
        return seen[..., :2] / depth * self.focal_px + (self.width / 2, self.height / 2)


class CarView:
    """Draws one car; keeps how far its wheels have turned."""

    def __init__(self) -> None:
        self._model = CarModel()

    def draw(self, frame: Image, camera: Pinhole, moment: Moment, roll_rad: float) -> None:
        """Draws shadow and car into an RGB picture (h, w, 3), in place.

        Args:
            frame: The picture, with the ground already in it.
            camera: Whose picture it is.
            moment: The car.
            roll_rad: How far its wheels have turned.
        """
        rotation = _rotation(moment.quaternion)
        rate = moment.measured_speed_mps / 0.035
        wheels = self._model.wheels(math.radians(moment.steering_deg), roll_rad, rate)
        parts = [*self._model.parts, *wheels]
        count = [len(part.corners) for part in parts]
        corners = np.concatenate([part.corners for part in parts]) @ rotation.T + moment.origin
        rgb = np.concatenate([part.rgb for part in parts])
        lift_m = np.repeat([part.lift_m for part in parts], count)
        pieces = np.split(corners.reshape(-1, 3), 4 * np.cumsum(count)[:-1])
        _draw_shadow(frame, camera, pieces, np.concatenate(pieces[-len(wheels) :]))
        _draw_faces(frame, camera, corners, rgb, lift_m)


def _rotation(q: Array) -> Array:
    x, y, z, w = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def _window(points: Array, frame: Image, margin: int) -> tuple[int, int, int, int] | None:
    """The part of the picture that holds the points: left, top, right, bottom."""
    height, width = frame.shape[:2]
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    left, top = (int(max(value, 0)) for value in np.floor(low))
    right, bottom = int(min(math.ceil(high[0]), width)), int(min(math.ceil(high[1]), height))
    return (left, top, right, bottom) if right > left and bottom > top else None


def _draw_faces(frame: Image, camera: Pinhole, corners: Array, rgb: Array, lift_m: Array) -> None:
    normal = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    normal /= np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-12)
    centre = corners.mean(axis=1)
    view = centre - camera.eye
    distance = np.linalg.norm(view, axis=1)
    facing = np.flatnonzero(np.einsum("ij,ij->i", normal, view) < 0.0)
    order = facing[np.argsort((lift_m - distance)[facing])]
    window = _window(camera.project(corners[order].reshape(-1, 3)), frame, 2)
    if window is None:
        return
    left, top, right, bottom = window
    colour = _lit(normal[order], view[order] / distance[order, None], rgb[order])
    at = (camera.project(corners[order]) - (left, top)) * _OVERSAMPLE - 0.5
    fixed = np.round(at * (1 << _SHIFT)).astype(np.int32)
    patch = frame[top:bottom, left:right]
    size = ((right - left) * _OVERSAMPLE, (bottom - top) * _OVERSAMPLE)
    fine = cv2.resize(patch, size, interpolation=cv2.INTER_NEAREST)
    for quad, shade in zip(fixed, colour.tolist(), strict=True):
        cv2.fillConvexPoly(fine, quad, shade, cv2.LINE_8, _SHIFT)
    patch[:] = cv2.resize(fine, (right - left, bottom - top), interpolation=cv2.INTER_AREA)


def _lit(normal: Array, view: Array, rgb: Array) -> Array:
    """Colours in sunlight and skylight, with a little gloss (B.-T. Phong, 1975)."""
    sun = np.maximum(normal @ SUN, 0.0)
    sky = 0.5 + 0.5 * normal[:, 2]
    mirrored = view - 2.0 * np.einsum("ij,ij->i", view, normal)[:, None] * normal
    gloss = np.maximum(mirrored @ SUN, 0.0) ** 24 * (sun > 0.0)
    light = _AMBIENT + _DIFFUSE * sun + _SKYLIGHT * sky
    lit: Array = np.clip(rgb * light[:, None] + 255.0 * _GLOSS * gloss[:, None], 0.0, 255.0)
    return lit


def _draw_shadow(frame: Image, camera: Pinhole, pieces: list[Array], wheels: Array) -> None:
    """Darkens the ground where convex pieces (k, 3) take the sun, and between the wheels."""
    corners = np.concatenate([*pieces, wheels])
    sunward = np.maximum(corners[:, 2:], 0.0) / SUN[2] * SUN
    sunward[-len(wheels) :] = 0.0  # the last piece is the car's underside, seen from above
    at = camera.project((corners - sunward) * (1.0, 1.0, 0.0))
    window = _window(at, frame, 12)
    if window is None:
        return
    # The edges are soft, so half the resolution is enough.
    left, top, right, bottom = window
    outlines = np.split((at - (left, top)) / 2.0 - 0.5, np.cumsum([len(p) for p in pieces]))
    size = ((right - left + 1) // 2, (bottom - top + 1) // 2)
    sun, under = (np.full(size[::-1], 255, dtype=np.uint8) for _ in range(2))
    for outline in outlines[:-1]:
        _fill_hull(sun, outline, 1.0 - _SHADOW)
    _fill_hull(under, outlines[-1], 1.0 - _CONTACT)
    sun, under = cv2.GaussianBlur(sun, (0, 0), 1.1), cv2.GaussianBlur(under, (0, 0), 2.0)
    shade = cv2.multiply(sun, under, scale=1 / 255)
    shade = cv2.resize(shade, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
    patch = frame[top:bottom, left:right]
    patch[:] = cv2.multiply(patch, cv2.merge([shade] * 3), scale=1 / 255)


def _fill_hull(light: Image, outline: Array, value: float) -> None:
    hull = cv2.convexHull(outline.astype(np.float32))
    fixed = np.round(hull * (1 << _SHIFT)).astype(np.int32)
    cv2.fillConvexPoly(light, fixed, round(255 * value), cv2.LINE_8, _SHIFT)
