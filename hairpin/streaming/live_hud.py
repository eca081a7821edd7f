"""The display of live video: what is being driven, the lap's time, the action and its reward."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.camera import CameraSpec
from sim.hud import AMBER, DIM, GREEN, WHITE, Box, Hud, Panel
from sim.moment import Moment
from sim.track import Track
from sim.typeface import typeface

Image = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Caption:
    """What the display says beside the drive itself.

    Attributes:
        title: What is shown, such as Greedy evaluation.
        detail: How far the training is.
        last_s: The time of the last lap shown before; None without one.
        best_s: The fastest lap shown so far; None without one.
        greedy: Whether the policy drives without exploring.
    """

    title: str
    detail: str
    last_s: float | None
    best_s: float | None
    greedy: bool


class LiveHud(Hud):
    """Draws the display of live video; `caption` is what it says next.

    Args:
        track: For the map.
        width: Frame width, pixels.
        height: Frame height, pixels.
        eye: The car's camera, for the inset's shape.
    """

    def __init__(self, track: Track, width: int, height: int, eye: CameraSpec) -> None:
        super().__init__(track, width, height, eye)
        self.caption = Caption("", "", None, None, greedy=False)
        px = self._px
        _, speed, _, map_panel, inset = self._panels
        self._time = Box(px(12), px(12), px(164), px(122))
        self._reward = Box((width - px(196)) // 2, height - px(12) - px(76), px(196), px(76))
        self._status = Box((width - px(236)) // 2, px(12), px(236), px(48))
        own = [Panel(box, px(9)) for box in (self._time, self._reward, self._status)]
        self._panels = [*own, speed, map_panel, inset]

    def draw(self, frame: Image, moment: Moment, seen: Image | None) -> None:
        """Draws the display into an RGB frame, see `Hud.draw`."""
        super().draw(frame, moment, seen)
        px, box, caption = self._px, self._status, self.caption
        middle = box.left + box.width // 2
        colour = GREEN if caption.greedy else AMBER
        face = typeface(px(14), True)
        face.draw(frame, caption.title, middle, box.top + px(20), colour, anchor="middle")
        small = typeface(px(12))
        small.draw(frame, caption.detail, middle, box.top + px(38), WHITE, anchor="middle")

    def _draw_time(self, frame: Image, moment: Moment) -> None:
        super()._draw_time(frame, moment)
        px, box = self._px, self._time
        left, right = box.left + px(12), box.left + box.width - px(12)
        rows = (("LAST LAP", self.caption.last_s, WHITE), ("BEST LAP", self.caption.best_s, GREEN))
        for line, (label, time_s, rgb) in enumerate(rows):
            baseline = box.top + px(91) + line * px(19)
            self._label(frame, label, left, baseline)
            text = "-" if time_s is None else f"{time_s:.2f} s"
            colour = DIM if time_s is None else rgb
            typeface(px(13), True).draw(frame, text, right, baseline, colour, anchor="right")

    def _draw_reward(self, frame: Image, moment: Moment) -> None:
        super()._draw_reward(frame, moment)
        px, box = self._px, self._reward
        left, right = box.left + px(12), box.left + box.width - px(12)
        baseline = box.top + px(64)
        self._label(frame, "ACTION", left, baseline)
        degrees = round(moment.steering_deg)
        way = (
            "straight"
            if degrees == 0
            else f"{abs(degrees)}\u00b0 {'left' if degrees > 0 else 'right'}"
        )
        text = f"{way}, {moment.speed_mps:.1f} m/s"
        typeface(px(12), True).draw(frame, text, right, baseline, WHITE, anchor="right")
