"""Looks at a cluster from here: from Kubernetes to what a driver on it finds."""

from __future__ import annotations

from collections.abc import Iterator

from hairpin.doctor.access import check_token, reach
from hairpin.doctor.belongings import check_belongings
from hairpin.doctor.driver import check_driver
from hairpin.doctor.finding import Finding
from hairpin.doctor.kubectl import Kubectl
from hairpin.doctor.kuberay import check_api, check_definitions, check_operator
from hairpin.doctor.network import check_enforced, check_policies, not_probed
from hairpin.doctor.prometheus import check_scraping
from hairpin.doctor.release import Release, acts, check_parts, find_release
from hairpin.jobs.server import find_address
from sim.errors import UserError


def examine_cluster(
    *,
    context: str | None = None,
    namespace: str | None = None,
    release: str | None = None,
    address: str | None = None,
    probe: bool = False,
) -> Iterator[Finding]:
    """Makes every check that can be made, yielding each finding as it is there.

    Args:
        context: Of the kubeconfig; None for its current one.
        namespace: Where the release is; None to look for it.
        release: Its name; None for the only one.
        address: Of the job API; None for that of the environment, or a forward through kubectl.
        probe: Whether pods may be made, to try the network.
    """
    kubectl = Kubectl(context, namespace)
    api = check_api(kubectl)
    found: Release | None = None
    if api.status == "fail" and _has_address(address) and not (context or namespace or release):
        yield Finding(api.name, "unknown", api.found, "Only the job API is looked at.")
    else:
        yield api
        if api.status == "fail":
            return
        finding, found = find_release(kubectl, release)
        yield check_definitions(kubectl)
        yield check_operator(kubectl, found.namespace if found else namespace, acts(found))
        yield finding
        if found is None and not _has_address(address):
            return
    if found is not None:
        yield from check_parts(found)
        yield from check_belongings(found)
        policies = check_policies(found)
        yield policies
        yield check_enforced(found, held=policies.status == "ok") if probe else not_probed()
        yield check_scraping(found)
    yield from _check_jobs(found, address)


def _check_jobs(release: Release | None, address: str | None) -> Iterator[Finding]:
    with reach(release, address) as (finding, reached):
        yield finding
        if reached is None:
            return
        findings, token = check_token(release, reached)
        yield from findings
        if token is not None:
            yield from check_driver(reached, token)


def _has_address(given: str | None) -> bool:
    """Whether somebody has said where the job API is."""
    try:
        return find_address(given)[1] != "the default address"
    except UserError:
        return True
