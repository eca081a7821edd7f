"""The committed dashboards and their queries, read from the files and not from what writes them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "dashboards"
VARIABLES = {  # as Grafana fills them in for the last hour, with a reading every five seconds
    '"$run"': '".+"',
    "$__rate_interval": "20s",
    "$__range": "3600s",
}


@dataclass(frozen=True)
class Asked:
    """A query of a panel, an annotation or a variable.

    Attributes:
        dashboard: The dashboard's identifier.
        where: The panel's, annotation's or variable's name.
        expr: As it is in the file.
        panel: The panel's JSON; empty for annotations and variables.
        collapsed: Whether its row is closed at first.
    """

    dashboard: str
    where: str
    expr: str
    panel: dict[str, Any]
    collapsed: bool = False

    @property
    def filled_in(self) -> str:
        """The query as Prometheus gets it."""
        text = self.expr
        for variable, value in VARIABLES.items():
            text = text.replace(variable, value)
        assert "$" not in text, self
        return text


def _panels(dashboard: dict[str, Any]) -> list[tuple[dict[str, Any], bool]]:
    found = []
    for panel in dashboard["panels"]:
        if panel["type"] != "row":
            found.append((panel, False))
        found.extend((inner, True) for inner in panel.get("panels") or [])
    return found


@pytest.fixture(scope="session")
def dashboards() -> dict[str, dict[str, Any]]:
    """The JSON of each dashboard, by the file's name without its ending."""
    files = sorted((FOLDER / "grafana").glob("*.json"))
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in files}


@pytest.fixture(scope="session")
def panels(dashboards: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """Every panel that is no row, with its dashboard."""
    return [(uid, panel) for uid, one in dashboards.items() for panel, _ in _panels(one)]


@pytest.fixture(scope="session")
def asked(dashboards: dict[str, dict[str, Any]]) -> list[Asked]:
    """Every query of every panel, annotation and variable."""
    found = []
    for uid, one in dashboards.items():
        for panel, collapsed in _panels(one):
            for target in panel["targets"]:
                found.append(Asked(uid, panel["title"], target["expr"], panel, collapsed))
        for annotation in one["annotations"]["list"]:
            found.append(Asked(uid, f"annotation {annotation['name']}", annotation["expr"], {}))
        for variable in one["templating"]["list"]:
            if variable["type"] == "query":
                inner = variable["query"].removeprefix("query_result(").removesuffix(")")
                found.append(Asked(uid, f"variable {variable['name']}", inner, {}))
    return found
