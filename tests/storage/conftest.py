from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from storage import LocalStore, Store

# Every store runs the same tests: another implementation is another line here.
STORES: dict[str, Callable[[Path], Store]] = {
    "local": lambda folder: LocalStore(folder / "store"),
}


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    return STORES[request.param](tmp_path)
