"""Credentials of store and video never leave the processes that need them."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

import psutil
import pytest

from servers.mediamtx import Mediamtx
from servers.minio import BUCKET, Minio
from servers.server import free_port
from storage import open_store

STARTS_WITHIN_S = 240.0


@pytest.mark.slow
def test_secrets_are_nowhere_after_a_run(
    minio: Minio, mediamtx: Mediamtx, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = [minio.secret_key, mediamtx.password]
    spool, ray_folder = tmp_path / "spool", Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    port = free_port()
    env = {
        **os.environ,
        **minio.env(),
        **mediamtx.env(),
        "HAIRPIN_SPOOL": str(spool),
        "RAY_TMPDIR": str(ray_folder),
    }
    for name, value in minio.env().items():
        monkeypatch.setenv(name, value)
    log = tmp_path / "output.log"
    arguments = ["--storage", f"s3://{BUCKET}/secrets", "--run", "quiet", "--track", "oval"]
    arguments += ["--video", mediamtx.url, "--metrics-port", str(port), "--minutes", "0.4"]
    with log.open("w") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "hairpin", "train", *arguments],
            env=env,
            stdout=output,
            stderr=output,
            cwd=tmp_path,
        )
        found, page = _watch(process, secrets, port)
    assert process.returncode == 0, log.read_text()
    assert found == []
    assert "hairpin_env_steps_total" in page
    store = open_store(f"s3://{BUCKET}/secrets")
    keys = store.keys("quiet")
    assert any(key.endswith("manifest.json") for key in keys)
    places = {key: store.get(key) for key in keys}
    places |= {
        str(path): path.read_bytes()
        for folder in (tmp_path, ray_folder)
        for path in folder.rglob("*")
        if path.is_file()
    }
    places["metrics"] = page.encode()
    assert any("session_" in place for place in places), "Ray's logs were not looked at"
    for secret in secrets:
        assert [place for place, data in places.items() if secret.encode() in data] == []


def _watch(
    process: subprocess.Popen[bytes], secrets: list[str], port: int
) -> tuple[list[str], str]:
    """Looks at all processes of a run while it runs.

    Returns:
        Where a secret was seen: in anybody's command line, or in the environment of a process that
        the run started; and the last page of metrics.
    """
    found: set[str] = set()
    page = ""
    deadline = time.monotonic() + STARTS_WITHIN_S
    while process.poll() is None:
        assert time.monotonic() < deadline
        for each in psutil.process_iter(["cmdline"]):
            if any(secret in " ".join(each.info["cmdline"] or []) for secret in secrets):
                found.add(f"command line of {each.name()}")
        for child in _children(process.pid):
            try:
                values = " ".join(child.environ().values())
                if any(secret in values for secret in secrets):
                    found.add(f"environment of {' '.join(child.cmdline())[:60]}")
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5.0) as answer:
                page = answer.read().decode()
        except OSError:
            pass
        time.sleep(0.5)
    return sorted(found), page


def _children(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
