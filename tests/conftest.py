"""What all tests share: no window, no cluster but their own, and real servers."""

from __future__ import annotations

import os

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.pop("RAY_ADDRESS", None)

pytest_plugins = ["tests.servers"]
