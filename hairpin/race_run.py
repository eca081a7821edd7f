"""A race of a stored policy: in this process, without Ray and torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hairpin.evaluate import take_driver
from sim.errors import UserError
from sim.race import run_race
from sim.race_result import Race
from sim.race_settings import RaceSettings
from sim.recording import Recording
from sim.settings import WorldSettings
from storage import Run


@dataclass(frozen=True)
class RunRace:
    """A race, and what drove it.

    Attributes:
        run: The run's name.
        checkpoint: The checkpoint that drove; another than asked for if that one was damaged.
        step: Environment steps it was trained for.
        world: The world it drove in.
        race: What came of it.
    """

    run: str
    checkpoint: str
    step: int
    world: WorldSettings
    race: Race = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Everything but the steps, as JSON-able values."""
        return {
            "run": self.run,
            "checkpoint": self.checkpoint,
            "step": self.step,
            "track": self.world.track,
            "direction": self.world.direction,
            **self.race.as_dict(),
        }

    @property
    def best_recording(self) -> Recording:
        """The lap worth showing: the fastest one, or else the one that came furthest."""
        laps = self.race.laps
        best = max(
            range(len(laps)),
            key=lambda k: (
                (laps[k].completed, -laps[k].elapsed_s if laps[k].completed else 0.0)
                if laps[k].completed
                else (False, laps[k].progress)
            ),
        )
        lap = laps[best]
        steps = [step for step in self.race.steps if step.lap == best]
        return Recording(
            origin=np.array([step.origin for step in steps]),
            quaternion=np.array([step.quaternion for step in steps]),
            steering_deg=np.array([step.steering_deg for step in steps]),
            speed_mps=np.array([step.speed_mps for step in steps]),
            measured_speed_mps=np.array([step.measured_speed_mps for step in steps]),
            progress=np.array([step.progress for step in steps]),
            reward=np.array([step.reward for step in steps]),
            time_s=np.array([step.time_s - lap.started_s for step in steps]),
            track=self.world.track,
            reverse=lap.reverse,
            control_hz=self.world.control_hz,
            lap_time_s=lap.time_s,
            end_reason=lap.end_reason,
        )


def race_run(
    run: Run,
    ref: str = "best",
    *,
    track: str | None = None,
    direction: str | None = None,
    rules: Mapping[str, Any] | None = None,
) -> RunRace:
    """Lets a checkpoint of `run` drive a race greedily.

    Args:
        run: The run.
        ref: ``best``, ``latest``, or the name or the steps of a checkpoint.
        track: Another track than the run's.
        direction: Another direction than the job's.
        rules: Other rules than the job's, by the keys of `RaceSettings`; None values are left out.

    Raises:
        UserError: The track, the job or the rules are not usable.
        StorageError: There is no such checkpoint, or it and those before it are damaged.
    """
    from hairpin.stored_job import job_of

    given = {key: value for key, value in (rules or {}).items() if value is not None}
    settings = RaceSettings(**(job_of(run).race.model_dump() | given))
    driver = take_driver(
        run, ref, cars=1, track=track, direction=direction, episode_s=settings.time_limit_s
    )
    world = driver.world
    try:
        if given.get("continuous") and not world.track.closed:
            raise UserError(
                f"{world.track.name} is an open road, its laps cannot roll on",
                where="--continuous",
                fix="Leave it out: each lap is then a trial of its own",
            )
        race = run_race(world, driver.policy.act, settings)
    finally:
        world.close()
    info = driver.checkpoint
    return RunRace(run.name, info.name, info.step, world.settings, race)
