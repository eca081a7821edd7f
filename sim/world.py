"""A world: a track, cars on it, their cameras, rules and rewards, stepped together."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.actions import make_actions
from sim.camera import CAMERAS, Camera
from sim.car import CAR
from sim.drive import Drive
from sim.episode import Episode
from sim.geometry import Geometry
from sim.ground import Ground
from sim.physics import Physics
from sim.recording import Recording
from sim.reward import RewardError, RewardUse
from sim.reward_process import RewardProcess
from sim.rules import TERMINAL, Referee, Status
from sim.settings import WorldSettings
from sim.starts import Starts
from sim.trace import Trace
from sim.tracer import Tracer
from sim.track import Track
from sim.world_files import WorldFiles

Images = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Step:
    """What one control step of all cars gave.

    Attributes:
        obs: (n, H, W) uint8 observations. After `World.step` those of the cars that ended are
            already the first of their next episode. The array is the world's own and changes with
            the next step.
        rewards: (n,) float32.
        terminated: (n,) bool: the car failed (off track, immobilised, reversed).
        truncated: (n,) bool: the episode was cut: the lap is complete, or its time is up. The race
            would go on, so a value estimate is bootstrapped from the last observation.
        final_obs: The last observation (H, W) of each truncated car, by its index.
        episodes: Records of the episodes that ended, in the order of their cars.
        ended: (k,) indices of those cars.
    """

    obs: Images
    rewards: NDArray[np.float32]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    final_obs: dict[int, Images]
    episodes: list[Episode]
    ended: NDArray[np.int64]


class World:
    """Cars driving a time trial, each alone on the track, and what a trainer sees of them.

    Args:
        settings: What kind of world.
        num_cars: How many cars drive in it at once.
        seed: Turns the round robin of the starts by so many places, so that the worlds of several
            workers do not all drive the same stretch. Nothing in a world is random.
        reward: What calls the reward function, instead of `RewardProcess`; made like one.
        files: What the settings' files contain; read from where the settings say by default.

    Attributes:
        obs: (n, H, W) uint8, the current observations.
        track: The track as driven along its rows.
        tracks: The same, and as driven against them.
        actions: The action space.
        commands: (n, 2) the last steering angles (degrees) and speeds (m/s); 0 after a start.
        rewards: (n,) float32, the last rewards; 0 after a start.
        start_m: (n,) arc lengths at which the episodes began, as driven.
        seconds: Wall-clock seconds spent since the start in physics, camera and reward (with the
            rules). The rewards are computed while the cameras render; of that, only the time that
            is waited for them afterwards counts here.

    Raises:
        UserError: The track, the reward function or the settings are not usable.
    """

    def __init__(
        self,
        settings: WorldSettings,
        *,
        num_cars: int,
        seed: int = 0,
        reward: type[RewardProcess] | None = None,
        files: WorldFiles | None = None,
    ) -> None:
        self.settings = settings
        self.num_cars = num_cars
        self.actions = make_actions(settings.actions)
        files = files or WorldFiles.read(settings)
        self.track = Track(files.track_name, files.route)
        self.tracks = (self.track, self.track.turned())
        # Its process imports the user's file while the rest is built.
        self._reward = (reward or RewardProcess)(
            settings.reward,
            self.tracks,
            num_cars,
            timeout_s=settings.reward_timeout_s,
            memory_mb=settings.reward_memory_mb,
            source=files.reward,
        )
        self.physics = Physics(
            num_cars,
            physics_hz=settings.physics_hz,
            control_hz=settings.control_hz,
            friction=settings.friction,
        )
        self.camera = Camera(CAMERAS[settings.camera], Ground.bake(self.track))
        self.referee = Referee(
            Geometry.of(self.tracks[0]),
            Geometry.of(self.tracks[1]),
            CAR,
            num_cars,
            max(1, round(settings.episode_s * settings.control_hz)),
        )
        self._starts = Starts(settings, seed)
        spec = CAMERAS[settings.camera]
        self.obs: Images = np.zeros((num_cars, spec.height, spec.width), np.uint8)
        self.commands = np.zeros((num_cars, 2))
        self.rewards = np.zeros(num_cars, np.float32)
        self._returns = np.zeros(num_cars)
        self._reward_failures = np.zeros(num_cars, np.int64)
        self.start_m = np.zeros(num_cars)
        self._steps = 0
        self._paused_s = 0.0
        self._tracer: Tracer | None = None
        self._drive: Drive | None = None
        self._recording: Recording | None = None
        self.seconds = {"physics": 0.0, "camera": 0.0, "reward": 0.0}
        self.restart(np.arange(num_cars))
        self._reward.wait()

    @property
    def time_s(self) -> float:
        """Simulated time since the world was made, with the pauses of `resume`, seconds."""
        return self._steps / self.settings.control_hz + self._paused_s

    @property
    def trace(self) -> Trace | None:
        """The rows of its cars, once `start_trace` was called."""
        return self._tracer.trace if self._tracer is not None else None

    def advance(
        self,
        actions: NDArray[Any],
        active: NDArray[np.bool_] | None = None,
        *,
        commands: NDArray[np.float64] | None = None,
    ) -> Step:
        """Drives one control step and leaves the cars that ended where they are.

        Args:
            actions: (n,) indices of a discrete space, or (n, 2) in [-1, 1] of a continuous one.
            active: (n,) which cars drive, all by default. The others are not drawn, get no reward
                and do not end.
            commands: (n, 2) steering angles (degrees) and speeds (m/s) that the cars obey instead.
        """
        if commands is None:
            commands = self.actions.decode(actions)
        began = time.perf_counter()
        self.physics.step(np.radians(commands[:, 0]), commands[:, 1])
        driven = time.perf_counter()
        readings = self.referee.judge(
            self.physics.origin, self.physics.quaternion, self.physics.velocity
        )
        self._steps += 1
        self._reward.send(
            readings,
            self.referee.memory,
            commands,
            self.time_s,
            active,
        )
        judged = time.perf_counter()
        self._render(None if active is None else np.flatnonzero(active))
        rendered = time.perf_counter()
        rewards, failed = self._reward.receive()
        self.commands[:], self.rewards = commands, rewards.astype(np.float32)
        self._reward_failures[failed] += 1
        self._returns += rewards
        if self._tracer is not None:
            self._tracer.note(actions, active)
        drive = self._drive
        if drive is not None and (active is None or active[drive.car]):
            drive.note(commands[drive.car], float(rewards[drive.car]))
        rewarded = time.perf_counter()
        self.seconds["physics"] += driven - began
        self.seconds["camera"] += rendered - judged
        self.seconds["reward"] += judged - driven + rewarded - rendered

        status = readings["status"] if active is None else readings["status"] * active
        ended = np.flatnonzero(status)
        episodes = [self._record(int(car)) for car in ended]
        if drive is not None and status[drive.car]:
            self._recording = drive.recording(episodes[int(np.searchsorted(ended, drive.car))])
        terminated = TERMINAL[status]
        truncated = (status != Status.IN_PROGRESS) & ~terminated
        return Step(
            obs=self.obs,
            rewards=self.rewards.copy(),
            terminated=terminated,
            truncated=truncated,
            final_obs={int(car): self.obs[car].copy() for car in np.flatnonzero(truncated)},
            episodes=episodes,
            ended=ended,
        )

    def step(self, actions: NDArray[Any]) -> Step:
        """Drives one control step and begins new episodes for the cars that ended."""
        step = self.advance(actions)
        if len(step.ended):
            self.restart(step.ended)
        return step

    def restart(self, cars: NDArray[np.int64]) -> None:
        """Begins new episodes from the next round-robin starts."""
        for car in cars.tolist():
            self._place(car, *self._starts.take())
        self._render(cars)

    def place(self, car: int, start: float, *, reverse: bool | None = None) -> None:
        """Begins an episode of one car at a given start.

        Args:
            car: Index of the car.
            start: Where, as a fraction of the lap in driving direction.
            reverse: Against the rows of the route; by default as the settings say.
        """
        if reverse is None:
            reverse = self.settings.direction == "reversed"
        self._place(car, start, reverse)
        self._render(np.array([car]))

    def track_of(self, car: int) -> Track:
        """The track as a car drives it now, one way or the other."""
        return self.tracks[int(self.referee.memory[car]["reverse"])]

    def resume(self, car: int, s_m: float, side_m: float, gone_m: float, paused_s: float) -> None:
        """Puts a car back on the road, at rest along the track; its episode goes on.

        Args:
            car: Index of the car.
            s_m: Arc length of its origin, as driven.
            side_m: How far its origin lies to the left of the centre line.
            gone_m: What it keeps of its progress, metres.
            paused_s: How long it stood; the world's clock goes on by so much.
        """
        track = self.track_of(car)
        heading = float(track.heading(s_m))
        x, y = track.point(s_m) + side_m * np.array([-np.sin(heading), np.cos(heading)])
        self.physics.place(car, float(x), float(y), heading)
        self.referee.resume(car, s_m, gone_m, float(x), float(y))
        self.commands[car] = self.rewards[car] = 0.0
        self._paused_s += paused_s
        self._render(np.array([car]))

    def next_lap(self, car: int) -> None:
        """Lets a car that crossed the finish line drive on into its next lap, from 0 %."""
        self.referee.next_lap(car)
        self._returns[car] = 0.0

    def start_trace(self) -> Trace:
        """Begins to note the steps of all cars; episodes under way count from here."""
        self._tracer = Tracer(self)
        return self._tracer.trace

    def start_recording(self, car: int) -> None:
        """Begins to record the drives of one car; an episode under way counts from here."""
        self._drive = Drive(self, car)

    def take_recording(self) -> Recording | None:
        """The newest finished drive of that car since the last call, if there is one."""
        recording, self._recording = self._recording, None
        return recording

    def take_reward_errors(self) -> list[RewardError]:
        """The reward function's failures since the last call, one record for each distinct one."""
        return self._reward.take_errors()

    def take_reward_prints(self) -> tuple[list[str], int]:
        """Lines that the reward function printed since the last call; how many were dropped."""
        return self._reward.take_prints()

    def take_reward_use(self) -> RewardUse:
        """What calling the reward function took since the last call of this method."""
        return self._reward.take_use()

    def state(self) -> dict[str, Any]:
        """What a resumed run needs to go on, JSON-able; episodes under way are not part of it."""
        return self._starts.state()

    def set_state(self, state: dict[str, Any], *, restart: bool = True) -> None:
        """Takes up a `state` and begins new episodes for all cars, unless the caller will."""
        self._starts.set_state(state)
        if restart:
            self.restart(np.arange(self.num_cars))

    def close(self) -> None:
        """Frees the physics engine and ends the reward process."""
        self.physics.close()
        self._reward.close()

    def _place(self, car: int, start: float, reverse: bool) -> None:
        track = self.tracks[reverse]
        s_m = start * track.length_m
        if not track.closed:
            # An open road is driven from its beginning; a start elsewhere would leave no lap.
            s_m = 0.0
        x, y = track.point(s_m)
        self.physics.place(car, float(x), float(y), float(track.heading(s_m)))
        self.referee.start(car, s_m, reverse, float(x), float(y))
        self.commands[car] = self.rewards[car] = 0.0
        self._returns[car] = 0.0
        self._reward_failures[car] = 0
        self.start_m[car] = s_m
        if self._tracer is not None:
            self._tracer.begin(car)
        if self._drive is not None and self._drive.car == car:
            self._drive.begin()

    def _render(self, cars: NDArray[np.int64] | None) -> None:
        self.camera.render(self.physics.origin, self.physics.quaternion, self.obs, cars)

    def _record(self, car: int) -> Episode:
        reading, memory = self.referee.readings[car], self.referee.memory[car]
        status = Status(int(reading["status"]))
        lap_time = None
        if status is Status.LAP_COMPLETE:
            lap_time = float(reading["lap_steps"]) / self.settings.control_hz
        return Episode(
            return_=float(self._returns[car]),
            steps=int(memory["steps"]),
            progress=float(reading["progress"]),
            lap_time_s=lap_time,
            end_reason=status.label,
            reward_errors=int(self._reward_failures[car]),
            start_m=float(self.start_m[car]),
            reverse=bool(memory["reverse"]),
        )
