"""The alerts as groups of rules, as Prometheus reads them and as a chart may embed them."""

from __future__ import annotations

from typing import Any

import yaml

from dashboards.alerts import Alert
from dashboards.service_alerts import (
    CHECKPOINT_ALERTS,
    MONITORING_ALERTS,
    VIDEO_ALERTS,
    WORKER_ALERTS,
)
from dashboards.training_alerts import TRAINING_ALERTS

GROUPS: dict[str, tuple[Alert, ...]] = {
    "hairpin-training": TRAINING_ALERTS,
    "hairpin-workers": WORKER_ALERTS,
    "hairpin-checkpoints": CHECKPOINT_ALERTS,
    "hairpin-video": VIDEO_ALERTS,
    "hairpin-monitoring": MONITORING_ALERTS,
}
HEADING = "# Written by `python -m dashboards`; change dashboards/*_alerts.py instead.\n"


def groups() -> list[dict[str, Any]]:
    """Prometheus' rule groups, of JSON values."""
    return [
        {"name": name, "rules": [_rule(alert) for alert in alerts]}
        for name, alerts in GROUPS.items()
    ]


def rules_file() -> str:
    """The file that Prometheus reads."""
    text = yaml.dump(
        {"groups": groups()}, Dumper=_Readable, sort_keys=False, allow_unicode=True, width=96
    )
    return HEADING + text


def _rule(alert: Alert) -> dict[str, Any]:
    return {
        "alert": alert.name,
        "expr": alert.expr,
        "for": alert.wait,
        "labels": {"severity": alert.severity},
        "annotations": {
            "summary": alert.summary,
            "description": alert.meaning,
            "runbook": alert.runbook,
            "runbook_url": alert.runbook_url,
        },
    }


class _Readable(yaml.SafeDumper):
    """Writes text of several lines as such."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Readable.add_representer(str, _text)
