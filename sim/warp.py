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
from numba import njit, uintp
from numba import uint32 as u4

MAX_SAMPLES = 4  # a pixel near the horizon; more would only sharpen what is metres away
STRETCH = 1.5  # a footprint up to so much longer than wide counts as round
MIN_DROP = 1e-5  # rays that fall less than this a unit ahead show sky
_SLANT = 0.5  # where the rays' drop varies more along a row, its halves get their own mip level
_SPAN = 32  # but no less than so many pixels together: the compiler's vector loops want them


def workspace(width: int, channels: int) -> tuple[Any, ...]:
    """Scratch arrays for `draw`, for images of a width and a number of channels."""
    return (
        np.arange(width, dtype=np.float32),
        *(np.empty(width, dtype=np.uint32) for _ in range(4)),
        np.empty((channels, width), dtype=np.uint32),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def draw(
    origin: Any,
    quaternion: Any,
    which: Any,
    mount: Any,
    lens: Any,
    texture: Any,
    pyramid: Any,
    sky: Any,
    work: Any,
    out: Any,
) -> None:
    """Draws what cameras mounted on bodies see, one image a body.

    Args:
        origin: (n, 3) float64, m, world frame, of the bodies.
        quaternion: (n, 4) float64, unit, xyzw, of the bodies.
        which: (k,) int64, the bodies to draw.
        mount: (x, y, z, pitch): place of the camera in the body frame, m, and how far it looks
            down, rad.
        lens: Focal length, pixels.
        texture: (texels a metre, west rim m, north rim m).
        pyramid: The ground's `mipmap.Pyramid`.
        sky: (height, channels) uint8, the sky's colour by image row.
        work: From `workspace`.
        out: (n, channels, height, width) uint8; the images of `which` are written.
    """
    total = work[5]
    channels, height, width = out.shape[1], out.shape[2], out.shape[3]
    for body in which:
        view = _view(origin, quaternion, body, mount, lens, texture, width, height)
        d0, du, dv = view[8], view[9], view[10]
        across = du * (width - 1)
        for row in range(height):
            middle = d0 + dv * row + 0.5 * across
            if middle + 0.5 * (abs(across) + abs(dv)) <= MIN_DROP:
                for channel in range(channels):
                    for column in range(width):
                        out[body, channel, row, column] = sky[row, channel]
                continue
            step = width
            while step >= 2 * _SPAN and abs(across) * step > _SLANT * middle * width:
                step = (step + 1) // 2
            for first in range(0, width, step):
                count = min(step, width - first)
                share = _span(view, first, count, row, pyramid, sky, work)
                for channel in range(channels):
                    for i in range(count):
                        mean = u4(u4(u4(total[channel, i] * share) + u4(1 << 23)) >> u4(24))
                        out[body, channel, row, uintp(first + i)] = np.uint8(mean)


@njit(cache=True, error_model="numpy")
def _view(
    origin: Any,
    quaternion: Any,
    body: int,
    mount: Any,
    focal: float,
    texture: Any,
    width: int,
    height: int,
) -> Any:
    """How a camera maps pixels to texels of level 0.

    Returns:
        (at_x, at_y, x0, xu, xv, y0, yu, yv, d0, du, dv): pixel (column, row) shows the texel
        (at_x + X / D, at_y + Y / D) with X = x0 + xu * column + xv * row, likewise Y and D;
        D is how far the pixel's ray falls a unit of way along the optical axis.
    """
    x, y, z, w = (
        quaternion[body, 0],
        quaternion[body, 1],
        quaternion[body, 2],
        quaternion[body, 3],
    )
    # The body's axes in the world frame: the rotation matrix's columns.
    ax, ay, az = 1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)
    lx, ly, lz = 2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)
    ux, uy, uz = 2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)
    eye_x = origin[body, 0] + ax * mount[0] + lx * mount[1] + ux * mount[2]
    eye_y = origin[body, 1] + ay * mount[0] + ly * mount[1] + uy * mount[2]
    eye_z = origin[body, 2] + az * mount[0] + lz * mount[1] + uz * mount[2]
    cos, sin = math.cos(mount[3]), math.sin(mount[3])
    # Per pixel: to the right is the body's -y; down is -x * sin - z * cos, in the body frame.
    over = 1.0 / focal
    xu, yu, zu = -lx * over, -ly * over, -lz * over
    xv = -(ax * sin + ux * cos) * over
    yv = -(ay * sin + uy * cos) * over
    zv = -(az * sin + uz * cos) * over
    u0, v0 = 0.5 - 0.5 * width, 0.5 - 0.5 * height
    x0 = ax * cos - ux * sin + u0 * xu + v0 * xv
    y0 = ay * cos - uy * sin + u0 * yu + v0 * yv
    z0 = az * cos - uz * sin + u0 * zu + v0 * zv
    ppm, west, north = texture
    # A camera pushed under the ground, as in a crash, still looks at it from just above.
    k = max(eye_z, 1e-3) * ppm
    at_x, at_y = (eye_x - west) * ppm, (north - eye_y) * ppm
    return at_x, at_y, x0 * k, xu * k, xv * k, -y0 * k, -yu * k, -yv * k, -z0, -zu, -zv


@njit(cache=True, error_model="numpy")
def _span(view: Any, first: int, count: int, row: int, pyramid: Any, sky: Any, work: Any) -> Any:
    """Sums the samples of pixels first .. first + count of a row.

    Returns:
        The factor that makes each sum, times 256 as it is, the mean times 2 ** 24.
    """
    texels, offset, size = pyramid
    total = work[5]
    channels = texels.shape[0]
    at_x, at_y, x0, xu, xv, y0, yu, yv, d0, du, dv = view

    # Width and length of the middle pixel on the ground decide samples and mip level.
    middle = first + 0.5 * (count - 1)
    over = 1.0 / max(d0 + du * middle + dv * row, MIN_DROP)
    px, py = (x0 + xu * middle + xv * row) * over, (y0 + yu * middle + yv * row) * over
    wide = over * math.sqrt((xu - px * du) ** 2 + (yu - py * du) ** 2)
    long = over * math.sqrt((xv - px * dv) ** 2 + (yv - py * dv) ** 2)
    wanted = long / max(STRETCH * wide, STRETCH)
    samples = 1
    while samples < MAX_SAMPLES and samples < wanted:
        samples += 1
    spacing = max(wide, long / samples)
    level = 0
    while spacing > STRETCH and level < offset.shape[0] - 1:
        spacing *= 0.5
        level += 1
    scale = 256.0 / (1 << level)
    columns, rows = size[level, 0], size[level, 1]

    for channel in range(channels):
        for i in range(count):
            total[channel, i] = u4(0)
    for k in range(samples):
        v = row + (k + 0.5) / samples - 0.5
        x, y = x0 + xu * first + xv * v, y0 + yu * first + yv * v
        drop = d0 + du * first + dv * v
        # The drop is linear along the row, so its ground pixels are one piece: begin .. end.
        begin, end = 0, count
        if min(drop, drop + du * (count - 1)) <= MIN_DROP:
            edge = min(max((MIN_DROP - drop) / du, -1.0), float(count)) if du != 0.0 else 0.0
            if du > 0.0:
                begin = min(int(edge + 1.0), count)
            else:
                end = min(int(edge + 1.0), count) if du < 0.0 else 0
            for channel in range(channels):
                for i in range(count):
                    if i < begin or i >= end:
                        total[channel, i] += u4(u4(sky[row, channel]) * u4(256))
        _sample(
            texels,
            uintp(offset[level]),
            columns,
            rows,
            (
                f4(at_x * scale - 128.0),
                f4((x + xu * begin) * scale),
                f4(xu * scale),
                f4(at_y * scale - 128.0),
                f4((y + yu * begin) * scale),
                f4(yu * scale),
                f4(drop + du * begin),
                f4(du),
            ),
            begin,
            end - begin,
            work,
        )
    return u4(65536 // samples)


@njit(cache=True, error_model="numpy")
def _sample(
    texels: Any, start: Any, columns: Any, rows: Any, line: Any, begin: int, count: int, work: Any
) -> None:
    """Adds `count` bilinear samples of a mip level, times 256, to the sums from `begin` on.

    `line` is (at_x, x, dx, at_y, y, dy, drop, ddrop) of the first pixel, in 1/256 of a texel of the
    level, measured from the centre of its first texel.
    """
    at_x, x, dx, at_y, y, dy, drop, ddrop = line
    steps, index, frac_x, frac_y, four, total = work
    last_x, last_y = f4((columns - i4(1)) * i4(256)), f4((rows - i4(1)) * i4(256))
    zero, one = f4(0.0), f4(1.0)
    # Three plain loops instead of one: the compiler turns the first and the last into vector code,
    # and all loads from unpredictable places stand in the second.
    for i in range(count):
        over = one / (drop + steps[i] * ddrop)
        u = i4(min(max((x + steps[i] * dx) * over + at_x, zero), last_x))
        v = i4(min(max((y + steps[i] * dy) * over + at_y, zero), last_y))
        index[i] = u4(i4(i4(v >> i4(8)) * columns) + i4(u >> i4(8)))
        frac_x[i] = u4(u & i4(255))
        frac_y[i] = u4(v & i4(255))
    for channel in range(texels.shape[0]):
        for i in range(count):
            four[i] = texels[channel, start + index[i]]
        for i in range(count):
            # Two bytes are interpolated in one multiplication: they lie 16 bits apart.
            fx, fy = frac_x[i], frac_y[i]
            left = u4(four[i] & u4(0x00FF00FF))
            right = u4(u4(four[i] >> u4(8)) & u4(0x00FF00FF))
            both = u4(u4(left * u4(u4(256) - fx)) + u4(right * fx))
            upper = u4(u4(both & u4(0xFFFF)) * u4(u4(256) - fy))
            lower = u4(u4(both >> u4(16)) * fy)
            total[channel, uintp(begin + i)] += u4(u4(upper + lower) >> u4(8))
