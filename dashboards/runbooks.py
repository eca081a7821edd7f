"""The page of all runbooks, in Markdown."""

from __future__ import annotations

from dashboards.alerts import Alert
from dashboards.rules import GROUPS

_INTRODUCTION = """\
# Runbooks

<!-- Written by `python -m dashboards`; change dashboards/*_alerts.py instead. -->

What Hairpin's alerts mean and what to do when one fires. The rules are in
[alerts/hairpin.rules.yml](alerts/hairpin.rules.yml); the label `run` says which run it is.
critical: work is lost or stands still, look now. warning: look today. info: worth knowing.
"""
_TITLES = {
    "hairpin-training": "Training",
    "hairpin-workers": "Workers",
    "hairpin-checkpoints": "Checkpoints, store and disk",
    "hairpin-video": "Video",
    "hairpin-monitoring": "The metrics themselves",
}


def page() -> str:
    """The page."""
    parts = [_INTRODUCTION]
    for group, alerts in GROUPS.items():
        parts.append(f"## {_TITLES[group]}\n")
        parts.extend(_section(alert) for alert in alerts)
    return "\n".join(parts)


def _section(alert: Alert) -> str:
    waits = "at once" if alert.wait == "0s" else f"after {alert.wait}"
    return (
        f"### {alert.name}\n\n{alert.severity}, {waits}\n\n{alert.meaning}\n\n{alert.runbook}\n\n"
        f"```promql\n{alert.expr}\n```\n"
    )
