"""A real Prometheus understands every query and every rule."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from servers.prometheus import Prometheus

RULES = Path(__file__).resolve().parents[2] / "dashboards" / "alerts" / "hairpin.rules.yml"


@pytest.fixture(scope="module")
def server(prometheus: Callable[..., Prometheus]) -> Prometheus:
    """A Prometheus with the rules and nothing to read but itself."""
    return prometheus(rules=RULES)


def test_every_query_of_a_dashboard_parses(server: Prometheus, asked: list[Any]) -> None:
    for one in asked:
        server.query(one.filled_in)


def test_every_rule_parses(promtool: Path) -> None:
    done = subprocess.run(
        [promtool, "check", "rules", "--lint=all", "--lint-fatal", RULES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_prometheus_itself_takes_the_rules(server: Prometheus) -> None:
    assert server.alerts() == []
