"""What all tests share: no window, no cluster but their own, real servers, and who runs them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.pop("RAY_ADDRESS", None)

pytest_plugins = ["tests.servers"]

CLUSTER = Path(__file__).parent / "cluster"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives a file's tests to one process, and all of the Kubernetes cluster, which they share.

    What is slow comes first, so that no process is left with it in the end.
    """
    groups = {item: _group(item.path) for item in items}
    for item, group in groups.items():
        item.add_marker(pytest.mark.xdist_group(group))
    slow = {groups[item] for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: (groups[item] != CLUSTER.name, groups[item] not in slow))


def _group(path: Path) -> str:
    return CLUSTER.name if path.is_relative_to(CLUSTER) else str(path)
