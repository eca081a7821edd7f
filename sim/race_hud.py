"""The display of a race: the lap, its time, the whole time, the best lap, resets, and penalties."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sim.camera import CameraSpec
from sim.hud import AMBER, DIM, GREEN, WHITE, Box, Hud, Panel, gauge
from sim.moment import Moment
from sim.track import Track
from sim.typeface import typeface

Image = npt.NDArray[np.uint8]

_RED = (255, 96, 84)


@dataclass(frozen=True)
class Standing:
    """How a race stands.

    Attributes:
        lap: Number of the lap, from 1.
        laps: How many there are to drive.
        trials: Whether they are separate trials.
        lap_s: Its time so far.
        total_s: Time of the race so far.
        best_s: The fastest lap so far; None before there is one.
        resets: Resets of the race so far.
        pause_s: How long the car still stands; None while it drives.
        why: What it stands for, such as Off track.
    """

    lap: int
    laps: int
    trials: bool
    lap_s: float
    total_s: float
    best_s: float | None
    resets: int
    pause_s: float | None
    why: str


class RaceHud(Hud):
    """Draws the display of a race; `standing` is what it says next.

    Args:
        track: For the map.
        width: Frame width, pixels.
        height: Frame height, pixels.
        eye: The car's camera, for the inset's shape; None for no inset.
        minimap: Whether to draw the map.
    """

    BANNER_AT = 0.4  # below the larger panels

    def __init__(
        self, track: Track, width: int, height: int, eye: CameraSpec | None, *, minimap: bool = True
    ) -> None:
        super().__init__(track, width, height, eye)
        self.standing: Standing | None = None
        self._minimap = minimap
        self._lap = 0
        px = self._px
        _, speed, _, map_panel, *inset = self._panels
        self._time = Box(px(12), px(12), px(164), px(152))
        self._chip = Box((width - px(216)) // 2, height - px(12) - px(58), px(216), px(58))
        self._chip_panel = Panel(self._chip, px(9))
        self._panels = [Panel(self._time, px(9)), speed, *([map_panel] if minimap else []), *inset]

    def draw(self, frame: Image, moment: Moment, seen: Image | None) -> None:
        """Draws the display into an RGB frame, see `Hud.draw`."""
        standing = self.standing
        if standing is not None and standing.lap != self._lap:
            self._lap = standing.lap
            self.begin()
        super().draw(frame, moment, seen)

    def _draw_time(self, frame: Image, moment: Moment) -> None:
        standing = self.standing
        if standing is None:
            return
        px, box = self._px, self._time
        left, right = box.left + px(12), box.left + box.width - px(12)
        name = "TRIAL" if standing.trials else "LAP"
        self._label(frame, name, left, box.top + px(20))
        text = f"{standing.lap}/{standing.laps}"
        typeface(px(14), True).draw(frame, text, right, box.top + px(21), WHITE, anchor="right")
        text = _clock(standing.lap_s)
        typeface(px(25), True).draw(frame, text, left - px(1), box.top + px(50), WHITE)
        progress = min(max(moment.progress / 100.0, 0.0), 1.0)
        gauge(
            frame, Box(left, box.top + px(62), right - left - px(52), px(6)), 0.0, progress, GREEN
        )
        text = f"{100.0 * progress:.0f} %"
        typeface(px(13), True).draw(frame, text, right, box.top + px(70), WHITE, anchor="right")
        best = "-" if standing.best_s is None else f"{standing.best_s:.2f} s"
        rows = (
            ("BEST LAP", best, GREEN if standing.best_s is not None else DIM),
            ("TOTAL", _clock(standing.total_s), WHITE),
            ("RESETS", str(standing.resets), AMBER if standing.resets else WHITE),
        )
        for line, (label, value, rgb) in enumerate(rows):
            baseline = box.top + px(96) + line * px(21)
            self._label(frame, label, left, baseline)
            typeface(px(13), True).draw(frame, value, right, baseline + px(1), rgb, anchor="right")

    def _draw_reward(self, frame: Image, moment: Moment) -> None:
        """Where training shows the reward, a race shows why the car stands, and how long."""
        standing = self.standing
        if standing is None or standing.pause_s is None:
            return
        px, box = self._px, self._chip
        self._chip_panel.draw(frame)
        middle = box.left + box.width // 2
        face = typeface(px(16), True)
        face.draw(frame, standing.why, middle, box.top + px(25), _RED, anchor="middle")
        text = f"penalty, {standing.pause_s:.1f} s to go"
        typeface(px(13)).draw(frame, text, middle, box.top + px(45), WHITE, anchor="middle")

    def _draw_map(self, frame: Image, moment: Moment) -> None:
        if self._minimap:
            super()._draw_map(frame, moment)


def _clock(time_s: float) -> str:
    minutes, seconds = divmod(time_s, 60.0)
    return f"{int(minutes)}:{seconds:05.2f}"
