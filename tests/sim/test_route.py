"""Route files: what is read, and each way in which one can be wrong."""

from __future__ import annotations

import os
import pickle
from pathlib import Path

import numpy as np
import pytest

from sim.errors import UserError
from sim.route import check_route, is_closed, load_route
from sim.track_design import design_route

REAL_FOLDER = os.environ.get("HAIRPIN_TEST_ROUTES")
REAL = sorted(Path(REAL_FOLDER).glob("*.npy")) if REAL_FOLDER else []


def ring(radius_m: float = 2.0, half_m: float = 0.4, rows: int = 90) -> np.ndarray:
    turn = np.linspace(0.0, 2 * np.pi, rows + 1)
    ray = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    route = np.hstack([radius_m * ray, (radius_m - half_m) * ray, (radius_m + half_m) * ray])
    route[-1] = route[0]
    return route


def complaint(route: np.ndarray, **options: bool) -> str:
    with pytest.raises(UserError) as caught:
        check_route(route, where="mine.npy", **options)
    message = str(caught.value)
    assert message.startswith("mine.npy") and "\n" not in message
    return message


def test_a_saved_route_is_read_as_it_is(tmp_path: Path) -> None:
    route = ring()
    np.save(tmp_path / "ring.npy", route)
    loaded = load_route(tmp_path / "ring.npy", closed=True)
    assert loaded.dtype == np.float64
    np.testing.assert_array_equal(loaded, route)
    assert is_closed(loaded)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, ">f8"])
def test_any_float_type_becomes_float64(dtype: str) -> None:
    assert check_route(ring().astype(dtype)).dtype == np.float64


def test_a_gap_of_rounding_is_closed() -> None:
    route = ring()
    route[-1] += 1e-9
    assert is_closed(check_route(route, closed=True))


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_routes_pass_unchanged(path: Path) -> None:
    np.testing.assert_array_equal(load_route(path), np.load(path))


@pytest.mark.parametrize("path", REAL, ids=lambda path: path.stem)
def test_real_routes_pass_in_reverse_and_mirrored(path: Path) -> None:
    route = np.load(path)
    check_route(route[::-1])
    check_route(route * np.tile([1.0, -1.0], 3))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.npy: cannot read the route: No such file"):
        load_route(tmp_path / "gone.npy")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"x,y\n1,2\n",
        pickle.dumps([1, 2]),
        b"\x93NUMPY\x01\x00",
        b"\x93NUMPY\x01\x00\x76\x00"
        + b"{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999999, 6), }".ljust(118),
    ],
    ids=["empty", "text", "pickle", "cut", "huge"],
)
def test_a_file_that_is_no_array_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "bad.npy").write_bytes(content)
    with pytest.raises(UserError, match=r"bad\.npy: not a NumPy array file"):
        load_route(tmp_path / "bad.npy")


def test_a_pickled_array_is_not_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (Path.touch, (tmp_path / "sprung",))  # type: ignore[return-value]

    np.save(tmp_path / "trap.npy", np.array([Trap()], dtype=object), allow_pickle=True)
    with pytest.raises(UserError, match="not a NumPy array file"):
        load_route(tmp_path / "trap.npy")
    assert not (tmp_path / "sprung").exists()


def test_an_enormous_file_is_not_read(tmp_path: Path) -> None:
    with open(tmp_path / "big.npy", "wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(UserError, match="larger than"):
        load_route(tmp_path / "big.npy")


@pytest.mark.parametrize(
    "array",
    [ring()[:, :4], ring().ravel(), ring().astype(complex), ring().astype(str), np.zeros((0, 6))],
    ids=["columns", "flat", "complex", "text", "empty"],
)
def test_a_wrong_shape_or_type_is_refused(array: np.ndarray) -> None:
    assert "shape" in complaint(array) or "rows" in complaint(array)


def test_too_few_and_too_many_rows_are_refused() -> None:
    assert "3 rows" in complaint(ring()[:3])
    assert "rows" in complaint(ring(rows=6000))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_found_by_row(value: float) -> None:
    route = ring()
    route[7, 3] = value
    assert "row 7" in complaint(route)


def test_an_open_route_is_refused_only_where_a_closed_one_is_needed() -> None:
    route = ring()[:-1]
    assert not is_closed(check_route(route))
    assert "is open" in complaint(route, closed=True)


def test_units_other_than_metres_are_noticed() -> None:
    assert "metres" in complaint(ring() * 100)
    assert "metres" in complaint(ring() / 10)


def test_one_row_written_twice_passes_as_in_public_routes() -> None:
    check_route(np.insert(ring(), 40, ring()[40], axis=0))


def test_rows_that_stand_still_are_refused() -> None:
    route = ring()
    assert "row 42" in complaint(np.insert(route, 40, [route[40]] * 2, axis=0))
    route[41, :2] = route[40, :2]
    assert "row 41" in complaint(route)


def test_a_road_without_width_is_refused() -> None:
    assert "wide" in complaint(ring(half_m=0.0))
    assert "wide" in complaint(ring(half_m=0.1))
    pinched = ring()
    pinched[30:34, 2:4] = pinched[30:34, 4:6] = pinched[30:34, 0:2]
    assert "wide" in complaint(pinched)


def test_borders_on_one_side_are_refused() -> None:
    route = ring()
    route[:, 2:4] = route[:, 0:2] * 1.2
    route[:, 4:6] = route[:, 0:2] * 1.4
    assert "same side" in complaint(route)


def test_swapped_borders_are_legal() -> None:
    check_route(ring()[:, [0, 1, 4, 5, 2, 3]])


def test_a_bend_tighter_than_half_the_width_is_refused() -> None:
    corners = [(6.0, 0.0, 0.25), (6.0, 3.0, 1.0), (0.0, 3.0, 1.0), (0.0, 0.0, 1.0)]
    check_route(design_route(corners, 0.4, softness_m=0.05))
    assert "border" in complaint(design_route(corners, 1.0, softness_m=0.05))


@pytest.mark.parametrize("gap_m", [0.5, 0.7])
def test_two_stretches_that_touch_are_refused(gap_m: float) -> None:
    low, high = 2.0 - gap_m / 2, 2.0 + gap_m / 2
    corners = [
        (7.0, 0.0, 0.8),
        (7.0, low, 0.4),
        (3.0, low, 0.2),
        (3.0, high, 0.2),
        (7.0, high, 0.4),
        (7.0, 4.0, 0.8),
        (0.0, 4.0, 0.8),
        (0.0, 0.0, 0.8),
    ]
    assert "border" in complaint(design_route(corners, 0.8, softness_m=0.1))


def test_a_crossover_at_a_clear_angle_is_legal_and_a_shallow_one_is_not() -> None:
    def eight(height_m: float) -> np.ndarray:
        corners = [
            (10.0, height_m, 1.0),
            (12.0, height_m / 2 + 1, 0.8),
            (12.0, -height_m / 2 - 1, 0.8),
            (10.0, -height_m, 1.0),
            (0.0, height_m, 1.0),
            (-2.0, height_m / 2 + 1, 0.8),
            (-2.0, -height_m / 2 - 1, 0.8),
            (0.0, -height_m, 1.0),
        ]
        return design_route(corners, 0.8, softness_m=0.1)

    check_route(eight(3.0), closed=True)
    assert "itself" in complaint(eight(0.6)) or "border" in complaint(eight(0.6))


def test_a_knot_is_refused() -> None:
    turn = np.linspace(0.0, 2 * np.pi, 200)
    # A limacon: its inner loop is far smaller than the road is wide.
    radius = 2.0 + 2.6 * np.cos(turn)
    centre = radius[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    along = np.gradient(centre, axis=0)
    left = np.stack([-along[:, 1], along[:, 0]], axis=1)
    left /= np.linalg.norm(left, axis=1)[:, None]
    route = np.hstack([centre, centre + 0.4 * left, centre - 0.4 * left])
    route[-1] = route[0]
    assert "knot" in complaint(route) or "border" in complaint(route)


def test_a_zigzag_border_is_refused() -> None:
    route = ring()
    route[20, 4:6] = route[14, 4:6]
    assert "folds back" in complaint(route)
