"""The committed files are what the code writes, in a form that Grafana knows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Fields that Grafana's Prometheus data source reads and the SDK's general class does not list.
OF_PROMETHEUS = {"step", "titleFormat", "textFormat", "tagKeys", "useValueForTime"}

needs_sdk = pytest.mark.skipif(
    sys.version_info < (3, 11), reason="Grafana's SDK is for Python 3.11 and later"
)


@needs_sdk
def test_committed_files_are_what_the_code_writes() -> None:
    from dashboards.write import files

    for path, content in files().items():
        assert path.read_text(encoding="utf-8") == content, "run `python -m dashboards`"


@needs_sdk
def test_nothing_else_is_committed_beside_them() -> None:
    from dashboards.write import FOLDER, files

    there = {path for name in ("grafana", "alerts") for path in (FOLDER / name).iterdir()}
    assert there == {path for path in files() if path.parent != FOLDER}


@needs_sdk
def test_check_tells_of_outdated_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from dashboards import write

    monkeypatch.setattr(write, "FOLDER", tmp_path)
    assert set(write.outdated()) == set(write.files())
    assert set(write.write()) == set(write.files())
    assert write.outdated() == []
    page = tmp_path / "RUNBOOKS.md"
    page.write_text(page.read_text(encoding="utf-8") + "by hand", encoding="utf-8")
    assert write.outdated() == [page]


@needs_sdk
def test_command_checks() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dashboards", "--check"], cwd=ROOT, capture_output=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, b"")


def lost(known: Any, read: Any, path: str = "") -> list[str]:
    """Where `read` lacks what `known` has; it may have more, because defaults are filled in."""
    if isinstance(known, dict) and isinstance(read, dict):
        return [
            where
            for key, value in known.items()
            for where in lost(value, read.get(key), f"{path}/{key}")
        ]
    if isinstance(known, list) and isinstance(read, list) and len(known) == len(read):
        pairs = enumerate(zip(known, read, strict=True))
        return [where for index, pair in pairs for where in lost(*pair, f"{path}/{index}")]
    return [] if known == read else [path]


def test_lost_finds_what_is_missing() -> None:
    known = {"a": [1, {"b": 2, "c": 3}]}
    assert lost(known, {"a": [1, {"b": 2, "c": 3, "d": 4}], "e": 5}) == []
    assert lost(known, {"a": [1, {"b": 2}]}) == ["/a/1/c"]
    assert lost(known, {"a": [1]}) == ["/a"]


@needs_sdk
def test_grafanas_own_classes_read_them_without_loss(dashboards: dict[str, Any]) -> None:
    from grafana_foundation_sdk.cog.encoder import JSONEncoder
    from grafana_foundation_sdk.cog.plugins import register_default_plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    register_default_plugins()
    for content in dashboards.values():
        for annotation in content["annotations"]["list"]:
            assert set(annotation) >= OF_PROMETHEUS
        known = json.loads(json.dumps(content))
        for annotation in known["annotations"]["list"]:
            for name in OF_PROMETHEUS:
                del annotation[name]
        read = Dashboard.from_json(known)
        assert lost(known, json.loads(json.dumps(read, cls=JSONEncoder))) == []


@needs_sdk
def test_units_are_grafanas(panels: list[tuple[str, dict[str, Any]]]) -> None:
    from grafana_foundation_sdk.models import units

    known = {value for name, value in vars(units).items() if name[0].isupper()}
    for _, panel in panels:
        assert panel["fieldConfig"]["defaults"]["unit"] in known, panel["title"]
