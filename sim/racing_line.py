"""The line of least curvature round a track, and how fast a car can drive it.

The line is the one of F. Braghin, F. Cheli, S. Melzi and E. Sabbioni, "Race driver model",
Computers & Structures 86 (2008), in the form of A. Heilmeier and others, "Minimum curvature
trajectory planning and control for an autonomous race car", Vehicle System Dynamics 58 (2020):
points slide along the normals of the centre line, and a bounded least-squares problem in their
offsets has the curvature as its residual. Where those linearise the curvature about a line found
before, SciPy's `least_squares` does so anew at every step of its own, with the exact derivative.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import least_squares

from sim.car import CAR, GRAVITY_MPS2
from sim.settings import MAX_SPEED_MPS
from sim.track import Array, Track

MARGIN_M = CAR.width_m / 2 + 0.02  # the car's side stays this much (less its half) off a border
FRICTION = 0.5  # of the tyres, as a world's default
SPACING_M = 0.15
_MAX_POINTS = 320  # the solver's time grows with the cube of it
_FOLD_SHARE = 0.85  # of the distance at which neighbouring normals of a bend would cross


@dataclass(frozen=True, eq=False)
class RacingLine:
    """A line round a track and the speeds it can be driven at.

    On a closed track the last row repeats the first, as a track's waypoints do.

    Attributes:
        points: (N, 2) world frame, metres.
        s_m: (N,) arc length of the centre line beside each point, metres.
        offset_m: (N,) how far left (positive) of the centre line, metres.
        curvature: (N,) 1/m, left bends positive.
        centre_curvature: (N,) of the centre line beside each point, 1/m.
        speed_mps: (N,) within the friction circle everywhere.
        length_m: Of this line.
        lap_time_s: Of a car that keeps to those speeds; from standstill on an open track.
    """

    points: Array
    s_m: Array
    offset_m: Array
    curvature: Array
    centre_curvature: Array
    speed_mps: Array
    length_m: float
    lap_time_s: float


def racing_line(
    track: Track,
    *,
    margin_m: float = MARGIN_M,
    friction: float = FRICTION,
    max_speed_mps: float = MAX_SPEED_MPS,
) -> RacingLine:
    """Finds the line of least summed squared curvature between a track's borders.

    Args:
        track: As driven: the speeds are those of that direction.
        margin_m: How far points stay from the borders; where the road is too narrow for it, the
            line keeps to the middle.
        friction: Friction coefficient of the tyres, which bounds the speeds.
        max_speed_mps: The car's.
    """
    s_m, centre, normal, low, high = _corridor(track, margin_m)
    closed = track.closed

    def residuals(offset_m: Array) -> Array:
        return _root_cost(centre + offset_m[:, None] * normal, closed)

    def jacobian(offset_m: Array) -> Array:
        return _derivative(centre + offset_m[:, None] * normal, normal, closed)

    start = np.clip(np.zeros(len(centre)), low, high)
    found = least_squares(
        residuals, start, jacobian, bounds=(low, high), xtol=1e-5, ftol=1e-5, gtol=1e-6
    )
    offset: Array = found.x
    points = centre + offset[:, None] * normal
    if closed:
        points, centre = np.vstack([points, points[:1]]), np.vstack([centre, centre[:1]])
        offset, s_m = np.append(offset, offset[0]), np.append(s_m, track.length_m)
    curvature = _curvature(points, closed)
    step_m = np.hypot(*np.diff(points, axis=0).T)
    speed = speed_profile(curvature, step_m, closed, friction, max_speed_mps)
    mean = 0.5 * (speed[1:] + speed[:-1])
    return RacingLine(
        points=points,
        s_m=s_m,
        offset_m=offset,
        curvature=curvature,
        centre_curvature=_curvature(centre, closed),
        speed_mps=speed,
        length_m=float(step_m.sum()),
        lap_time_s=float(np.sum(step_m / mean)),
    )


def speed_profile(
    curvature: Array, step_m: Array, closed: bool, friction: float, max_speed_mps: float
) -> Array:
    """The highest speeds along a line that never ask the tyres for more than they have.

    Sideways and lengthwise acceleration share the friction circle mu g, braking as much as
    speeding up: one pass with the driving direction, one against it.

    Args:
        curvature: (N,) at the points, 1/m; on a closed line the last repeats the first.
        step_m: (N - 1,) distances between the points.
        closed: Whether the line closes; an open one begins at standstill.
        friction: mu.
        max_speed_mps: Upper bound.
    """
    grip = friction * GRAVITY_MPS2
    bend = np.abs(curvature)
    speed = np.minimum(max_speed_mps, np.sqrt(grip / np.maximum(bend, 1e-9)))
    if not closed:
        speed[0] = 0.0
    for forwards in (True, False):
        order = range(len(step_m)) if forwards else range(len(step_m) - 1, -1, -1)
        for _ in range(2 if closed else 1):  # a second lap begins with the speed the first ends at
            for k in order:
                here, there = (k, k + 1) if forwards else (k + 1, k)
                sideways = min(speed[here] ** 2 * bend[here], grip)
                along = math.sqrt(grip**2 - sideways**2)
                speed[there] = min(
                    speed[there], math.sqrt(speed[here] ** 2 + 2 * along * step_m[k])
                )
            if closed:
                speed[0] = speed[-1] = min(speed[0], speed[-1])
    return speed


def _corridor(track: Track, margin_m: float) -> tuple[Array, Array, Array, Array, Array]:
    """Points of a smooth centre line, their normals, and the bounds of the offsets.

    Returns:
        Arc lengths (n,), points (n, 2), unit normals to the left (n, 2), lowest (negative) and
        highest offsets (n,); without the repeated last point on a closed track.
    """
    keep = np.append(True, np.diff(track.s_of_waypoint) > 1e-9)
    rows, at_m = track.waypoints[keep].copy(), track.s_of_waypoint[keep]
    if track.closed:
        rows[-1] = rows[0]
    spline = CubicSpline(at_m, rows, bc_type="periodic" if track.closed else "natural")
    count = min(max(round(track.length_m / SPACING_M), 16), _MAX_POINTS)
    s_m = np.linspace(0.0, track.length_m, count + 1)
    if track.closed:
        s_m = s_m[:-1]
    centre, ahead = spline(s_m), spline(s_m, 1)
    ahead /= np.hypot(*ahead.T)[:, None]
    normal = np.stack([-ahead[:, 1], ahead[:, 0]], axis=1)
    # Half widths are distances from the polyline to a border; a point of the smooth line off it by
    # d is at least the half width less d away (triangle inequality).
    spare = margin_m + np.hypot(*(centre - track.point(s_m)).T)
    half_left, half_right = track.half_widths(s_m)
    bend = _curvature(centre, track.closed)
    # On the inside of a bend the normals meet at the radius; points must not change their order.
    fold_left = _FOLD_SHARE / np.maximum(bend, 1e-9)
    fold_right = _FOLD_SHARE / np.maximum(-bend, 1e-9)
    high = np.minimum(half_left - spare, fold_left)
    low = -np.minimum(half_right - spare, fold_right)
    return s_m, centre, normal, np.minimum(low, -1e-6), np.maximum(high, 1e-6)


def _root_cost(line: Array, closed: bool) -> Array:
    """Curvature times the root of the length it stands for, (n,).

    The sum of the squares is the integral of the squared curvature along the line.
    """
    first, second = _differences(line, closed)
    across: Array = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    rooted: Array = across / np.hypot(*first.T) ** 2.5
    return rooted


def _derivative(line: Array, normal: Array, closed: bool) -> Array:
    """Derivative (n, n) of `_root_cost` by the offsets along the normals."""
    count = len(line)
    first, second = _differences(line, closed)
    size = np.hypot(*first.T)
    across = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    out = np.zeros((count, count))
    rows = np.arange(count)
    for shift, in_first, in_second in ((-1, -0.5, 1.0), (0, 0.0, -2.0), (1, 0.5, 1.0)):
        k = (rows + shift) % count
        d_first, d_second = in_first * normal[k], in_second * normal[k]
        d_across = d_first[:, 0] * second[:, 1] + first[:, 0] * d_second[:, 1]
        d_across -= d_first[:, 1] * second[:, 0] + first[:, 1] * d_second[:, 0]
        d_size = np.einsum("ij,ij->i", first, d_first) / size
        out[rows, k] += d_across / size**2.5 - 2.5 * across * d_size / size**3.5
    if not closed:
        out[0] = out[-1] = 0.0  # the ends are straight whatever the offsets
    return out


def _curvature(line: Array, closed: bool) -> Array:
    """Signed curvature (N,) at points (N, 2), 1/m; closed lines may repeat their first point."""
    repeats = closed and bool(np.allclose(line[0], line[-1]))
    first, second = _differences(line[:-1] if repeats else line, closed)
    bend = first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]
    bend = bend / np.hypot(*first.T) ** 3
    return np.append(bend, bend[0]) if repeats else bend


def _differences(line: Array, closed: bool) -> tuple[Array, Array]:
    """First and second derivatives (n, 2) by the index; an open line is straight at its ends."""
    if closed:
        before, after = np.roll(line, 1, axis=0), np.roll(line, -1, axis=0)
    else:
        before = np.vstack([2 * line[0] - line[1], line[:-1]])
        after = np.vstack([line[1:], 2 * line[-1] - line[-2]])
    return (after - before) / 2, after - 2 * line + before
