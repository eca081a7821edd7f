"""`hairpin train --metrics-port` as a user types it, and somebody who reads it to its end."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRAPE_EVERY_S = 0.5


def train(runs: Path, port: int, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "hairpin", "train", "--storage", str(runs), "--workers", "1"]
    return subprocess.Popen(
        [*command, "--metrics-port", str(port), "--track", "oval", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


class Reader:
    """Reads a page again and again, until it is told to stop."""

    def __init__(self, url: str) -> None:
        self.page = ""
        self.began = threading.Event()
        self._url = url
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _work(self) -> None:
        while not self._stop.wait(SCRAPE_EVERY_S):
            try:
                with urllib.request.urlopen(self._url, timeout=5.0) as answer:
                    page = answer.read().decode()
            except OSError:  # not yet, or not any more
                continue
            if "hairpin_iterations_total" in page:
                self.page = page
                self.began.set()


def test_a_reader_learns_how_it_ended_and_nobody_else_gets_the_port(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = int(found.getsockname()[1])
    url = f"http://127.0.0.1:{port}/metrics"
    reader = Reader(url)
    first = train(tmp_path, port, "--run", "first", "--steps", "30000")
    try:
        assert reader.began.wait(180.0)
        second = train(tmp_path, port, "--run", "second", "--steps", "30000")
        said, _ = second.communicate(timeout=60.0)
        assert second.returncode == 2
        assert f"port {port} serves the metrics of another training" in said
        assert len(said.splitlines()) == 1
        said, _ = first.communicate(timeout=300.0)
        assert first.returncode == 0, said
    finally:
        first.kill()
        reader.close()
    assert f"metrics at {url}" in said
    assert 'hairpin_run_ended{reason="steps",run="first"} 1.0' in reader.page
    assert 'hairpin_run_info{actions="discrete",run="first",track="oval"} 1.0' in reader.page
    assert str(tmp_path) not in reader.page
