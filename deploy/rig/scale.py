"""What the chart costs a cluster with many workers: one size after another, as a table."""

from __future__ import annotations

import contextlib
import secrets
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from rig.cluster import Cluster
from rig.fleet import SPOT, STAYS, Fleet, Row, nodes_for
from rig.simulation import Simulation


def measure(cluster: Cluster, sizes: Sequence[int]) -> tuple[list[Row], float]:
    """Measures one size after another, on nodes enough for the largest, and the loss of a node.

    Args:
        cluster: Is started, and ended in the end, if it is not up.
        sizes: Numbers of workers, ascending.

    Returns:
        A row for each size, and the seconds until the largest had all workers again.

    Raises:
        ServerError: The cluster does not start, or something in it is not ready in time.
    """
    with _up(cluster), tempfile.TemporaryDirectory(prefix="scale.") as folder:
        client, namespace = cluster.client, f"scale-{secrets.token_hex(4)}"
        simulation = Simulation(client, Path(folder))
        fleet = Fleet(client, namespace, Path(folder))
        client.kubectl("create", "namespace", namespace)
        with simulation.running():
            simulation.add(STAYS, 2)
            simulation.add(SPOT, nodes_for(sizes[-1]))
            fleet.install()
            rows = [fleet.measure(workers) for workers in sizes]
            lost_s = fleet.vanish()
            fleet.uninstall()
        client.kubectl("delete", "namespace", namespace, "--wait=false")
    return rows, lost_s


@contextlib.contextmanager
def _up(cluster: Cluster) -> Iterator[None]:
    if cluster.running:
        yield
        return
    cluster.up(tied=True)
    try:
        yield
    finally:
        cluster.down()


def markdown(rows: Iterable[Row]) -> str:
    """The rows as a table of a document."""
    heads = [
        "workers",
        "all bound, s",
        "all ready, s",
        "on a spot node",
        "operator: CPU s",
        "MiB",
        "requests",
        "objects",
        "API server, MiB",
    ]
    lines = [heads, ["---:"] * len(heads)]
    for row in rows:
        spread = str(row.most) if row.fewest == row.most else f"{row.fewest} to {row.most}"
        cells = [str(row.workers), f"{row.bound_s:.0f}", f"{row.ready_s:.1f}", spread]
        cells += [f"{row.operator_cpu_s:.1f}", f"{row.operator_mib:.0f}"]
        cells += [str(row.operator_requests), str(row.objects), f"{row.api_mib:.0f}"]
        lines.append(cells)
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
