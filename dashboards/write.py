"""Every file that is generated here: Grafana's JSON, Prometheus' rules, the runbooks."""

from __future__ import annotations

from pathlib import Path

from dashboards.cluster import CLUSTER
from dashboards.panels import Dashboard
from dashboards.rules import rules_file
from dashboards.runbooks import page
from dashboards.services import SERVICES
from dashboards.training import TRAINING

FOLDER = Path(__file__).resolve().parent
DASHBOARDS: tuple[Dashboard, ...] = (TRAINING, CLUSTER, SERVICES)


def files() -> dict[Path, str]:
    """Path and content of each file."""
    from dashboards.grafana_json import to_json

    written = {FOLDER / "grafana" / f"{one.uid}.json": to_json(one) for one in DASHBOARDS}
    return written | {
        FOLDER / "alerts" / "hairpin.rules.yml": rules_file(),
        FOLDER / "RUNBOOKS.md": page(),
    }


def outdated() -> list[Path]:
    """The files that are not what this code writes."""
    return [
        path
        for path, content in files().items()
        if not path.is_file() or path.read_text(encoding="utf-8") != content
    ]


def write() -> list[Path]:
    """Writes the files that are outdated and returns them."""
    changed = outdated()
    for path in changed:
        path.parent.mkdir(exist_ok=True)
        path.write_text(files()[path], encoding="utf-8")
    return changed
