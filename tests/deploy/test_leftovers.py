"""A cache keeps what recipes make now, and what somebody has used of late."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from servers import leftovers
from servers.binaries import built, clean
from servers.sources import KUBECONFORM, MINIO


def make(path: Path, unused_s: float) -> None:
    if path.suffix in (".lock", ".log"):
        path.write_text("", encoding="utf-8")
    else:
        path.mkdir(parents=True)
        (path / "program").write_text("", encoding="utf-8")
    then = time.time() - unused_s
    os.utime(path, (then, then))


def test_other_versions_go_when_nobody_has_used_them_for_a_day(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    day = leftovers.UNUSED_S
    ages = {
        MINIO.key: 9 * day,
        f"{MINIO.key}.lock": 9 * day,
        "minio-old": 2 * day,
        "minio-old.log": 2 * day,
        "minio-branch": day / 2,
        "mediamtx-old": 2 * day,
        KUBECONFORM.key: 9 * day,
    }
    for name, unused_s in ages.items():
        make(tmp_path / name, unused_s)
    clean([MINIO], tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert set(ages) - left == {"minio-old", "minio-old.log"}
    assert "removed minio-old, which was of another version" in capsys.readouterr().err


def test_what_is_used_stays(tmp_path: Path) -> None:
    make(tmp_path / MINIO.key, 9 * leftovers.UNUSED_S)
    assert built(MINIO, tmp_path) == tmp_path / MINIO.key
    assert leftovers.remove(tmp_path, MINIO.kind, []) == []
