"""``hairpin doctor``: checks the machine, or a cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from hairpin.options import address_option, examples, json_option, storage_option

if TYPE_CHECKING:
    from hairpin.doctor.finding import Finding


@click.command(
    epilog=examples(
        "hairpin doctor",
        "hairpin doctor --json",
        "hairpin doctor --cluster",
        "hairpin doctor --cluster --context work --namespace racing --probe",
        "hairpin doctor --cluster --address http://10.0.0.1:8265",
    )
)
@storage_option
@click.option(
    "--cluster",
    "of_cluster",
    is_flag=True,
    help="Check a Kubernetes cluster and the Hairpin in it, with kubectl.",
)
@click.option("--context", metavar="NAME", help="Its context. [default: kubectl's current one]")
@click.option("-n", "--namespace", metavar="NAME", help="Hairpin's. [default: looked for]")
@click.option("--release", metavar="NAME", help="Helm's name of it. [default: the only one]")
@address_option
@click.option(
    "--probe",
    is_flag=True,
    help="Try whether the network keeps its policies: makes three pods for some seconds.",
)
@json_option("Print one JSON object.")
def doctor(
    storage: str | None,
    of_cluster: bool,
    context: str | None,
    namespace: str | None,
    release: str | None,
    address: str | None,
    probe: bool,
    as_json: bool,
) -> int:
    """Check this machine, or a cluster, and say what to mend.

    --cluster looks at Kubernetes, the KubeRay operator, a release of the chart, the way to its job
    API, and runs this check in a job there. What cannot be seen from here is marked with a "?".

    Exits with 2 if something is missing that training needs.
    """
    if of_cluster:
        from hairpin.doctor.cluster import examine_cluster

        return _tell(
            examine_cluster(
                context=context,
                namespace=namespace,
                release=release,
                address=address,
                probe=probe,
            ),
            as_json,
        )
    given = {
        "--context": context,
        "--namespace": namespace,
        "--release": release,
        "--address": address,
        "--probe": probe,
    }
    for option, value in given.items():
        if value:
            raise click.UsageError(f"{option} is for --cluster")
    from hairpin.doctor.machine import examine
    from hairpin.places import storage_url

    return _tell(examine(storage_url(storage)), as_json)


def _tell(findings: Iterator[Finding], as_json: bool) -> int:
    """Shows findings as they come; returns the exit code."""
    from hairpin.doctor.machine import versions

    told: list[Finding] = []
    for finding in findings:
        told.append(finding)
        if not as_json:
            _show(finding)
    failed = any(finding.status == "fail" for finding in told)
    if as_json:
        checks = [asdict(finding) for finding in told]
        answer = {"ok": not failed, "versions": versions(), "checks": checks}
        click.echo(json.dumps(answer, indent=2))
    return 2 if failed else 0


def _show(finding: Finding) -> None:
    colour = {"ok": "green", "warn": "yellow", "fail": "red", "unknown": "blue"}[finding.status]
    status = click.style(f"{'?' if finding.status == 'unknown' else finding.status:4}", fg=colour)
    click.echo(f"{status}  {finding.name:14} {finding.found}")
    if finding.advice:
        click.echo(f"{'':20} {finding.advice}")
