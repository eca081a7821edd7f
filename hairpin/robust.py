"""How dependable a policy is: many starts, both directions, with and without noisy commands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from hairpin.evaluate import take_driver
from sim.episode import Episode
from sim.noise import CommandNoise
from sim.trial import run_trials, start_points
from storage import Run

STARTS = 20
NOISES = (0.0, 0.1)


@dataclass(frozen=True)
class Condition:
    """One direction with one noise: an episode from each start.

    Attributes:
        reverse: Whether against the order of the rows.
        noise: Share of the range by which commands are off at most.
        episodes: In the order of the starts.
    """

    reverse: bool
    noise: float
    episodes: list[Episode] = field(repr=False)

    @property
    def completion(self) -> float:
        """Mean progress, 0 to 1."""
        return sum(e.progress for e in self.episodes) / 100.0 / len(self.episodes)

    @property
    def lap_times_s(self) -> list[float]:
        """Times of the complete laps."""
        return [e.lap_time_s for e in self.episodes if e.lap_time_s is not None]

    def as_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        times = self.lap_times_s
        return {
            "direction": "reversed" if self.reverse else "forward",
            "noise": self.noise,
            "completion": self.completion,
            "laps": len(times),
            "best_lap_s": min(times, default=None),
            "average_lap_s": sum(times) / len(times) if times else None,
            "trials": [episode.as_dict() for episode in self.episodes],
        }


@dataclass(frozen=True)
class Robustness:
    """What came of all conditions.

    Attributes:
        run: The run's name.
        checkpoint: The checkpoint that drove.
        step: Environment steps it was trained for.
        track: What it drove on.
        conditions: Both directions without noise, then with it.
    """

    run: str
    checkpoint: str
    step: int
    track: str
    conditions: list[Condition]

    @property
    def completion(self) -> float:
        """Mean progress over everything, 0 to 1."""
        return sum(c.completion for c in self.conditions) / len(self.conditions)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able values."""
        return {
            "run": self.run,
            "checkpoint": self.checkpoint,
            "step": self.step,
            "track": self.track,
            "starts": STARTS,
            "completion": self.completion,
            "conditions": [condition.as_dict() for condition in self.conditions],
        }


def drive_all(run: Run, ref: str = "best", *, track: str | None = None) -> Robustness:
    """Drives a checkpoint greedily from 20 starts, both ways, without noise and with 10 %.

    The noise is uniform and comes from the job's seed, so that the result is the same again.

    Args:
        run: The run.
        ref: ``best``, ``latest``, or the name or the steps of a checkpoint.
        track: Another track than the run's.

    Raises:
        UserError: The track or the job is not usable.
        StorageError: There is no such checkpoint, or it and those before it are damaged.
    """
    driver = take_driver(run, ref, cars=STARTS, track=track)
    world, conditions = driver.world, []
    try:
        for noise in NOISES:
            for reverse in (False, True):
                trials = run_trials(
                    world,
                    driver.policy.act,
                    start_points(STARTS),
                    reverse=[reverse] * STARTS,
                    noise=CommandNoise(world.actions, noise, seed=driver.job.seed),
                )
                episodes = [trial.episode for trial in trials]
                conditions.append(Condition(reverse, noise, episodes))
    finally:
        world.close()
    info = driver.checkpoint
    return Robustness(run.name, info.name, info.step, world.settings.track, conditions)
