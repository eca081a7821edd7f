"""Films of a race, from behind the car and from above, in simulated time."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from sim.camera import CAMERAS, CameraSpec
from sim.chase import Chase
from sim.moment import Moment, slerp
from sim.race_hud import RaceHud, Standing
from sim.race_result import PAUSE, PREPARE, Race, RaceStep
from sim.top_view import TopView
from sim.track import Track

Image = npt.NDArray[np.uint8]
View = Literal["pip", "45degree", "topview"]

VIEWS: tuple[View, ...] = ("pip", "45degree", "topview")
FPS = 15
HOLD_S = 3.0  # the last frame stays so long, with the result
_BLINKS_PER_S = 2.5
_WHY = {"off_track": "Off track", "immobilized": "Stuck", "reversed": "Wrong way"}


def render_race(
    race: Race,
    track: Track,
    view: View,
    *,
    title: str = "",
    eye: CameraSpec = CAMERAS["fast"],
    width: int = 640,
    height: int = 480,
) -> Iterator[Image]:
    """Draws a race; while the car stands for a penalty it blinks.

    Args:
        race: The race.
        track: The track it was driven on.
        view: pip follows the car and insets what its camera sees, 45degree follows it, topview
            shows the whole track from above.
        title: Said under the result at the end.
        eye: The camera whose picture is inset.
        width: Frame width, pixels.
        height: Frame height, pixels.

    Yields:
        Frames (height, width, 3) uint8 RGB, `FPS` a second; the last one stays for `HOLD_S`.
    """
    seen = eye if view == "pip" else None
    hud = RaceHud(track, width, height, seen, minimap=view != "topview")
    picture = (
        TopView(track, width, height, hud)
        if view == "topview"
        else Chase(track, width, height, eye=seen, hud=hud)
    )
    steps = race.steps
    times_s = np.array([step.time_s for step in steps])
    starts = np.cumsum([step.status == PREPARE for step in steps])
    last_s = float(times_s[-1])
    count = math.ceil(last_s * FPS - 1e-6)
    for k in range(count + 1):
        now_s = min(k / FPS, last_s)
        index = int(np.searchsorted(times_s, now_s + 1e-6, side="right")) - 1
        hud.standing = _standing(race, index, now_s, int(starts[index]))
        lit = hud.standing.pause_s is None or int(2 * _BLINKS_PER_S * now_s) % 2 == 0
        frame = picture.frame(_moment(steps, index, now_s), car=lit)
        if k < count:
            yield frame
    picture.banner(frame, *_result(race, title))
    for _ in range(round(HOLD_S * FPS)):
        yield frame


def _moment(steps: list[RaceStep], index: int, now_s: float) -> Moment:
    """The moment between a step and the next one; a car that is put elsewhere is not between."""
    step = steps[index]
    moment = Moment(
        origin=step.origin,
        quaternion=step.quaternion,
        steering_deg=step.steering_deg,
        speed_mps=step.speed_mps,
        measured_speed_mps=step.measured_speed_mps,
        progress=step.progress,
        reward=step.reward,
        time_s=now_s,
    )
    after = steps[min(index + 1, len(steps) - 1)]
    if after.status in (PREPARE, PAUSE) or after.time_s <= step.time_s:
        return moment
    t = (now_s - step.time_s) / (after.time_s - step.time_s)
    return replace(
        moment,
        origin=(1.0 - t) * step.origin + t * after.origin,
        quaternion=slerp(step.quaternion, after.quaternion, t),
    )


def _standing(race: Race, index: int, now_s: float, starts: int) -> Standing:
    """How the race stands at a step; the car was put on the road `starts` times so far."""
    step = race.steps[index]
    lap = min(step.lap, len(race.laps) - 1)
    record = race.laps[lap]
    # The row in which a rolling lap ends belongs to it; a moment later the next one runs.
    done = [lap.elapsed_s for lap in race.laps[:lap] if lap.completed]
    ended = record.completed and now_s >= record.started_s + record.elapsed_s - 1e-9
    if ended:
        done.append(record.elapsed_s)
    runs = 1 if race.settings.continuous else lap + 1
    pausing = step.status == PAUSE
    why = ""
    if pausing:
        before = next(s for s in reversed(race.steps[:index]) if s.status != PAUSE)
        why = _WHY.get(before.status, before.status)
    return Standing(
        lap=lap + 1,
        laps=race.settings.laps,
        trials=not race.settings.continuous,
        lap_s=min(now_s - record.started_s, record.elapsed_s),
        total_s=min(
            sum(lap.elapsed_s for lap in race.laps[:lap]) + now_s - record.started_s,
            race.total_s,
        ),
        best_s=min(done, default=None),
        resets=starts - runs,
        pause_s=step.pause_s if pausing else None,
        why=why,
    )


def _result(race: Race, title: str) -> tuple[str, str]:
    laps = len(race.lap_times_s)
    if race.best_lap_s is None:
        return f"{100.0 * race.completion:.0f} % of the way", title
    name = "lap" if race.settings.laps == 1 else "laps"
    resets = "no reset" if not race.resets else f"{race.resets} resets"
    text = f"{laps} of {race.settings.laps} {name} in {race.total_s:.2f} s, {resets}"
    return f"Best lap {race.best_lap_s:.2f} s", f"{text}, {title}" if title else text
