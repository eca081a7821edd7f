"""Drive the racing line: the smoothest way round, computed from the waypoints, at its own speed."""

import numpy as np
from scipy.optimize import least_squares

MARGIN_M = 0.15  # the line stays this far from the borders
GRIP_MPS2 = 4.9  # sideways acceleration that the tyres hold: 0.5 g
TOP_MPS = 4.0
NEAR_M = 0.15  # at this distance from the line, its part of the reward has fallen to 0.37

# What lies beyond an end of the line: on a closed track its other end, else more of the same.
ENDS = {True: {"mode": "wrap"}, False: {"mode": "reflect", "reflect_type": "odd"}}

_lines: dict[object, object] = {}


def reward_function(params):
    """Pays for being near the line, and more for going as fast as it allows there."""
    if not params["all_wheels_on_track"]:
        return 1e-3
    points, speeds = line_of(params["waypoints"], params["track_width"])
    here = np.array([params["x"], params["y"]])
    k = int(np.hypot(*(points - here).T).argmin())
    # Aside of the line, not of its nearest point: the car may be between two of them.
    along = points[min(k + 1, len(points) - 1)] - points[max(k - 1, 0)]
    aside = abs(along[0] * (here - points[k])[1] - along[1] * (here - points[k])[0])
    near = np.exp(-((aside / np.hypot(*along) / NEAR_M) ** 2))
    quick = min(params["speed"] / speeds[k], 1.0)
    return float(1e-3 + near + near * quick**2)


def line_of(waypoints, width):
    """The line's points (N, 2) and speeds (N,): computed once for each direction of driving."""
    key = (len(waypoints), *waypoints[0], *waypoints[1])  # tells the two directions apart
    if key not in _lines:
        way = np.array(waypoints)
        closed = bool(np.allclose(way[0], way[-1]))
        _lines[key] = _compute(way[:-1] if closed else way, width, closed)
    return _lines[key]


def _compute(way, width, closed):
    """Slides points along normals of the centre line until the squared curvature is least."""
    ends = np.vstack([way, way[:1]]) if closed else way
    s = np.append(0.0, np.cumsum(np.hypot(*np.diff(ends, axis=0).T)))
    count = min(max(int(s[-1] / 0.2), 16), 140)
    at = np.linspace(0.0, s[-1], count, endpoint=not closed)
    centre = np.stack([np.interp(at, s, ends[:, k]) for k in (0, 1)], axis=1)

    def differences(line):
        around = np.pad(line, ((1, 1), (0, 0)), **ENDS[closed])
        return (around[2:] - around[:-2]) / 2, around[2:] - 2 * line + around[:-2]

    def curvature(offset):
        first, second = differences(centre + offset[:, None] * normal)
        size = np.hypot(*first.T)
        return (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / size**3, size

    def cost(offset):
        bend, size = curvature(offset)
        return bend * np.sqrt(size)  # the squares add up to the integral along the line

    along, _ = differences(centre)
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.hypot(*along.T)[:, None]
    room = max(width / 2 - MARGIN_M, 0.01)
    found = least_squares(cost, np.zeros(count), bounds=(-room, room), max_nfev=15)
    points = centre + found.x[:, None] * normal
    bend = np.maximum(np.abs(curvature(found.x)[0]), 1e-6)
    return points, np.minimum(TOP_MPS, np.sqrt(GRIP_MPS2 / bend))
