"""What one process compiled, another need not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rollout_workers.kernels import FOLDER, compiled, take

COMPILES = """
import json, numpy as np
from rollout_workers.policy import add_relu

values = np.ones((2, 3), np.float32)
add_relu(values, np.ones(3, np.float32))
stats = add_relu.stats
print(json.dumps([sum(stats.cache_hits.values()), sum(stats.cache_misses.values())]))
"""


def hits_and_misses(folder: Path) -> tuple[int, int]:
    env = {**os.environ, FOLDER: str(folder)}
    ran = subprocess.run([sys.executable, "-c", COMPILES], env=env, capture_output=True, check=True)
    hits, misses = json.loads(ran.stdout)
    return hits, misses


def test_a_fresh_machine_need_not_compile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    assert hits_and_misses(old) == (0, 1)
    monkeypatch.setenv(FOLDER, str(old))
    files = compiled()
    assert {Path(name).suffix for name in files} == {".nbi", ".nbc"}
    monkeypatch.setenv(FOLDER, str(new))
    take(files)
    assert compiled() == files
    assert hits_and_misses(new) == (1, 0)


def test_what_is_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER, str(tmp_path))
    (tmp_path / "sim_1").mkdir()
    (tmp_path / "sim_1" / "a.nbi").write_bytes(b"own")
    (tmp_path / "empty_1").mkdir()  # Numba makes the folder when a module is imported
    take({"sim_1/a.nbi": b"other", "sim_1/a.1.nbc": b"other", "empty_1/b.nbi": b"other"})
    assert compiled() == {"sim_1/a.nbi": b"own", "empty_1/b.nbi": b"other"}
    assert {path.name for path in tmp_path.iterdir()} == {"sim_1", "empty_1"}


def test_without_a_folder_of_its_own_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    take({"sim_1/a.nbi": b"other"})
    assert compiled() == {}
