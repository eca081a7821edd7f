"""The chart with many workers, on simulated nodes: spread, budgets, priorities, nodes that go.

Everything but the nodes and what runs on them is real. HAIRPIN_TEST_WORKERS=128 takes more of them.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from rig.client import ToolError
from rig.fleet import CAPACITY, SPOT, STAYS, WORKERS_OF_A_NODE, Fleet, nodes_for, per_node
from rig.policies import selects
from rig.simulation import Simulation, wait_until

from .conftest import Kubernetes

pytestmark = pytest.mark.slow

MANY = int(os.environ.get("HAIRPIN_TEST_WORKERS", "32"))
SOON_S = 60.0


@pytest.fixture(scope="module")
def simulation(
    cluster: Kubernetes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Simulation]:
    """Two nodes that stay and spot nodes enough for `MANY` workers."""
    folder = tmp_path_factory.mktemp("simulation")
    nodes = Simulation(cluster, folder)
    with nodes.running():
        nodes.add(STAYS, 2)
        nodes.add(SPOT, nodes_for(MANY))
        yield nodes


@pytest.fixture(scope="module")
def fleet(
    cluster: Kubernetes, simulation: Simulation, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """The chart's Ray cluster on them."""
    with cluster.new_namespace() as name:
        ours = Fleet(cluster, name, tmp_path_factory.mktemp("fleet"))
        ours.install()
        yield ours
        ours.uninstall()


def uids(pods: list[dict[str, Any]]) -> set[str]:
    return {pod["metadata"]["uid"] for pod in pods}


def bound(pods: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [pod for pod in pods if "nodeName" in pod["spec"]]


def names_of(simulation: Simulation, capacity: str) -> list[str]:
    nodes = [node["metadata"] for node in simulation.nodes()]
    return [node["name"] for node in nodes if node["labels"][CAPACITY] == capacity]


def head_of(fleet: Fleet) -> dict[str, Any]:
    (head,) = fleet.pods("head")
    return head


@pytest.mark.parametrize("workers", [1, MANY])
def test_workers_are_spread_over_spot_nodes_and_the_head_stays(
    fleet: Fleet, simulation: Simulation, workers: int
) -> None:
    row = fleet.measure(workers)
    pods = fleet.pods("rollouts")
    assert len(pods) == workers and {pod["status"]["phase"] for pod in pods} == {"Running"}
    assert set(per_node(pods)) <= set(names_of(simulation, "spot"))
    assert row.most - row.fewest <= 1
    assert head_of(fleet)["spec"]["nodeName"] in names_of(simulation, "on-demand")
    assert row.operator_requests < 50 + 5 * workers  # it does not ask again and again


def test_every_pod_has_one_policy_in_both_directions(cluster: Kubernetes, fleet: Fleet) -> None:
    fleet.ask_for(MANY)
    fleet.wait(MANY)
    policies = cluster.get("-n", fleet.namespace, "networkpolicies")["items"]
    pods = fleet.pods()
    assert len(pods) == MANY + 1
    for pod in pods:
        labels = pod["metadata"]["labels"]
        (policy,) = (each for each in policies if selects(each["spec"]["podSelector"], labels))
        assert set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
    if cluster.machine:  # and its own enforcer knows each of them
        listing = cluster.machine.inside("nft", "list", "table", "inet", "hairpin_policies")
        rules = subprocess.run(listing, capture_output=True, text=True, check=True).stdout
        known = set(re.findall(r"[0-9]+(?:\.[0-9]+){3}", rules))
        addresses = {pod["status"]["podIP"] for pod in pods}
        assert len(addresses) == MANY + 1 and addresses <= known


def test_a_drain_waits_for_the_head(cluster: Kubernetes, fleet: Fleet) -> None:
    head = head_of(fleet)
    node = head["spec"]["nodeName"]
    with pytest.raises(ToolError) as refused:
        drain(cluster, node, timeout_s=3)
    assert re.search(r"Cannot evict pod .* disruption budget", refused.value.said)
    assert uids([head_of(fleet)]) == uids([head])
    cluster.kubectl("uncordon", node)


def test_a_spot_node_is_drained_and_its_workers_come_back_on_its_replacement(
    cluster: Kubernetes, fleet: Fleet, simulation: Simulation
) -> None:
    fleet.ask_for(MANY)
    fleet.wait(MANY)
    before, head = fleet.pods("rollouts"), head_of(fleet)
    old = before[0]["spec"]["nodeName"]
    others = uids([pod for pod in before if pod["spec"]["nodeName"] != old])
    # Nobody else has room, so that it can only be the replacement that they come back on.
    spare = [node for node in names_of(simulation, "spot") if node != old]
    cluster.kubectl("cordon", *spare, *names_of(simulation, "on-demand"))
    drain(cluster, old, timeout_s=60)
    cluster.kubectl("delete", "node", old)
    (new,) = simulation.add(SPOT, 1, first=nodes_for(MANY))
    fleet.wait(MANY)
    cluster.kubectl("uncordon", *spare, *names_of(simulation, "on-demand"))
    after = fleet.pods("rollouts")
    assert others < uids(after)  # nobody else was disturbed
    assert {pod["spec"]["nodeName"] for pod in after if pod["metadata"]["uid"] not in others} == {
        new
    }
    assert uids([head_of(fleet)]) == uids([head])


def test_in_a_full_cluster_the_head_gets_a_rollouts_place_and_never_the_reverse(
    cluster: Kubernetes, fleet: Fleet, simulation: Simulation
) -> None:
    room = WORKERS_OF_A_NODE * len(names_of(simulation, "spot")) + 1  # one on a node that stays
    fleet.ask_for(room + 1)
    wait_until("all nodes are full", lambda: len(bound(fleet.pods("rollouts"))) == room, SOON_S)
    head, workers = head_of(fleet), bound(fleet.pods("rollouts"))
    assert head["spec"]["nodeName"]  # the worker without a place did not take the head's
    mine = head["spec"]["nodeName"]
    (other,) = set(names_of(simulation, "on-demand")) - {mine}
    (victim,) = (pod for pod in workers if pod["spec"]["nodeName"] == other)

    cluster.kubectl("cordon", mine)
    cluster.kubectl(
        "-n", fleet.namespace, "delete", "pod", head["metadata"]["name"], "--wait=false"
    )

    def moved() -> bool:
        heads = [pod for pod in bound(fleet.pods("head")) if pod["metadata"]["uid"] != uid]
        return [pod["spec"]["nodeName"] for pod in heads] == [other]

    uid = head["metadata"]["uid"]
    wait_until("the head has the rollout's place", moved, SOON_S)
    cluster.kubectl("uncordon", mine)
    lost = uids(workers) - uids(fleet.pods("rollouts"))
    assert lost == uids([victim])
    about = f"involvedObject.name={victim['metadata']['name']},reason=Preempted"
    assert cluster.get("-n", fleet.namespace, "events", "--field-selector", about)["items"]


def drain(cluster: Kubernetes, node: str, timeout_s: int) -> None:
    options = ["--ignore-daemonsets", "--delete-emptydir-data", f"--timeout={timeout_s}s"]
    cluster.kubectl("drain", node, *options)
