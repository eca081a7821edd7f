"""Network policies become rules that let through what they say and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from rig.policies import Pod, ruleset, selects

NETWORK = "10.124.0.0/24"
WEB = Pod("10.124.0.2", "shop", {"app": "web"}, {("tcp", "http"): 8080})
OTHER_WEB = Pod("10.124.0.3", "shop", {"app": "web"}, {("tcp", "http"): 9090})
CLIENT = Pod("10.124.0.4", "shop", {"app": "client"})
AWAY = Pod("10.124.0.5", "away", {"app": "client"})
PODS = [AWAY, CLIENT, OTHER_WEB, WEB]
NAMESPACES = {"shop": {"team": "shop"}, "away": {"team": "away"}}


def rules(spec: dict[str, Any], chain: str) -> list[str]:
    """The rules of a chain for one policy in namespace `shop`."""
    policy = {"metadata": {"namespace": "shop"}, "spec": spec}
    text = ruleset(PODS, NAMESPACES, [policy], NETWORK)
    _, _, rest = text.partition(f"  chain {chain} {{\n")
    return [line.strip() for line in rest.partition("  }")[0].splitlines()]


def returns(spec: dict[str, Any], chain: str) -> list[str]:
    return [rule for rule in rules(spec, chain) if rule.endswith("return")]


@pytest.mark.parametrize(
    ("selector", "labels", "selected"),
    [
        ({}, {}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "1", "b": "2"}, True),
        ({"matchLabels": {"a": "1"}}, {"a": "2"}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, {"a": "1"}, True),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1"]}]}, {}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, {}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"a": ""}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, {"a": ""}, False),
    ],
)
def test_selectors(selector: dict[str, Any], labels: dict[str, str], selected: bool) -> None:
    assert selects(selector, labels) is selected


def test_a_pod_that_no_policy_selects_is_open() -> None:
    assert not [rule for rule in rules({"podSelector": {}}, "forward") if "egress" in rule]
    spec = {"podSelector": {"matchLabels": {"app": "none"}}}
    assert not [rule for rule in rules(spec, "forward") if "jump" in rule]


def test_a_policy_without_rules_closes() -> None:
    spec = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert returns(spec, "ingress") == returns(spec, "egress") == []
    assert rules(spec, "ingress")[-1] == "reject"
    shop = "{ 10.124.0.2, 10.124.0.3, 10.124.0.4 }"
    assert f"ip saddr {shop} jump egress" in rules(spec, "input")
    assert rules(spec, "forward")[-2:] == [
        f"ip saddr {shop} jump egress",
        f"ip daddr {shop} jump ingress",
    ]


def test_an_empty_rule_opens_to_everybody() -> None:
    spec = {"podSelector": {"matchLabels": {"app": "client"}}, "ingress": [{}]}
    assert returns(spec, "ingress") == ["ip daddr { 10.124.0.4 } return"]


def test_ports_by_name_are_those_of_the_pod_that_is_connected_to() -> None:
    port = {"port": "http"}
    web = {"podSelector": {"matchLabels": {"app": "web"}}}
    assert returns({**web, "ingress": [{"ports": [port]}]}, "ingress") == [
        "ip daddr { 10.124.0.2 } tcp dport 8080 return",
        "ip daddr { 10.124.0.3 } tcp dport 9090 return",
    ]
    client = {"podSelector": {"matchLabels": {"app": "client"}}, "policyTypes": ["Egress"]}
    assert returns({**client, "egress": [{"to": [web], "ports": [port]}]}, "egress") == [
        "ip saddr { 10.124.0.4 } ip daddr { 10.124.0.2 } tcp dport 8080 return",
        "ip saddr { 10.124.0.4 } ip daddr { 10.124.0.3 } tcp dport 9090 return",
    ]


@pytest.mark.parametrize(
    ("peer", "addresses"),
    [
        ({"podSelector": {"matchLabels": {"app": "client"}}}, "10.124.0.4"),
        ({"namespaceSelector": {"matchLabels": {"team": "away"}}}, "10.124.0.5"),
        (
            {"namespaceSelector": {}, "podSelector": {"matchLabels": {"app": "client"}}},
            "10.124.0.4, 10.124.0.5",
        ),
    ],
)
def test_peers_by_labels(peer: dict[str, Any], addresses: str) -> None:
    spec = {
        "podSelector": {"matchLabels": {"app": "web"}},
        "ingress": [{"from": [peer], "ports": [{"port": 80, "endPort": 90, "protocol": "UDP"}]}],
    }
    assert returns(spec, "ingress") == [
        f"ip daddr {{ 10.124.0.2, 10.124.0.3 }} ip saddr {{ {addresses} }} udp dport 80-90 return"
    ]


def test_peers_that_nobody_is_open_nothing() -> None:
    peer = {"podSelector": {"matchLabels": {"app": "nobody"}}}
    assert returns({"podSelector": {}, "ingress": [{"from": [peer]}]}, "ingress") == []
    assert (
        returns(
            {"podSelector": {}, "ingress": [{"from": [{"ipBlock": {"cidr": "fd00::/8"}}]}]},
            "ingress",
        )
        == []
    )


def test_blocks_of_addresses() -> None:
    block = {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16", "10.2.0.0/16"]}
    spec = {
        "podSelector": {"matchLabels": {"app": "client"}},
        "policyTypes": ["Egress"],
        "egress": [{"to": [{"ipBlock": block}], "ports": [{"protocol": "TCP"}]}],
    }
    assert returns(spec, "egress") == [
        "ip saddr { 10.124.0.4 } ip daddr 10.0.0.0/8 ip daddr != { 10.1.0.0/16, 10.2.0.0/16 } "
        "meta l4proto tcp return"
    ]


def test_a_pod_that_is_not_known_yet_is_shut() -> None:
    known = "{ 10.124.0.2, 10.124.0.3, 10.124.0.4, 10.124.0.5 }"
    forward = rules({"podSelector": {}}, "forward")
    assert f"ip saddr {NETWORK} ip saddr != {known} drop" in forward
    assert f"ip daddr {NETWORK} ip daddr != {known} drop" in forward
    assert f"ip saddr {NETWORK} drop" in ruleset([], {}, [], NETWORK)
