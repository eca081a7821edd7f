"""What all tests share: no window, no cluster but their own, real servers, and who runs them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.pop("RAY_ADDRESS", None)

pytest_plugins = ["tests.servers"]

CLUSTER = "tests/cluster"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begins with what is slow, so that no process is left with it in the end."""
    slow = {_group_of(item) for item in items if item.get_closest_marker("slow")}
    order = {group: (group != CLUSTER, group not in slow) for group in map(_group_of, items)}
    items.sort(key=lambda item: order[_group_of(item)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Gives a file's tests to one process, and all of the Kubernetes cluster, which they share."""
    from xdist.scheduler import LoadScopeScheduling

    class ByGroup(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return _group(nodeid)

    return ByGroup(config, log)


def _group_of(item: pytest.Item) -> str:
    return _group(item.nodeid)


def _group(nodeid: str) -> str:
    path = nodeid.partition("::")[0]
    return CLUSTER if Path(path).parent.as_posix() == CLUSTER else path
