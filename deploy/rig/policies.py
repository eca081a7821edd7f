"""What NetworkPolicies mean, as rules for nftables.

Pods are routed (see `components`), so every packet of theirs passes the node's `forward` hook, or
`input` when it is for the node itself. What the node sends is not filtered, as the API wants it:
kubelet's probes get through. Services are translated to pods before, so all addresses are pods'.
Refused, not dropped: who tries learns it at once. A pod whose policies are not known yet may
neither send nor receive.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

TABLE = "hairpin_policies"
ANY = "any"
# A reset is seen at once; other refusals are ICMP, of which a kernel sends few a second.
REFUSE = ("meta l4proto tcp reject with tcp reset", "reject")
OPERATORS: dict[str, Callable[[str | None, Collection[str]], bool]] = {
    "In": lambda value, values: value in values,
    "NotIn": lambda value, values: value not in values,
    "Exists": lambda value, values: value is not None,
    "DoesNotExist": lambda value, values: value is None,
}


@dataclass(frozen=True)
class Pod:
    """A pod that has an address.

    Attributes:
        address: Its IPv4 address.
        namespace: Its namespace.
        labels: Its labels.
        ports: Number of each port that has a name: by protocol in lower case, and name.
    """

    address: str
    namespace: str
    labels: Mapping[str, str] = field(default_factory=dict)
    ports: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, item: Mapping[str, Any], address: str) -> Pod:
        """The pod that an object of the API describes."""
        ports = {
            (port.get("protocol", "TCP").lower(), port["name"]): port["containerPort"]
            for container in item["spec"]["containers"]
            for port in container.get("ports", ())
            if "name" in port
        }
        metadata = item["metadata"]
        return cls(address, metadata["namespace"], metadata.get("labels") or {}, ports)


def selects(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector of the API selects what has these labels; an empty one does."""
    wanted: Mapping[str, str] = selector.get("matchLabels") or {}
    return all(labels.get(name) == value for name, value in wanted.items()) and all(
        OPERATORS[term["operator"]](labels.get(term["key"]), term.get("values") or ())
        for term in selector.get("matchExpressions") or ()
    )


def ruleset(
    pods: Iterable[Pod],
    namespaces: Mapping[str, Mapping[str, str]],
    policies: Iterable[Mapping[str, Any]],
    network: str,
) -> str:
    """A file for ``nft --file`` that puts policies in force in one step, in place of the last ones.

    Args:
        pods: All pods that have an address.
        namespaces: Labels of every namespace by its name.
        policies: Objects of kind NetworkPolicy.
        network: The pods' network.
    """
    everyone = sorted(pods, key=lambda pod: pod.address)
    inside = ipaddress.ip_network(network)
    known = [pod.address for pod in everyone if ipaddress.ip_address(pod.address) in inside]
    closed: dict[str, set[str]] = {"Ingress": set(), "Egress": set()}
    open_to: dict[str, list[str]] = {"Ingress": [], "Egress": []}
    for policy in policies:
        namespace, spec = policy["metadata"]["namespace"], policy["spec"]
        own = [pod for pod in everyone if pod.namespace == namespace]
        targets = [pod for pod in own if selects(spec.get("podSelector") or {}, pod.labels)]
        if not targets:
            continue
        for direction in spec.get("policyTypes") or ["Ingress"]:
            closed[direction] |= {pod.address for pod in targets}
            for rule in spec.get(direction.lower()) or ():
                open_to[direction] += _opened(
                    direction, rule, targets, namespace, everyone, namespaces
                )
    out = _jump("saddr", closed["Egress"], "egress")
    into = _jump("daddr", closed["Ingress"], "ingress")
    unknown = [
        f"ip {end} {network}{f' ip {end} != {_set(known)}' if known else ''} drop"
        for end in ("saddr", "daddr")
    ]
    loops = _set(f"{address} . {address}" for address in known)
    itself = [f"ip saddr . ip daddr {loops} accept"] if known else []
    answers = "ct state established,related accept"
    chains = {
        "egress": [*open_to["Egress"], *REFUSE],
        "ingress": [*open_to["Ingress"], *REFUSE],
        "forward": [
            "type filter hook forward priority filter + 10; policy accept;",
            *[answers, *unknown, *itself, *out, *into],
        ],
        "input": [
            "type filter hook input priority filter + 10; policy accept;",
            *[answers, unknown[0], *out],
        ],
    }
    lines = [f"table inet {TABLE} {{}}", f"delete table inet {TABLE}", f"table inet {TABLE} {{"]
    for name, rules in chains.items():
        lines += [f"  chain {name} {{", *[f"    {rule}" for rule in rules], "  }"]
    return "\n".join([*lines, "}", ""])


def _jump(end: str, addresses: set[str], chain: str) -> list[str]:
    return [f"ip {end} {_set(sorted(addresses))} jump {chain}"] if addresses else []


def _opened(
    direction: str,
    rule: Mapping[str, Any],
    targets: list[Pod],
    namespace: str,
    everyone: list[Pod],
    namespaces: Mapping[str, Mapping[str, str]],
) -> list[str]:
    """The nftables rules that let through what one rule of a policy allows."""
    mine, theirs = ("daddr", "saddr") if direction == "Ingress" else ("saddr", "daddr")
    peers: list[Mapping[str, Any]] = rule.get("from" if direction == "Ingress" else "to") or []
    others = [
        pod for pod in everyone if any(_is_peer(pod, peer, namespace, namespaces) for peer in peers)
    ]
    blocks = [peer["ipBlock"] for peer in peers if "ipBlock" in peer]
    # The cluster has IPv4 only, so a block of IPv6 lets nobody through.
    allowed = [_block(theirs, block) for block in blocks if ":" not in block["cidr"]]
    allowed += _ends(theirs, others)
    if not peers:
        allowed, others = [""], everyone
    lines = []
    for port in rule.get("ports") or [{"protocol": ANY}]:
        # A port's name means the number that the pod which is connected to gives it.
        if not isinstance(port.get("port"), str):
            variants = [(_port(port), targets, allowed)]
        elif direction == "Ingress":
            variants = [(match, group, allowed) for match, group in _by_number(port, targets)]
        else:
            named = _by_number(port, others)
            variants = [(match, targets, _ends(theirs, group)) for match, group in named]
        for match, group, ends in variants:
            lines += [f"{_ends(mine, group)[0]} {end} {match} return" for end in ends]
    return [" ".join(line.split()) for line in lines]


def _is_peer(
    pod: Pod,
    peer: Mapping[str, Any],
    namespace: str,
    namespaces: Mapping[str, Mapping[str, str]],
) -> bool:
    if "ipBlock" in peer:
        return False
    spaces = peer.get("namespaceSelector")
    if spaces is None:
        near = pod.namespace == namespace
    else:
        near = selects(spaces, namespaces.get(pod.namespace, {}))
    return near and selects(peer.get("podSelector") or {}, pod.labels)


def _block(end: str, block: Mapping[str, Any]) -> str:
    excepted = block.get("except") or []
    return f"ip {end} {block['cidr']}" + (f" ip {end} != {_set(excepted)}" if excepted else "")


def _port(port: Mapping[str, Any]) -> str:
    """The nftables expression of a port that is given by its number, or of any port."""
    protocol = port.get("protocol", "TCP").lower()
    if protocol == ANY:
        return ""
    if "port" not in port:
        return f"meta l4proto {protocol}"
    last = f"-{port['endPort']}" if "endPort" in port else ""
    return f"{protocol} dport {port['port']}{last}"


def _by_number(port: Mapping[str, Any], pods: Iterable[Pod]) -> list[tuple[str, list[Pod]]]:
    """The pods that have a port of this name, by the expression of its number."""
    protocol = port.get("protocol", "TCP").lower()
    groups: dict[str, list[Pod]] = {}
    for pod in pods:
        number = pod.ports.get((protocol, port["port"]))
        if number is not None:
            groups.setdefault(f"{protocol} dport {number}", []).append(pod)
    return list(groups.items())


def _ends(end: str, pods: Iterable[Pod]) -> list[str]:
    """The expression of one end of a connection being one of these pods; none without pods."""
    addresses = [pod.address for pod in pods]
    return [f"ip {end} {_set(addresses)}"] if addresses else []


def _set(members: Iterable[str]) -> str:
    return f"{{ {', '.join(members)} }}"
