"""The car's camera against the pinhole formula and against PyBullet's own renderer."""

from __future__ import annotations

import math
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import pybullet
import pytest

from sim.camera import CAMERAS, SKY_GRAY, Camera, CameraSpec
from sim.ground import Ground
from sim.track import Track

Floats = npt.NDArray[np.float64]
Image = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def track() -> Track:
    return Track.load("hairpin")


@pytest.fixture(scope="module")
def ground(track: Track) -> Ground:
    return Ground.bake(track)


def plain_ground(gray: Image, pixels_per_m: float) -> Ground:
    """A ground with a given picture, its middle at the world's origin."""
    rows, columns = gray.shape
    colour = np.repeat(gray[..., None], 3, axis=2)
    return Ground(colour, gray, pixels_per_m, -columns / pixels_per_m / 2, rows / pixels_per_m / 2)


def quaternion(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> Floats:
    return np.array(pybullet.getQuaternionFromEuler([roll, pitch, yaw]))


def poses(track: Track, count: int, tilt_rad: float = 0.0) -> tuple[Floats, Floats]:
    """Cars along the track, a little off its middle and its heading, tilted as on springs."""
    random = np.random.default_rng(7)
    s_m = np.linspace(0.0, track.length_m, count, endpoint=False)
    origin = np.zeros((count, 3))
    origin[:, :2] = track.point(s_m) + random.normal(0.0, 0.08, (count, 2))
    yaw = track.heading(s_m) + random.normal(0.0, 0.2, count)
    tilt = random.normal(0.0, tilt_rad, (count, 2)) if tilt_rad else np.zeros((count, 2))
    return origin, np.array([quaternion(y, *t) for y, t in zip(yaw, tilt, strict=True)])


def render(camera: Camera, origin: Floats, orientation: Floats) -> Image:
    spec = camera.spec
    out = np.zeros((len(origin), spec.height, spec.width), dtype=np.uint8)
    camera.render(origin, orientation, out)
    return out


def project(spec: CameraSpec, origin: Floats, orientation: Floats, point: Floats) -> Floats:
    """Image coordinates of a world point by the pinhole formula; pixel centres are at k + 0.5."""
    body = np.array(pybullet.getMatrixFromQuaternion(orientation)).reshape(3, 3)
    cos, sin = math.cos(spec.pitch_rad), math.sin(spec.pitch_rad)
    axes = body @ np.array([[0.0, -sin, cos], [-1.0, 0.0, 0.0], [0.0, -cos, -sin]])
    right, down, ahead = axes.T @ (point - origin - body @ np.array(spec.mount_m))
    middle = np.array([spec.width / 2, spec.height / 2])
    at: Floats = middle + spec.focal_px * np.array([right, down]) / ahead
    return at


def test_spec_is_the_deepracer_camera() -> None:
    spec = CAMERAS["deepracer"]
    assert (spec.width, spec.height) == (160, 120)
    assert math.degrees(spec.horizontal_fov_rad) == pytest.approx(64.7, abs=0.05)
    assert math.degrees(spec.pitch_rad) == pytest.approx(15.0, abs=0.01)
    assert 2 * math.atan(spec.width / 2 / spec.focal_px) == pytest.approx(spec.horizontal_fov_rad)


@pytest.mark.parametrize("name", sorted(CAMERAS))
@pytest.mark.parametrize("tilt_rad", [0.0, 0.06])
def test_a_point_lands_where_the_pinhole_formula_says(name: str, tilt_rad: float) -> None:
    spec, random = CAMERAS[name], np.random.default_rng(3)
    errors = []
    for _ in range(60):
        dot = random.uniform(-1.0, 1.0, 2)
        picture = np.zeros((600, 600), dtype=np.uint8)
        at = (dot * (100, -100) + 299.5) * 16
        cv2.circle(picture, np.round(at).astype(int).tolist(), 2 * 16, 255, -1, cv2.LINE_AA, 4)
        camera = Camera(spec, plain_ground(picture, 100.0))
        yaw = random.uniform(-math.pi, math.pi)
        distance, aside = random.uniform(0.35, 1.0), random.uniform(-0.1, 0.1)
        forward = np.array([math.cos(yaw), math.sin(yaw)])
        origin = np.zeros((1, 3))
        origin[0, :2] = dot - forward * distance + aside * np.array([-forward[1], forward[0]])
        origin[0, 2] = random.uniform(-0.004, 0.004)
        orientation = quaternion(yaw, *random.normal(0.0, tilt_rad, 2))[None]
        circle = np.linspace(0.0, 2 * math.pi, 48, endpoint=False)
        outline = np.array(
            [
                project(spec, origin[0], orientation[0], np.array([*dot, 0.0]) + rim)
                for rim in 0.02 * np.stack([np.cos(circle), np.sin(circle), 0 * circle], axis=1)
            ]
        )
        moments = cv2.moments(outline.astype(np.float32))
        column, row = moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]
        if not (8 < column < spec.width - 8 and spec.height / 3 < row < spec.height - 8):
            continue
        image = render(camera, origin, orientation)[0].astype(float)
        rows, columns = np.mgrid[: spec.height, : spec.width] + 0.5
        near = np.maximum(np.abs(rows - row), np.abs(columns - column)) < spec.width / 10
        weight = (image * near).sum()
        assert weight > 0
        seen_column = (image * columns * near).sum() / weight
        seen_row = (image * rows * near).sum() / weight
        errors.append((seen_column - column, seen_row - row))
    assert len(errors) > 30
    assert np.abs(np.mean(errors, axis=0)).max() < 0.1
    assert np.abs(errors).max() < 0.6


def bullet_image(
    ground: Ground, spec: CameraSpec, path: str, poses: tuple[Floats, Floats]
) -> list[Image]:
    """The same ground as a textured plane, drawn by PyBullet at four times the resolution."""
    client = pybullet.connect(pybullet.DIRECT)
    try:
        rows, columns = ground.gray.shape
        side = max(rows, columns)
        picture = np.full((side, side, 3), ground.colour[0, 0], dtype=np.uint8)
        picture[:rows, :columns] = ground.colour
        cv2.imwrite(path, picture[..., ::-1])
        n = 50  # a fine mesh, as this renderer drops triangles that reach behind the camera
        v, u = (k.ravel() / n for k in np.mgrid[: n + 1, : n + 1])
        size_m = side / ground.pixels_per_m
        vertices = np.stack(
            [ground.west_m + u * size_m, ground.north_m - v * size_m, 0 * u], axis=1
        )
        corner = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).ravel()
        a, b, c, d = corner, corner + 1, corner + n + 1, corner + n + 2
        faces = np.stack([a, c, b, b, c, d], axis=1).ravel()
        shape = pybullet.createVisualShape(
            pybullet.GEOM_MESH,
            vertices=vertices.tolist(),
            indices=faces.tolist(),
            uvs=np.stack([u, 1 - v], axis=1).tolist(),
            normals=[[0, 0, 1]] * len(vertices),
            physicsClientId=client,
        )
        plane = pybullet.createMultiBody(0, -1, shape, physicsClientId=client)
        texture = pybullet.loadTexture(path, physicsClientId=client)
        pybullet.changeVisualShape(plane, -1, textureUniqueId=texture, physicsClientId=client)
        return [bullet_view(client, spec, *pose) for pose in zip(*poses, strict=True)]
    finally:
        pybullet.disconnect(client)


def bullet_view(client: int, spec: CameraSpec, origin: Floats, orientation: Floats) -> Image:
    body = np.array(pybullet.getMatrixFromQuaternion(orientation)).reshape(3, 3)
    cos, sin = math.cos(spec.pitch_rad), math.sin(spec.pitch_rad)
    eye = origin + body @ np.array(spec.mount_m)
    ahead, up = body @ np.array([cos, 0, -sin]), body @ np.array([sin, 0, cos])
    vertical = 2 * math.atan(spec.height / 2 / spec.focal_px)
    fine = 4
    _, _, rgba, _, _ = pybullet.getCameraImage(
        spec.width * fine,
        spec.height * fine,
        pybullet.computeViewMatrix(eye.tolist(), (eye + ahead).tolist(), up.tolist()),
        pybullet.computeProjectionMatrixFOV(
            math.degrees(vertical), spec.width / spec.height, 0.02, 300.0
        ),
        shadow=0,
        lightAmbientCoeff=1.0,
        lightDiffuseCoeff=0.0,
        lightSpecularCoeff=0.0,
        renderer=pybullet.ER_TINY_RENDERER,
        physicsClientId=client,
    )
    rgb = np.array(rgba, dtype=np.uint8).reshape(spec.height * fine, spec.width * fine, 4)[..., :3]
    gray = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    image: Image = cv2.resize(gray, (spec.width, spec.height), interpolation=cv2.INTER_AREA)
    return image


@pytest.mark.parametrize("name", sorted(CAMERAS))
def test_agrees_with_the_renderer_of_pybullet(
    name: str, track: Track, ground: Ground, tmp_path: Path
) -> None:
    spec = CAMERAS[name]
    where = poses(track, 6, tilt_rad=0.03)
    ours = render(Camera(spec, ground), *where).astype(float)
    theirs = np.array(bullet_image(ground, spec, str(tmp_path / "ground.png"), where), dtype=float)
    ground_rows = slice(spec.height * 2 // 5, None)  # the sky's colour is each renderer's own
    difference = np.abs(ours - theirs)[:, ground_rows].mean(axis=(1, 2))
    assert difference.max() < 2.5
    for a, b in zip(ours[:, ground_rows], theirs[:, ground_rows], strict=True):
        (right, down), _ = cv2.phaseCorrelate(a, b)
        assert abs(right) < 0.35 and abs(down) < 0.35


def test_images_depend_on_nothing_but_their_own_pose(track: Track, ground: Ground) -> None:
    where = poses(track, 12, tilt_rad=0.05)
    camera = Camera(CAMERAS["fast"], ground)
    together = render(camera, *where)
    alone = [
        render(Camera(CAMERAS["fast"], ground), where[0][k : k + 1], where[1][k : k + 1])[0]
        for k in range(12)
    ]
    np.testing.assert_array_equal(together, alone)
    some = np.full_like(together, 7)
    camera.render(*where, some, np.array([3, 8]))
    np.testing.assert_array_equal(some[[3, 8]], together[[3, 8]])
    assert (np.delete(some, [3, 8], axis=0) == 7).all()


def test_far_ground_does_not_shimmer(track: Track, ground: Ground) -> None:
    camera = Camera(CAMERAS["fast"], ground)
    steps = 80
    origin = np.zeros((steps, 3))
    heading = float(track.heading(0.1))
    ahead = np.array([math.cos(heading), math.sin(heading)])
    origin[:, :2] = track.point(0.1) + np.linspace(0.0, 0.08, steps)[:, None] * ahead
    images = render(camera, origin, np.tile(quaternion(heading), (steps, 1))).astype(float)
    far = images[:, 15:22]  # 1 m ahead and beyond; a millimetre must not change a pixel much
    assert np.abs(np.diff(far, axis=0)).max() < 12.0


@pytest.mark.parametrize("roll", [0.0, 0.2, 1.2, -2.0, math.pi])
def test_sky_is_above_the_horizon(ground: Ground, roll: float) -> None:
    spec = CAMERAS["fast"]
    origin, orientation = np.array([[0.0, 0.0, 0.5]]), quaternion(0.3, 0.0, roll)[None]
    image = render(Camera(spec, ground), origin, orientation)[0]
    sky = np.zeros_like(image, dtype=bool)
    body = np.array(pybullet.getMatrixFromQuaternion(orientation[0])).reshape(3, 3)
    cos, sin = math.cos(spec.pitch_rad), math.sin(spec.pitch_rad)
    for row in range(spec.height):
        for column in range(spec.width):
            right = (column + 0.5 - spec.width / 2) / spec.focal_px
            down = (row + 0.5 - spec.height / 2) / spec.focal_px
            ray = body @ np.array([cos - sin * down, -right, -sin - cos * down])
            sky[row, column] = ray[2] > 0.01
    assert (image[sky] == SKY_GRAY).mean() > 0.98
    assert (image[~sky] < SKY_GRAY - 20).mean() > 0.9


def test_colour_and_gray_show_the_same(track: Track, ground: Ground) -> None:
    spec = CAMERAS["deepracer"]
    where = poses(track, 4)
    camera = Camera(spec, ground)
    colour = np.zeros((4, spec.height, spec.width, 3), dtype=np.uint8)
    camera.render_colour(*where, colour)
    gray = render(camera, *where)
    for k in range(4):
        luma = cv2.cvtColor(colour[k], cv2.COLOR_RGB2GRAY).astype(float)
        assert np.abs(luma - gray[k])[spec.height // 2 :].max() <= 3.0
