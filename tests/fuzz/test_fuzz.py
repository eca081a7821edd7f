"""A hundred thousand mutated files: each is read, or refused in one line, in good time."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

RUNS = 100_000


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="atheris has wheels for Linux only")
def test_no_file_makes_a_traceback_or_hangs(tmp_path: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).parent / "fuzz_files.py"),
            f"-runs={RUNS}",
            "-seed=1",
            "-timeout=20",  # seconds for one input, on a busy machine
            "-max_len=4096",
            f"-artifact_prefix={tmp_path}/",
        ],
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert re.search(rf"^Done {RUNS} runs", done.stderr, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []
