"""Forces of ray-cast wheels on flat ground, for all cars at once.

A wheel is a vertical spring and damper above the ground, and a contact at which two things are
wanted: no sideways speed, and a rolling speed that is the commanded one. The impulses that give
both are found wheel after wheel in a few sweeps (sequential impulses, as rigid-body engines solve
contacts), each wheel's sum held inside its friction circle. Sideways grip comes first and the drive
takes what is left of the circle, as traction control does: a car that is too fast for a bend runs
wide instead of spinning. A solver that wants the exact speeds, instead of a force that grows with
the slip, is stable at any time step and drives the bicycle model's turning radius at low speed.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from sim.car import GRAVITY_MPS2, Car

Array = NDArray[np.float64]

SWEEPS = 6  # the four contacts agree to 1e-3 m/s after so many; more change nothing that shows


def wheel_targets(car: Car, steering_rad: Array, speed_mps: Array) -> tuple[Array, Array]:
    """Directions and rolling speeds of the four wheels for a steering angle and a speed.

    The wheels follow one rotation about the bicycle model's centre on the rear axle's line
    (Ackermann), so that no wheel scrubs; the car origin moves at the commanded speed.

    Args:
        car: The car.
        steering_rad: (n,) steering angles of the bicycle model's front wheel, left positive.
        speed_mps: (n,) commanded speeds.

    Returns:
        (n, 4) wheel angles against the body's x axis, radians, and (n, 4) rolling speeds, m/s.
    """
    wheels = np.array(car.wheels_m)
    # Velocity of a body point per metre the origin moves ahead: 1 - y * k along x, x' * k along y,
    # with x' from the rear axle and k the curvature of the rear axle's path.
    k = np.tan(steering_rad)[:, None] / car.wheelbase_m
    along = 1.0 - wheels[:, 1] * k
    across = (wheels[:, 0] + car.wheelbase_m / 2.0) * k
    origin = np.hypot(1.0, k * car.wheelbase_m / 2.0)
    return np.arctan2(across, along), speed_mps[:, None] * np.hypot(along, across) / origin


def suspension(car: Car) -> tuple[float, float]:
    """Stiffness (N/m) and damping (N s/m) of one wheel."""
    omega = 2.0 * math.pi * car.suspension_hz
    stiffness = car.mass_kg * omega**2 / 4.0
    return stiffness, 2.0 * car.suspension_damping * car.mass_kg * omega / 4.0


@njit(cache=True)
def wheel_forces(
    state: Array,
    angles: Array,
    speeds: Array,
    wheels: Array,
    inertia: Array,
    mass: float,
    radius: float,
    com_height: float,
    stiffness: float,
    damping: float,
    friction: float,
    dt: float,
    force: Array,
    torque: Array,
) -> None:  # pragma: no cover - compiled
    """Writes the force and torque about the centre of mass of every car, world frame.

    Args:
        state: (n, 13) centre of mass position, quaternion xyzw, velocity, angular velocity (world).
        angles: (n, 4) wheel angles against the body's x axis, radians.
        speeds: (n, 4) wanted rolling speeds, m/s.
        wheels: (4, 2) wheel positions in the body frame, metres.
        inertia: (3,) principal moments, kg m^2.
        mass: kg.
        radius: Wheel radius, metres.
        com_height: Height of the centre of mass over the ground at rest, metres.
        stiffness: Of one wheel's spring, N/m.
        damping: Of one wheel's damper, N s/m.
        friction: Coefficient mu of a tyre.
        dt: Physics time step, seconds.
        force: (n, 3) out, newton.
        torque: (n, 3) out, newton metre.
    """
    sag = mass * GRAVITY_MPS2 / (4.0 * stiffness)
    arm = np.empty((4, 3))
    ahead = np.empty((4, 2))
    load = np.empty(4)
    impulse = np.empty((4, 2))
    inverse = np.empty((3, 3))
    for i in range(state.shape[0]):
        pz = state[i, 2]
        x, y, z, w = state[i, 3], state[i, 4], state[i, 5], state[i, 6]
        r00, r01, r02 = 1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)
        r10, r11, r12 = 2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)
        r20, r21, r22 = 2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)
        vx, vy, vz = state[i, 7], state[i, 8], state[i, 9]
        ox, oy, oz = state[i, 10], state[i, 11], state[i, 12]
        a, b, c = 1.0 / inertia[0], 1.0 / inertia[1], 1.0 / inertia[2]
        inverse[0, 0] = a * r00 * r00 + b * r01 * r01 + c * r02 * r02
        inverse[0, 1] = a * r00 * r10 + b * r01 * r11 + c * r02 * r12
        inverse[0, 2] = a * r00 * r20 + b * r01 * r21 + c * r02 * r22
        inverse[1, 1] = a * r10 * r10 + b * r11 * r11 + c * r12 * r12
        inverse[1, 2] = a * r10 * r20 + b * r11 * r21 + c * r12 * r22
        inverse[2, 2] = a * r20 * r20 + b * r21 * r21 + c * r22 * r22
        inverse[1, 0], inverse[2, 0], inverse[2, 1] = inverse[0, 1], inverse[0, 2], inverse[1, 2]
        fx, fy, fz, tx, ty, tz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        grounded = False
        for j in range(4):
            bx, by, bz = wheels[j, 0], wheels[j, 1], radius - com_height
            cx = r00 * bx + r01 * by + r02 * bz
            cy = r10 * bx + r11 * by + r12 * bz
            cz = r20 * bx + r21 * by + r22 * bz
            height = pz + cz
            rate = vz + ox * cy - oy * cx
            push = stiffness * (radius + sag - height) - damping * rate
            if height > radius + sag or r22 < 0.3 or push < 0.0:
                push = 0.0  # in the air, or the car lies on its side
            load[j] = push
            # Tyre forces act where the wheel touches the ground, right below its centre.
            arm[j, 0], arm[j, 1], arm[j, 2] = cx, cy, -pz
            impulse[j, 0], impulse[j, 1] = 0.0, 0.0
            cosine, sine = math.cos(angles[i, j]), math.sin(angles[i, j])
            hx, hy = r00 * cosine + r01 * sine, r10 * cosine + r11 * sine
            norm = 1.0 / math.sqrt(hx * hx + hy * hy + 1e-12)
            ahead[j, 0], ahead[j, 1] = hx * norm, hy * norm
            if push > 0.0:
                grounded = True
                fz += push
                tx += cy * push
                ty -= cx * push
        if grounded:
            # Velocities at the end of the step if there were no tyre forces.
            vx0, vy0 = vx, vy
            sx = ox + dt * (inverse[0, 0] * tx + inverse[0, 1] * ty)
            sy = oy + dt * (inverse[1, 0] * tx + inverse[1, 1] * ty)
            sz = oz + dt * (inverse[2, 0] * tx + inverse[2, 1] * ty)
            for _ in range(SWEEPS):
                for j in range(4):
                    if load[j] == 0.0:
                        continue
                    rx, ry, rz = arm[j, 0], arm[j, 1], arm[j, 2]
                    hx, hy = ahead[j, 0], ahead[j, 1]
                    cvx, cvy = vx0 + sy * rz - sz * ry, vy0 + sz * rx - sx * rz
                    # Torque per unit impulse along (hx, hy) and along its left normal (-hy, hx).
                    ax, ay, az = -rz * hy, rz * hx, rx * hy - ry * hx
                    lx, ly, lz = -rz * hx, -rz * hy, rx * hx + ry * hy
                    iax = inverse[0, 0] * ax + inverse[0, 1] * ay + inverse[0, 2] * az
                    iay = inverse[1, 0] * ax + inverse[1, 1] * ay + inverse[1, 2] * az
                    iaz = inverse[2, 0] * ax + inverse[2, 1] * ay + inverse[2, 2] * az
                    ilx = inverse[0, 0] * lx + inverse[0, 1] * ly + inverse[0, 2] * lz
                    ily = inverse[1, 0] * lx + inverse[1, 1] * ly + inverse[1, 2] * lz
                    ilz = inverse[2, 0] * lx + inverse[2, 1] * ly + inverse[2, 2] * lz
                    along = (speeds[i, j] - cvx * hx - cvy * hy) / (
                        1.0 / mass + ax * iax + ay * iay + az * iaz
                    )
                    aside = (cvx * hy - cvy * hx) / (1.0 / mass + lx * ilx + ly * ily + lz * ilz)
                    new_along, new_aside = impulse[j, 0] + along, impulse[j, 1] + aside
                    limit = friction * load[j] * dt
                    new_aside = min(max(new_aside, -limit), limit)
                    room = math.sqrt(limit * limit - new_aside * new_aside)
                    new_along = min(max(new_along, -room), room)
                    along, aside = new_along - impulse[j, 0], new_aside - impulse[j, 1]
                    impulse[j, 0], impulse[j, 1] = new_along, new_aside
                    vx0 += (along * hx - aside * hy) / mass
                    vy0 += (along * hy + aside * hx) / mass
                    sx += along * iax + aside * ilx
                    sy += along * iay + aside * ily
                    sz += along * iaz + aside * ilz
            for j in range(4):
                gx = (impulse[j, 0] * ahead[j, 0] - impulse[j, 1] * ahead[j, 1]) / dt
                gy = (impulse[j, 0] * ahead[j, 1] + impulse[j, 1] * ahead[j, 0]) / dt
                fx += gx
                fy += gy
                tx -= arm[j, 2] * gy
                ty += arm[j, 2] * gx
                tz += arm[j, 0] * gy - arm[j, 1] * gx
        force[i, 0], force[i, 1], force[i, 2] = fx, fy, fz
        torque[i, 0], torque[i, 1], torque[i, 2] = tx, ty, tz
