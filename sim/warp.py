"""Compiled perspective views of the textured ground: the inner loops of every camera.

A pixel's ray meets the flat ground at a point that is a ratio of two functions linear in the pixel,
so a pixel costs one division. Far ground is seen at a grazing angle: a pixel's footprint is then
many times longer than wide. Each pixel is therefore the mean of several bilinear samples, spread
over its height, from the mip level that suits their spacing: far ground neither shimmers nor blurs
sideways.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import float32 as f4
from numba import int32 as i4
from numba import njit
from numba import uint32 as u4

MAX_SAMPLES = 4  # a pixel near the horizon; more would only sharpen what is metres away
STRETCH = 1.5  # a footprint up to so much longer than wide counts as round
MIN_DROP = 1e-5  # rays that fall less than this a unit ahead show sky
_SPAN = 16  # pixels that share a mip level where the horizon is slanted
_SLANT = 0.25  # a row whose rays' drop varies by less, relative to its middle, is one span


@njit(cache=True, error_model="numpy")
def rotation(q: Any) -> Any:
    """The entries, row by row, of the rotation matrix of a unit quaternion xyzw."""
    x, y, z, w = q[0], q[1], q[2], q[3]
    return (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )


@njit(cache=True, error_model="numpy")
def ground_view(eye: Any, forward: Any, right: Any, down: Any, lens: Any, texture: Any) -> Any:
    """How a pinhole camera maps pixels to texels.

    Args:
        eye: (x, y, z) of the camera, m, world frame; z > 0.
        forward: Its optical axis, a unit vector in the world frame.
        right: The direction of the image's rows, likewise.
        down: The direction of the image's columns, likewise.
        lens: (focal length in pixels, image width, image height).
        texture: (texels a metre, west rim m, north rim m).

    Returns:
        (at_x, at_y, x, y, drop): pixel (column, row) shows texel (at_x + X / D, at_y + Y / D) of
        level 0, with X = x[0] + x[1] * column + x[2] * row, likewise Y and D; sky where D <= 0.
    """
    focal, width, height = lens
    ppm, west, north = texture
    u0 = (0.5 - 0.5 * width) / focal
    v0 = (0.5 - 0.5 * height) / focal
    kx = eye[2] * ppm
    x = forward[0] + u0 * right[0] + v0 * down[0], right[0] / focal, down[0] / focal
    y = forward[1] + u0 * right[1] + v0 * down[1], right[1] / focal, down[1] / focal
    z = forward[2] + u0 * right[2] + v0 * down[2], right[2] / focal, down[2] / focal
    return (
        (eye[0] - west) * ppm,
        (north - eye[1]) * ppm,
        (x[0] * kx, x[1] * kx, x[2] * kx),
        (-y[0] * kx, -y[1] * kx, -y[2] * kx),
        (-z[0], -z[1], -z[2]),
    )


@njit(cache=True, error_model="numpy")
def _footprint(view: Any, column: float, row: float) -> Any:
    """Width and length of a pixel on the ground, in texels of level 0."""
    _, _, x, y, d = view
    drop = max(d[0] + d[1] * column + d[2] * row, MIN_DROP)
    over = 1.0 / drop
    px = (x[0] + x[1] * column + x[2] * row) * over
    py = (y[0] + y[1] * column + y[2] * row) * over
    wide = math.hypot((x[1] - px * d[1]) * over, (y[1] - py * d[1]) * over)
    long = math.hypot((x[2] - px * d[2]) * over, (y[2] - py * d[2]) * over)
    return wide, long


@njit(cache=True, error_model="numpy")
def _quality(view: Any, column: float, row: float, levels: int) -> Any:
    """Samples a pixel and mip level for the pixels around (column, row)."""
    wide, long = _footprint(view, column, row)
    samples = math.ceil(min(long / max(STRETCH * wide, STRETCH), float(MAX_SAMPLES)))
    samples = max(samples, 1)
    spacing = max(wide, long / samples)
    level = 0
    while spacing > STRETCH and level < levels - 1:
        spacing *= 0.5
        level += 1
    return samples, level


@njit(cache=True, error_model="numpy")
def _sample(
    texels: Any, level: Any, line: Any, begin: int, count: int, work: Any, total: Any
) -> None:
    """Adds `count` bilinear samples, times 256, to total (channels, width) from `begin` on.

    `level` is (start, columns, rows) of a mip level.

    `line` is (at_x, at_y, x, dx, y, dy, drop, ddrop) of the first pixel, with texel coordinates in
    1/256 of a texel of the level, measured from the centre of its first texel.
    """
    start, columns, rows = level
    at_x, at_y, x, dx, y, dy, drop, ddrop = line
    steps, index, frac_x, frac_y, four = work
    last_x, last_y = f4((columns - i4(1)) * i4(256)), f4((rows - i4(1)) * i4(256))
    zero, one = f4(0.0), f4(1.0)
    # Three plain loops instead of one: the compiler turns the first and the last into vector code,
    # and all loads at unpredictable addresses stand in the second.
    for i in range(count):
        over = one / (drop + steps[i] * ddrop)
        u = i4(min(max((x + steps[i] * dx) * over + at_x, zero), last_x))
        v = i4(min(max((y + steps[i] * dy) * over + at_y, zero), last_y))
        index[i] = u4(i4(i4(v >> i4(8)) * columns) + i4(u >> i4(8)))
        frac_x[i] = u4(u & i4(255))
        frac_y[i] = u4(v & i4(255))
    for channel in range(texels.shape[0]):
        plane = texels[channel]
        sums = total[channel][begin:]
        for i in range(count):
            four[i] = plane[start + index[i]]
        for i in range(count):
            # Two bytes are interpolated in one multiplication: they lie 16 bits apart.
            fx, fy = frac_x[i], frac_y[i]
            left = u4(four[i] & u4(0x00FF00FF))
            right = u4(u4(four[i] >> u4(8)) & u4(0x00FF00FF))
            both = u4(u4(left * u4(u4(256) - fx)) + u4(right * fx))
            upper = u4(u4(both & u4(0xFFFF)) * u4(u4(256) - fy))
            lower = u4(u4(both >> u4(16)) * fy)
            sums[i] += u4(u4(upper + lower) >> u4(8))


@njit(cache=True, error_model="numpy")
def workspace(width: int) -> Any:
    """Scratch rows for images of a width."""
    return (
        np.arange(width).astype(np.float32),
        np.empty(width, np.uint32),
        np.empty(width, np.uint32),
        np.empty(width, np.uint32),
        np.empty(width, np.uint32),
    )


@njit(cache=True, error_model="numpy")
def _span(
    view: Any, first: int, count: int, row: int, pyramid: Any, work: Any, total: Any, sky: Any
) -> Any:
    """Sums the samples of pixels first .. first + count of a row; returns how many a pixel."""
    texels, offset, size = pyramid
    at_x, at_y, x, y, d = view
    samples, level = _quality(view, first + 0.5 * (count - 1), row, len(offset))
    scale = 256.0 / (1 << level)
    total[:, :count] = u4(0)
    for k in range(samples):
        v = row + (k + 0.5) / samples - 0.5
        drop = d[0] + d[1] * first + d[2] * v
        # The drop is linear along the row, so its ground pixels are one piece: begin .. end.
        begin, end = 0, count
        if drop <= MIN_DROP or drop + d[1] * (count - 1) <= MIN_DROP:
            edge = (MIN_DROP - drop) / d[1] if d[1] != 0.0 else math.inf
            if d[1] > 0.0:
                begin = min(max(math.floor(min(edge, 1e6)) + 1, 0), count)
            elif d[1] < 0.0:
                end = min(max(math.ceil(min(edge, 1e6)), 0), count)
            else:
                end = 0
        for channel in range(len(texels)):
            for i in range(begin):
                total[channel, i] += u4(u4(sky[row, channel]) * u4(256))
            for i in range(end, count):
                total[channel, i] += u4(u4(sky[row, channel]) * u4(256))
        if begin < end:
            u = float(first + begin)
            line = (
                f4(at_x * scale - 128.0),
                f4(at_y * scale - 128.0),
                f4((x[0] + x[1] * u + x[2] * v) * scale),
                f4(x[1] * scale),
                f4((y[0] + y[1] * u + y[2] * v) * scale),
                f4(y[1] * scale),
                f4(d[0] + d[1] * u + d[2] * v),
                f4(d[1]),
            )
            mip = np.uintp(offset[level]), size[level, 0], size[level, 1]
            _sample(texels, mip, line, begin, end - begin, work, total)
    return samples


@njit(cache=True, error_model="numpy")
def draw(view: Any, pyramid: Any, sky: Any, work: Any, total: Any, out: Any) -> None:
    """Draws what a view shows.

    Args:
        view: From `ground_view`.
        pyramid: The ground's `mipmap.Pyramid`.
        sky: (height, channels) uint8, the sky's colour by image row.
        work: From `workspace`.
        total: (channels, width) uint32, scratch.
        out: (channels, height, width) uint8, written.
    """
    channels, height, width = out.shape
    d = view[4]
    for row in range(height):
        lower = d[0] + d[2] * row + 0.5 * abs(d[2])
        across = d[1] * (width - 1)
        if lower + max(across, 0.0) <= MIN_DROP:
            for channel in range(channels):
                out[channel, row] = sky[row, channel]
            continue
        middle = d[0] + d[2] * row + 0.5 * across
        step = width if abs(across) < _SLANT * middle else _SPAN
        first = 0
        while first < width:
            count = min(step, width - first)
            samples = _span(view, first, count, row, pyramid, work, total, sky)
            share = u4(65536 // samples)
            for channel in range(channels):
                sums, line = total[channel], out[channel, row]
                for i in range(count):
                    mean = u4(u4(u4(sums[i] * share) + u4(1 << 23)) >> u4(24))
                    line[first + i] = np.uint8(mean)
            first += count


@njit(cache=True, nogil=True, error_model="numpy")
def draw_from_bodies(
    origin: Any,
    quaternion: Any,
    which: Any,
    mount: Any,
    lens: Any,
    texture: Any,
    pyramid: Any,
    sky: Any,
    out: Any,
) -> None:
    """Draws what cameras mounted on bodies see, one image a body.

    Args:
        origin: (n, 3) float64, m, world frame, of the bodies.
        quaternion: (n, 4) float64, xyzw, of the bodies.
        which: (k,) int64, the bodies to draw.
        mount: (x, y, z, pitch): place of the camera in the body frame, m, and how far it looks
            down, rad.
        lens: As for `ground_view`.
        texture: As for `ground_view`.
        pyramid: As for `draw`.
        sky: As for `draw`.
        out: (n, channels, height, width) uint8; the images of `which` are written.
    """
    channels, width = out.shape[1], out.shape[3]
    work = workspace(width)
    total = np.empty((channels, width), np.uint32)
    cos, sin = math.cos(mount[3]), math.sin(mount[3])
    for k in which:
        a, b, c = rotation(quaternion[k])
        eye = (
            origin[k, 0] + a[0] * mount[0] + a[1] * mount[1] + a[2] * mount[2],
            origin[k, 1] + b[0] * mount[0] + b[1] * mount[1] + b[2] * mount[2],
            origin[k, 2] + c[0] * mount[0] + c[1] * mount[1] + c[2] * mount[2],
        )
        if eye[2] <= 0.0:
            out[k] = 0  # under the ground there is nothing to see
            continue
        forward = a[0] * cos - a[2] * sin, b[0] * cos - b[2] * sin, c[0] * cos - c[2] * sin
        down = -a[0] * sin - a[2] * cos, -b[0] * sin - b[2] * cos, -c[0] * sin - c[2] * cos
        view = ground_view(eye, forward, (-a[1], -b[1], -c[1]), down, lens, texture)
        draw(view, pyramid, sky, work, total, out[k])
