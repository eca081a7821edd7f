"""The head-up display of the chase picture: time, speed, steering, map and the car's own view."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from sim.camera import CameraSpec
from sim.moment import Moment
from sim.settings import MAX_SPEED_MPS, MAX_STEERING_DEG
from sim.track import Track
from sim.typeface import typeface

Image = npt.NDArray[np.uint8]
Array = npt.NDArray[np.float64]

WHITE, DIM, FAINT = (246, 248, 250), (172, 180, 190), (88, 96, 106)
CYAN, AMBER, GREEN = (64, 196, 255), (255, 190, 60), (92, 220, 140)
_PANEL_RGB, _PANEL_SHARE = (14, 18, 24), 0.62
_REWARDS = 90  # frames in the reward's curve
_SHIFT = 4  # fractional bits of the coordinates given to the drawing functions
_FINE = 1 << _SHIFT


class Box(NamedTuple):
    """A place in the frame, pixels."""

    left: int
    top: int
    width: int
    height: int


class Hud:
    """Draws the display into frames of one size.

    Attributes:
        BANNER_AT: Where the banner's upper edge is, as a share of the frame's height.

    Args:
        track: For the map.
        width: Frame width, pixels.
        height: Frame height, pixels.
        eye: The car's camera, for the inset's shape; None for no inset.
    """

    BANNER_AT = 0.24

    def __init__(self, track: Track, width: int, height: int, eye: CameraSpec | None) -> None:
        self._unit = height / 480.0
        px = self._px
        gap = px(12)
        self._time = Box(gap, gap, px(164), px(78))
        self._speed = Box(gap, height - gap - px(96), px(164), px(96))
        self._reward = Box((width - px(176)) // 2, height - gap - px(52), px(176), px(52))
        side = px(132)
        self._map = Box(width - gap - side, height - gap - side, side, side)
        xmin, ymin, xmax, ymax = track.bounds
        self._map_middle_m = np.array([xmin + xmax, ymin + ymax]) / 2
        self._map_scale = (side - px(26)) / max(xmax - xmin, ymax - ymin)
        self._panels = [Panel(box, px(9)) for box in (self._time, self._speed, self._reward)]
        self._panels.append(self._map_panel(track))
        if eye is not None:
            scale = max(1, round(px(150) / eye.width))  # whole pixels of the observation
            wide = eye.width * scale + 2 * px(6)
            high = eye.height * scale + 2 * px(6) + px(15)
            self._inset = Box(width - gap - wide, gap, wide, high)
            self._panels.append(Panel(self._inset, px(9)))
        self._rewards: deque[float] = deque(maxlen=_REWARDS)
        self._trail: list[tuple[float, float]] = []
        self._last_time_s = -1.0

    def begin(self) -> None:
        """Forgets the drive so far: another one begins."""
        self._rewards.clear()
        self._trail.clear()
        self._last_time_s = -1.0

    def draw(self, frame: Image, moment: Moment, seen: Image | None) -> None:
        """Draws the display into an RGB frame.

        Args:
            frame: (height, width, 3), written.
            moment: What to show.
            seen: (h, w) gray, the car's own view.
        """
        for panel in self._panels:
            panel.draw(frame)
        self._draw_time(frame, moment)
        self._draw_speed(frame, moment)
        self._draw_reward(frame, moment)
        self._draw_map(frame, moment)
        if seen is not None:
            self._draw_inset(frame, seen)

    def banner(self, frame: Image, title: str, subtitle: str) -> None:
        """Writes what came of the drive across the middle of a frame."""
        px = self._px
        height, width = frame.shape[:2]
        big, small = typeface(px(30), True), typeface(px(13))
        wide = max(big.width(title), small.width(subtitle)) + px(56)
        box = Box((width - wide) // 2, round(height * self.BANNER_AT), wide, px(84))
        Panel(box, px(12)).draw(frame)
        big.draw(frame, title, width // 2, box.top + px(42), WHITE, anchor="middle")
        small.draw(frame, subtitle, width // 2, box.top + px(66), DIM, anchor="middle")

    def _px(self, length: float) -> int:
        return max(1, round(length * self._unit))

    def _draw_time(self, frame: Image, moment: Moment) -> None:
        px, box = self._px, self._time
        left, right = box.left + px(12), box.left + box.width - px(12)
        self._label(frame, "LAP TIME", left, box.top + px(19))
        minutes, seconds = divmod(moment.time_s, 60.0)
        text = f"{int(minutes)}:{seconds:05.2f}"
        typeface(px(25), True).draw(frame, text, left - px(1), box.top + px(46), WHITE)
        progress = min(max(moment.progress / 100.0, 0.0), 1.0)
        bar = Box(left, box.top + px(60), right - left - px(52), px(6))
        gauge(frame, bar, 0.0, progress, GREEN)
        text = f"{100.0 * progress:.0f} %"
        typeface(px(13), True).draw(frame, text, right, box.top + px(68), WHITE, anchor="right")

    def _draw_speed(self, frame: Image, moment: Moment) -> None:
        px, box = self._px, self._speed
        left, right = box.left + px(12), box.left + box.width - px(12)
        text = f"{moment.measured_speed_mps:.2f}"
        face = typeface(px(25), True)
        face.draw(frame, text, left - px(1), box.top + px(31), WHITE)
        after = left + face.width(text) + px(3)
        typeface(px(13)).draw(frame, "m/s", after, box.top + px(31), DIM)
        bar = Box(left, box.top + px(41), right - left, px(6))
        gauge(frame, bar, 0.0, moment.measured_speed_mps / MAX_SPEED_MPS, CYAN)
        wanted = left + round((right - left) * min(moment.speed_mps / MAX_SPEED_MPS, 1.0))
        frame[bar.top - px(3) : bar.top + bar.height + px(3), wanted - 1 : wanted + px(1)] = WHITE
        self._label(frame, "STEERING", left, box.top + px(70))
        degrees = round(moment.steering_deg)
        side = "" if degrees == 0 else " left" if degrees > 0 else " right"
        text = f"{abs(degrees)}\u00b0{side}"
        typeface(px(12), True).draw(frame, text, right, box.top + px(70), WHITE, anchor="right")
        bar = Box(left, box.top + px(79), right - left, px(6))
        turned = 0.5 - 0.5 * min(max(moment.steering_deg / MAX_STEERING_DEG, -1.0), 1.0)
        gauge(frame, bar, min(0.5, turned), max(0.5, turned), AMBER)
        middle = (left + right) // 2
        frame[bar.top - px(2) : bar.top + bar.height + px(2), middle : middle + 1] = DIM

    def _draw_reward(self, frame: Image, moment: Moment) -> None:
        px, box = self._px, self._reward
        if moment.time_s > self._last_time_s:
            self._rewards.append(moment.reward)
            self._last_time_s = moment.time_s
        left, right = box.left + px(12), box.left + box.width - px(12)
        self._label(frame, "REWARD", left, box.top + px(19))
        text = f"{moment.reward:.2f}"
        typeface(px(16), True).draw(frame, text, left, box.top + px(40), WHITE)
        values = np.array(self._rewards)
        low, high = min(float(values.min()), 0.0), max(float(values.max()), 1e-6)
        start, top, bottom = left + px(66), box.top + px(12), box.top + px(40)
        x = start + np.arange(len(values)) * (right - start) / (_REWARDS - 1)
        y = bottom - (values - low) / (high - low) * (bottom - top)
        _line(frame, np.stack([x, y], axis=1), GREEN, px(1.4))

    def _draw_map(self, frame: Image, moment: Moment) -> None:
        at = self._on_map(moment.origin[:2])
        self._trail.append(at)
        _line(frame, np.array(self._trail), CYAN, self._px(1.6))
        centre = (round(at[0] * _FINE), round(at[1] * _FINE))
        for radius, rgb in ((4.6, WHITE), (3.2, AMBER)):
            reach = round(radius * self._unit * _FINE)
            cv2.circle(frame, centre, reach, rgb, -1, cv2.LINE_AA, _SHIFT)

    def _draw_inset(self, frame: Image, seen: Image) -> None:
        px, box = self._px, self._inset
        pad = px(6)
        size = box.width - 2 * pad, box.height - 2 * pad - px(15)
        view = cv2.resize(seen, size, interpolation=cv2.INTER_NEAREST)
        top, left = box.top + pad, box.left + pad
        frame[top : top + size[1], left : left + size[0]] = view[..., None]
        middle = box.left + box.width // 2
        text = f"the network sees {seen.shape[1]}\u00d7{seen.shape[0]}"
        face = typeface(px(9))
        face.draw(frame, text, middle, box.top + box.height - px(7), DIM, anchor="middle")

    def _label(self, frame: Image, text: str, x: int, baseline: int) -> None:
        typeface(self._px(10), True).draw(frame, text, x, baseline, DIM)

    def _on_map(self, point_m: Array) -> tuple[float, float]:
        x, y = (point_m - self._map_middle_m) * (self._map_scale, -self._map_scale)
        box = self._map
        return box.left + box.width / 2 + float(x), box.top + box.height / 2 + float(y)

    def _map_panel(self, track: Track) -> Panel:
        """The map's panel with the road drawn into it, four times finer and averaged."""
        box, finer = self._map, 4
        panel = Panel(box, self._px(9))
        paint = np.zeros((box.height * finer, box.width * finer, 4), dtype=np.uint8)
        offset = np.array([box.left, box.top])
        line = np.array([self._on_map(point) for point in track.waypoints]) - offset
        fixed = [np.round(line * finer * _FINE).astype(np.int32)]
        width = max(track.width_m * self._map_scale, 4.0 * self._unit) * finer
        for grow, rgb in ((2.0, (210, 214, 220)), (0.0, (74, 80, 90))):
            thick = round(width + grow * self._unit * finer)
            cv2.polylines(paint, fixed, False, (*rgb, 255), thick, cv2.LINE_8, _SHIFT)
        heading = float(track.heading(0.0))
        across = np.array([math.sin(heading), math.cos(heading)]) * width / finer / 2
        ends = [np.round((line[0] + way * across) * finer * _FINE).astype(int) for way in (-1, 1)]
        cv2.line(paint, ends[0], ends[1], (*WHITE, 255), round(2 * finer), cv2.LINE_8, _SHIFT)
        size = (box.width, box.height)
        panel.add(cv2.resize(paint, size, interpolation=cv2.INTER_AREA))
        return panel


class Panel:
    """A rounded, half transparent rectangle, and what is always drawn on it."""

    def __init__(self, box: Box, radius: int) -> None:
        self._box = box
        finer = 4
        shape = np.zeros((box.height * finer, box.width * finer), dtype=np.uint8)
        r, right, bottom = radius * finer, box.width * finer - 1, box.height * finer - 1
        cv2.rectangle(shape, (r, 0), (right - r, bottom), 255, -1)
        cv2.rectangle(shape, (0, r), (right, bottom - r), 255, -1)
        for x in (r, right - r):
            for y in (r, bottom - r):
                cv2.circle(shape, (x, y), r, 255, -1)
        cover = cv2.resize(shape, (box.width, box.height), interpolation=cv2.INTER_AREA)
        share = cover[..., None].astype(np.float32) * np.float32(_PANEL_SHARE / 255)
        self._light = np.repeat(1 - share, 3, axis=2)  # what comes through of the frame
        self._paint = share * np.array(_PANEL_RGB, dtype=np.float32)

    def add(self, rgba: Image) -> None:
        """Puts a picture (h, w, 4), not premultiplied, on the panel for good."""
        share = rgba[..., 3:].astype(np.float32) / 255
        # Averaging mixed the colour with black where nothing was drawn: it is premultiplied now.
        self._light *= 1 - share
        self._paint = self._paint * (1 - share) + rgba[..., :3]

    def draw(self, frame: Image) -> None:
        """Lays the panel over a frame."""
        box = self._box
        patch = frame[box.top : box.top + box.height, box.left : box.left + box.width]
        patch[:] = cv2.multiply(patch, self._light, dtype=cv2.CV_32F) + self._paint


def gauge(frame: Image, box: Box, first: float, last: float, rgb: tuple[int, int, int]) -> None:
    """A horizontal gauge, filled between two shares of its width."""
    first, last = (min(max(value, 0.0), 1.0) for value in (first, last))
    for begin, end, colour in ((0.0, 1.0, FAINT), (first, last, rgb)):
        rows = slice(box.top, box.top + box.height)
        frame[rows, box.left + round(begin * box.width) : box.left + round(end * box.width)] = (
            colour
        )


def _line(frame: Image, points: Array, rgb: tuple[int, int, int], thickness: int) -> None:
    fixed = [np.round(points * _FINE).astype(np.int32)]
    cv2.polylines(frame, fixed, False, rgb, thickness, cv2.LINE_AA, _SHIFT)
