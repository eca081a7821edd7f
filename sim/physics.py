"""Many cars in one PyBullet world, each one rigid body on ray-cast wheels."""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
from collections.abc import Iterator, Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim.car import CAR, GRAVITY_MPS2, Car
from sim.tyres import suspension, wheel_forces, wheel_targets

Array = NDArray[np.float64]

CAR_GROUP, GROUND_GROUP = 2, 1  # collision groups: cars touch the ground and not one another


class Physics:
    """The bodies of `num_cars` cars and the ground, stepped together.

    Bullet integrates the bodies and solves the contacts of their hulls; the wheels' forces come
    from `sim.tyres`. One seedless sequence of commands gives one trajectory, bit for bit, whatever
    the other cars of the world do.

    Args:
        num_cars: How many cars.
        physics_hz: Physics steps a second.
        control_hz: Control steps a second; must divide `physics_hz`.
        friction: Tyre friction coefficient.
        car: The car's numbers.

    Attributes:
        origin: (n, 3) car origins, world frame, metres.
        quaternion: (n, 4) orientations, xyzw.
        velocity: (n, 3) velocities of the centres of mass, world frame, m/s.
        spin: (n, 3) angular velocities, world frame, rad/s.

    Raises:
        ValueError: `control_hz` does not divide `physics_hz`.
    """

    def __init__(
        self,
        num_cars: int,
        *,
        physics_hz: int = 120,
        control_hz: int = 15,
        friction: float = 0.5,
        car: Car = CAR,
    ) -> None:
        if physics_hz % control_hz:
            raise ValueError(f"control_hz {control_hz} does not divide physics_hz {physics_hz}")
        with _silence():
            import pybullet
        self._bullet = pybullet
        self.car = car
        self.num_cars = num_cars
        self.substeps = physics_hz // control_hz
        self._dt = 1.0 / physics_hz
        self._friction = friction
        self._wheels = np.array(car.wheels_m)
        self._inertia = np.array(car.inertia_kgm2)
        self._stiffness, self._damping = suspension(car)
        self._client = pybullet.connect(pybullet.DIRECT)
        self._bodies = self._build()
        self._state = np.zeros((num_cars, 13))
        self._force = np.zeros((num_cars, 3))
        self._torque = np.zeros((num_cars, 3))
        self._read()

    def place(self, car: int, x_m: float, y_m: float, yaw_rad: float) -> None:
        """Puts a car at rest with its origin at a point of the ground."""
        pose = (x_m, y_m, self.car.com_height_m)
        turn = (0.0, 0.0, math.sin(yaw_rad / 2.0), math.cos(yaw_rad / 2.0))
        self._bullet.resetBasePositionAndOrientation(self._bodies[car], pose, turn, self._client)
        self._bullet.resetBaseVelocity(
            self._bodies[car], (0.0, 0.0, 0.0), (0.0, 0.0, 0.0), self._client
        )
        self._state[car] = (*pose, *turn, *(0.0,) * 6)

    def step(self, steering_rad: Array, speed_mps: Array) -> None:
        """Drives all cars for one control step.

        Args:
            steering_rad: (n,) steering angles, left positive.
            speed_mps: (n,) commanded speeds.
        """
        angles, speeds = wheel_targets(self.car, steering_rad, speed_mps)
        push, twist = self._bullet.applyExternalForce, self._bullet.applyExternalTorque
        world, client = self._bullet.WORLD_FRAME, self._client
        state = self._state
        for _ in range(self.substeps):
            wheel_forces(
                state,
                angles,
                speeds,
                self._wheels,
                self._inertia,
                self.car.mass_kg,
                self.car.wheel_radius_m,
                self.car.com_height_m,
                self._stiffness,
                self._damping,
                self._friction,
                self._dt,
                self._force,
                self._torque,
            )
            for body, force, torque, at in zip(
                self._bodies,
                self._force.tolist(),
                self._torque.tolist(),
                state[:, :3].tolist(),
                strict=True,
            ):
                push(body, -1, force, at, world, client)
                twist(body, -1, torque, world, client)
            self._bullet.stepSimulation(client)
            self._read()

    @property
    def origin(self) -> Array:
        """(n, 3) car origins, world frame, metres."""
        origins: Array = _origins(self._state, self.car.com_height_m)
        return origins

    @property
    def quaternion(self) -> Array:
        """(n, 4) orientations, xyzw."""
        return self._state[:, 3:7]

    @property
    def velocity(self) -> Array:
        """(n, 3) velocities of the centres of mass, world frame, m/s."""
        return self._state[:, 7:10]

    @property
    def spin(self) -> Array:
        """(n, 3) angular velocities, world frame, rad/s."""
        return self._state[:, 10:13]

    def close(self) -> None:
        """Frees the Bullet world; the object is of no use afterwards."""
        if self._client >= 0:
            self._bullet.disconnect(self._client)
            self._client = -1

    def _build(self) -> Sequence[int]:
        b, client, car = self._bullet, self._client, self.car
        b.setGravity(0.0, 0.0, -GRAVITY_MPS2, client)
        # A residual threshold above zero ends the solver early, for all cars at once: one car's
        # trajectory would depend on the others'.
        b.setPhysicsEngineParameter(
            fixedTimeStep=self._dt,
            numSubSteps=0,
            deterministicOverlappingPairs=1,
            solverResidualThreshold=0.0,
            physicsClientId=client,
        )
        plane = b.createCollisionShape(b.GEOM_PLANE, physicsClientId=client)
        ground = b.createMultiBody(0.0, plane, physicsClientId=client)
        b.setCollisionFilterGroupMask(ground, -1, GROUND_GROUP, CAR_GROUP, client)
        half = (car.length_m / 2.0, car.width_m / 2.0, car.body_height_m / 2.0)
        hull = b.createCollisionShape(b.GEOM_BOX, halfExtents=half, physicsClientId=client)
        bodies = []
        for k in range(self.num_cars):
            body = b.createMultiBody(
                car.mass_kg,
                hull,
                basePosition=(float(k), 0.0, car.com_height_m),
                physicsClientId=client,
            )
            b.setCollisionFilterGroupMask(body, -1, CAR_GROUP, GROUND_GROUP, client)
            b.changeDynamics(
                body,
                -1,
                linearDamping=0.0,
                angularDamping=0.0,
                lateralFriction=self._friction,
                localInertiaDiagonal=car.inertia_kgm2,
                physicsClientId=client,
            )
            bodies.append(body)
        return bodies

    def _read(self) -> None:
        pose, motion = self._bullet.getBasePositionAndOrientation, self._bullet.getBaseVelocity
        client = self._client
        numbers: list[float] = []
        for body in self._bodies:
            position, turn = pose(body, client)
            velocity, spin = motion(body, client)
            numbers += position
            numbers += turn
            numbers += velocity
            numbers += spin
        self._state.ravel()[:] = numbers


@njit(cache=True)
def _origins(state: Array, com_height: float) -> Array:  # pragma: no cover - compiled
    """Moves from the centres of mass (n, 13) down the bodies' z axes to the ground."""
    out = np.empty((state.shape[0], 3))
    for i in range(state.shape[0]):
        x, y, z, w = state[i, 3], state[i, 4], state[i, 5], state[i, 6]
        out[i, 0] = state[i, 0] - com_height * 2 * (x * z + w * y)
        out[i, 1] = state[i, 1] - com_height * 2 * (y * z - w * x)
        out[i, 2] = state[i, 2] - com_height * (1 - 2 * (x * x + y * y))
    return out


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Sends both output streams to nowhere: PyBullet's C code prints its build time on import."""
    saved = [(fd, os.dup(fd)) for fd in (1, 2)]
    try:
        with open(os.devnull, "wb") as nowhere:
            for fd, _ in saved:
                os.dup2(nowhere.fileno(), fd)
        yield
        ctypes.CDLL(None).fflush(None)  # C's own buffer, or the line comes out at the end
    finally:
        for fd, kept in saved:
            os.dup2(kept, fd)
            os.close(kept)
