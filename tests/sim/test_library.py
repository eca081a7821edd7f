"""The tracks that ship, and how any track is found."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from shapely.geometry import LineString

from sim import tracks
from sim.errors import UserError
from sim.polylines import crossings
from sim.track import Track
from sim.track_design import design_route
from sim.tracks.make import make_route

FOLDER = Path(tracks.__file__).parent
LIBRARY = list(tracks.DESIGNS)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HAIRPIN_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def route_file(tmp_path: Path) -> Path:
    corners = [(5.0, 0.0, 1.0), (5.0, 3.0, 1.0), (0.0, 3.0, 1.0), (0.0, 0.0, 1.0)]
    np.save(tmp_path / "yard.npy", design_route(corners, 0.7))
    return tmp_path / "yard.npy"


def test_there_is_a_file_for_each_design_and_no_other() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.npy")) == sorted(LIBRARY)
    assert len(LIBRARY) >= 9 and LIBRARY[0] == "hairpin"


@pytest.mark.parametrize("name", LIBRARY)
def test_the_script_makes_the_file_again(name: str) -> None:
    # Whole micrometres: on another processor a sum may round to the neighbour.
    np.testing.assert_allclose(make_route(name), np.load(FOLDER / f"{name}.npy"), atol=1.5e-6)


@pytest.mark.parametrize("name", LIBRARY)
def test_each_is_small_and_has_the_scale_of_the_car(name: str) -> None:
    track = Track.load(name)
    assert (FOLDER / f"{name}.npy").stat().st_size < 30_000
    assert 12.0 < track.length_m < 60.0
    assert 0.55 < track.widths.min() <= track.widths.max() < 1.15
    assert track.min_radius_m >= 0.6
    assert track.closed == tracks.DESIGNS[name].closed
    assert tracks.info(name).teaches.endswith(".") and tracks.info(name).source == "library"


@pytest.mark.parametrize("name", LIBRARY)
def test_stretches_of_road_keep_clear_of_each_other(name: str) -> None:
    track = Track.load(name)
    road = LineString(track.waypoints).buffer(track.widths.max() / 2 + 0.1)
    holes = {"dash": 0, "crossover": 2}.get(name, 1)
    assert len(road.interiors) == holes


def test_the_crossover_crosses_itself_once_at_a_wide_angle() -> None:
    track = Track.load("crossover")
    (first, second), _ = crossings(track.waypoints, track.waypoints)
    apart_m = abs(track.s_of_waypoint[first] - track.s_of_waypoint[second])
    assert min(apart_m, track.length_m - apart_m) > 10.0
    headings = track.heading(track.s_of_waypoint[[first, second]] + 0.01)
    assert abs(np.sin(headings[1] - headings[0])) > np.sin(np.radians(60))


def test_the_list_has_a_narrow_a_wide_a_long_and_an_open_track_both_ways_round() -> None:
    all_tracks = [Track.load(name) for name in LIBRARY]
    assert min(track.width_m for track in all_tracks) < 0.61
    assert max(track.width_m for track in all_tracks) > 1.07
    assert max(track.length_m for track in all_tracks) > 45.0
    assert {track.closed for track in all_tracks} == {True, False}
    assert {track.is_ccw for track in all_tracks if track.closed} == {True, False}


def test_an_unknown_name_gets_the_nearest_ones() -> None:
    with pytest.raises(UserError, match=r"there is no track 'harpin'.*'hairpin'"):
        tracks.route("harpin")
    with pytest.raises(UserError, match="no track ''"):
        tracks.route("")


def test_a_path_is_a_track(route_file: Path) -> None:
    name, route = tracks.route(str(route_file))
    assert name == "yard"
    np.testing.assert_array_equal(route, np.load(route_file))
    assert tracks.info(str(route_file)).source == "file"


def test_a_missing_path_is_named() -> None:
    with pytest.raises(UserError, match=r"nowhere\.npy: cannot read"):
        tracks.route("nowhere.npy")


def test_an_imported_track_is_found_by_its_name(route_file: Path, home: Path) -> None:
    assert tracks.import_route(route_file) == "yard"
    assert tracks.names() == [*LIBRARY, "yard"]
    np.testing.assert_array_equal(tracks.route("yard")[1], np.load(route_file))
    assert tracks.info("yard").source == "imported"
    assert [path.name for path in (home / "tracks").iterdir()] == ["yard.npy"]


def test_an_imported_track_is_replaced_only_by_force(route_file: Path) -> None:
    tracks.import_route(route_file, "mine")
    with pytest.raises(UserError, match="already is a track 'mine'"):
        tracks.import_route(route_file, "mine")
    assert tracks.import_route(route_file, "mine", force=True) == "mine"


@pytest.mark.parametrize("name", ["../evil", "a b", ".hidden", "random:1", "x.npy", "ä"])
def test_a_name_that_is_no_name_is_refused(route_file: Path, name: str, home: Path) -> None:
    with pytest.raises(UserError, match="cannot be a track's name"):
        tracks.import_route(route_file, name)
    assert not home.exists()


def test_a_name_of_the_library_is_refused_even_by_force(route_file: Path) -> None:
    with pytest.raises(UserError, match="track of the library"):
        tracks.import_route(route_file, "oval", force=True)


def test_a_bad_route_is_not_imported(route_file: Path, home: Path) -> None:
    route = np.load(route_file)
    route[3, 1] = np.nan
    np.save(route_file, route)
    with pytest.raises(UserError, match="row 3"):
        tracks.import_route(route_file)
    assert not home.exists()


def test_a_folder_that_cannot_be_written_is_named(route_file: Path, home: Path) -> None:
    home.write_text("a file where the folder should be")
    with pytest.raises(UserError, match="cannot write the track"):
        tracks.import_route(route_file)
