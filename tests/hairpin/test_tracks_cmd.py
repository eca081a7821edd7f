"""The command `hairpin tracks`, as typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from hairpin.cli import run
from sim import tracks

PNG = b"\x89PNG\r\n\x1a\n"
KEYS = {
    "name",
    "title",
    "source",
    "length_m",
    "width_m",
    "min_radius_m",
    "direction",
    "closed",
    "waypoints",
    "teaches",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HAIRPIN_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    np.save("yard.npy", tracks.route("random:3")[1])
    return tmp_path


def test_the_list_has_a_line_for_each_track(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tracks", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    for name, design in tracks.DESIGNS.items():
        (line,) = (line for line in lines if line.split()[:1] == [name])
        assert design.teaches in line
    assert "counter-clockwise" in next(line for line in lines if "hairpin " in line)


def test_the_list_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tracks", "list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == list(tracks.DESIGNS)
    assert all(set(row) == KEYS for row in rows)
    assert rows[0]["length_m"] == pytest.approx(17.57, abs=0.05)
    assert rows[-1]["direction"] == "open"


def test_the_list_as_a_picture(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tracks", "list", "--png", "all.png"]) == 0
    assert (folder / "all.png").read_bytes().startswith(PNG)
    assert "picture: all.png" in capsys.readouterr().out


def test_show_says_the_numbers_and_draws(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tracks", "show", "chicane"]) == 0
    said = capsys.readouterr().out
    assert "20.11 m" in said and "0.80 m" in said and "clockwise" in said
    assert (folder / "chicane.png").read_bytes().startswith(PNG)


def test_show_a_random_track_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tracks", "show", "random:7", "-o", "seven.png", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert set(facts) == KEYS | {"picture"}
    assert facts["source"] == "random" and facts["picture"] == "seven.png"
    assert (folder / "seven.png").exists()


def test_show_with_the_racing_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tracks", "show", "needle", "-o", "plain.png"]) == 0
    assert "racing line" not in capsys.readouterr().out
    assert run(["tracks", "show", "needle", "--racing-line"]) == 0
    assert "racing line      18.2" in capsys.readouterr().out
    assert (folder / "needle.png").read_bytes() != (folder / "plain.png").read_bytes()
    assert run(["tracks", "show", "needle", "--racing-line", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)["racing_line"]
    assert 17.0 < facts["length_m"] < 19.0 and 5.0 < facts["lap_time_s"] < 8.0


def test_show_a_straight_road(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = np.linspace(0.0, 6.0, 22)
    rows = [x, np.zeros(22), x, np.full(22, 0.3), x, np.full(22, -0.3)]
    np.save("straight.npy", np.stack(rows, axis=1))
    assert run(["tracks", "show", "straight.npy"]) == 0
    assert "straight\n" in capsys.readouterr().out


def test_import_then_list_then_show(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["tracks", "import", "yard.npy", "--name", "backyard"]) == 0
    assert "hairpin train --track backyard" in capsys.readouterr().out
    assert run(["tracks", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["source"] == "imported"
    assert run(["tracks", "show", "backyard"]) == 0


def test_import_as_json_says_where_it_went(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tracks", "import", "yard.npy", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["name"] == "yard"
    assert facts["file"] == str(folder / "home" / "tracks" / "yard.npy")
    assert Path(facts["file"]).is_file()


def test_a_spoilt_track_of_ones_own_does_not_spoil_the_list(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tracks", "import", "yard.npy"]) == 0
    (folder / "home" / "tracks" / "yard.npy").write_bytes(b"spoilt")
    capsys.readouterr()
    assert run(["tracks", "list", "--json"]) == 0
    said = capsys.readouterr()
    assert len(json.loads(said.out)) == len(tracks.DESIGNS)
    assert "yard.npy" in said.err


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["show", "harpin"], "'hairpin'"),
        (["show", "random:abc"], "whole number"),
        (["show", "gone.npy"], "gone.npy"),
        (["show", "oval", "-o", "no/such/folder.png"], "cannot write the picture"),
        (["import", "gone.npy"], "gone.npy"),
        (["import", "yard.npy", "--name", "oval"], "library"),
        (["import", "yard.npy", "--name", "../x"], "cannot be a track's name"),
        (["list", "--png", "no/such/folder.png"], "cannot write the picture"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    args: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["tracks", *args]) == 2
    said = capsys.readouterr().err
    assert message in said and said.count("\n") == 1
