"""Plays drives one after another, in real time: a simulated second takes a second."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
import numpy.typing as npt

from hairpin.streaming.live_hud import Caption, LiveHud
from hairpin.streaming.messages import EVALUATION, Reached, Shown
from sim.camera import CAMERAS, Camera
from sim.chase import Chase
from sim.ground import Ground
from sim.moment import Moment, moment_at
from sim.track import Track
from sim.video import outcome_of

Image = npt.NDArray[np.uint8]

HOLD_S = 1.5  # the last picture of a drive stays so long, with what came of it


@dataclass(frozen=True)
class Stage:
    """What the streams of a run share.

    Attributes:
        track: Where the cars drive.
        ground: Its ground, baked for people.
        eye: The camera whose picture is inset.
        width, height: Of the pictures, pixels.
    """

    track: Track
    ground: Ground
    eye: Camera
    width: int
    height: int

    @classmethod
    def build(cls, track: Track, camera: str, width: int, height: int) -> Stage:
        """Bakes the ground twice: for people, and as fine as the cars in training see it."""
        eye = Camera(CAMERAS[camera], Ground.bake(track))
        return cls(track, Ground.for_people(track), eye, width, height)


class Player:
    """What one stream shows.

    Args:
        stage: Where it plays.
        stream: The stream's name.
        run: The run's name.
    """

    def __init__(self, stage: Stage, stream: str, run: str) -> None:
        self._stage, self._stream, self._run = stage, stream, run
        spec = stage.eye.spec
        self._hud = LiveHud(stage.track, stage.width, stage.height, spec)
        self._chase = Chase(
            stage.track, stage.width, stage.height, eye=spec, hud=self._hud, ground=stage.ground
        )
        self._seen = np.zeros((1, spec.height, spec.width), np.uint8)
        self._next: Shown | None = None
        self._playing: Shown | None = None
        self._began_s = 0.0
        self._still: Image | None = None  # what is shown while nothing moves
        self._reached = Reached(0, 0)
        self._last_s: float | None = None
        self._best_s: float | None = None

    @property
    def waiting(self) -> bool:
        """Whether there has been nothing to play yet."""
        return self._playing is None and self._next is None

    def show(self, shown: Shown) -> None:
        """Plays a drive as soon as the one that is playing ends; the newest one wins."""
        self._next = shown

    def reached(self, reached: Reached) -> None:
        """Is told how far the training is."""
        self._reached = reached
        if self._playing is None:
            self._still = None

    def picture_at(self, now_s: float) -> Image:
        """Draws what is shown at a time.

        Args:
            now_s: Seconds on any clock; not less than before.

        Returns:
            (height * 3 / 2, width) uint8, planes Y, U, V (ITU-R BT.601): not to be written to.
        """
        if self._playing is None and self._next is None:
            return self._card()
        if self._playing is None:
            self._begin(now_s)
        shown = self._playing
        assert shown is not None
        times = shown.recording.time_s
        length_s = float(times[-1] - times[0])
        if now_s - self._began_s >= length_s + HOLD_S:
            self._begin(now_s)
            return self.picture_at(now_s)
        at_s = now_s - self._began_s
        if at_s < length_s:
            return _planes(self._draw(moment_at(shown.recording, float(times[0]) + at_s)))
        if self._still is None:
            lap_s = shown.recording.lap_time_s
            if lap_s is not None:
                self._last_s, self._best_s = lap_s, min(lap_s, self._best_s or lap_s)
                self._hud.caption = replace(
                    self._hud.caption, last_s=self._last_s, best_s=self._best_s
                )
            frame = self._draw(moment_at(shown.recording, float(times[-1])))
            self._chase.banner(frame, *outcome_of(shown.recording, self._stage.track))
            self._still = _planes(frame)
        return self._still

    def _begin(self, now_s: float) -> None:
        """Begins the newest drive, or the last one again."""
        # Taken up by one name: another thread may give a newer one at any time.
        new, self._next = self._next, None
        shown = new or self._playing
        assert shown is not None
        self._playing, self._began_s, self._still = shown, now_s, None
        greedy = shown.phase == "evaluation"
        title = "Greedy evaluation" if greedy else f"Training, worker {self._worker}"
        detail = f"iteration {shown.iteration}, {steps_text(shown.steps)} steps"
        self._hud.caption = Caption(title, detail, self._last_s, self._best_s, greedy)

    @property
    def _worker(self) -> int:
        return int(self._stream.rpartition("-")[2]) + 1

    def _draw(self, moment: Moment) -> Image:
        self._stage.eye.render(moment.origin[None], moment.quaternion[None], self._seen)
        return self._chase.frame(moment, self._seen[0])

    def _card(self) -> Image:
        """The car at the start, waiting."""
        if self._still is None:
            track = self._stage.track
            yaw = float(track.heading(0.0))
            there = Moment(
                origin=np.array([*track.point(0.0), 0.0]),
                quaternion=np.array([0.0, 0.0, math.sin(yaw / 2), math.cos(yaw / 2)]),
                steering_deg=0.0,
                speed_mps=0.0,
                measured_speed_mps=0.0,
                progress=0.0,
                reward=0.0,
                time_s=0.0,
            )
            greedy = self._stream == EVALUATION
            at = self._reached
            detail = f"iteration {at.iteration}, {steps_text(at.steps)} steps"
            self._hud.caption = Caption("Training", detail, None, None, greedy=False)
            frame = self._draw(there)
            what = "evaluation" if greedy else f"episode of worker {self._worker}"
            self._chase.banner(frame, "Ready", f"waiting for the first {what}")
            self._still = _planes(frame)
        return self._still


def steps_text(steps: int) -> str:
    """Writes a number of steps as short as is clear: 940, 345k, 2.71M."""
    if steps < 1000:
        return str(steps)
    return f"{steps // 1000}k" if steps < 1_000_000 else f"{steps / 1e6:.2f}M"


def _planes(frame: Image) -> Image:
    planes: Image = cv2.cvtColor(frame, cv2.COLOR_RGB2YUV_I420)
    return planes
