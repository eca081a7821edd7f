"""``hairpin doctor``: checks the machine."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hairpin.options import examples, json_option, storage_option

if TYPE_CHECKING:
    from hairpin.doctor import Finding


@click.command(epilog=examples("hairpin doctor", "hairpin doctor --json"))
@storage_option
@json_option("Print one JSON object.")
def doctor(storage: str | None, as_json: bool) -> int:
    """Check this machine and say what to mend.

    Exits with 2 if something is missing that training needs.
    """
    from hairpin.doctor import examine
    from hairpin.places import storage_url

    findings: list[Finding] = []
    for finding in examine(storage_url(storage)):
        findings.append(finding)
        if not as_json:
            _show(finding)
    failed = any(finding.status == "fail" for finding in findings)
    if as_json:
        checks = [asdict(finding) for finding in findings]
        click.echo(json.dumps({"ok": not failed, "checks": checks}, indent=2))
    return 2 if failed else 0


def _show(finding: Finding) -> None:
    colour = {"ok": "green", "warn": "yellow", "fail": "red"}[finding.status]
    status = click.style(f"{finding.status:4}", fg=colour)
    click.echo(f"{status}  {finding.name:14} {finding.found}")
    if finding.advice:
        click.echo(f"{'':20} {finding.advice}")
