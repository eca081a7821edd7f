"""Who may talk to whom: the chart's network policies against the table `helm/paths.yaml`."""

from __future__ import annotations

import json
from typing import Any

import yaml

from tests.helm.rendered import CHART, WORKSHOP, Json, Render, of_kind, ray_pods

COMPONENTS = {
    *("head", "rollouts", "learner", "minio", "minio-setup", "mediamtx", "prometheus", "grafana"),
    *("check", "preflight", "upgrade"),
}
ANY = "any"


def selected(policy: Json, labels: dict[str, str]) -> bool:
    wanted = policy["spec"]["podSelector"]["matchLabels"]
    return wanted.items() <= labels.items()


def test_every_pod_has_one_policy_in_both_directions(objects: list[Json]) -> None:
    policies = of_kind(objects, "NetworkPolicy").values()
    for policy in policies:
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
    templates = [
        item if item["kind"] == "Pod" else item["spec"]["template"]
        for item in objects
        if item["kind"] in ("Pod", "Job", "Deployment", "StatefulSet")
    ]
    labels = [template["metadata"]["labels"] for template in templates]
    labels += [labels for _, _, labels in ray_pods(objects)]
    for pod in labels:
        assert sum(selected(policy, pod) for policy in policies) == 1, pod


def reachable(objects: list[Json], source: dict[str, str]) -> set[str]:
    """What a pod may begin to talk to: components of the chart, with ports."""
    policies = list(of_kind(objects, "NetworkPolicy").values())
    (mine,) = (policy for policy in policies if selected(policy, source))
    found = set()
    for target in policies:
        component = target["metadata"]["labels"]["app.kubernetes.io/component"]
        labels = dict(target["spec"]["podSelector"]["matchLabels"])
        if component in ("head", "rollouts", "learner"):
            labels["ray.io/cluster"] = "hairpin"
        out, into = ports(mine, "egress", "to", labels), ports(target, "ingress", "from", source)
        both = out if None in into else into if None in out else out & into
        found |= {f"{component}:{port or ANY}" for port in both}
    return found


def ports(policy: Json, way: str, peers: str, labels: dict[str, str]) -> set[Any]:
    allowed: set[Any] = set()
    for rule in policy["spec"][way]:
        selectors = [
            peer["podSelector"].get("matchLabels", {})
            for peer in rule.get(peers, ())
            if "podSelector" in peer and "namespaceSelector" not in peer
        ]
        if any(selector.items() <= labels.items() for selector in selectors):
            allowed |= {port["port"] for port in rule.get("ports", ())} or {None}
    return allowed


def component(name: str) -> dict[str, str]:
    labels = {"app.kubernetes.io/instance": "hairpin", "app.kubernetes.io/part-of": "hairpin"}
    ray = {"ray.io/cluster": "hairpin"} if name in ("head", "rollouts", "learner") else {}
    return {**labels, **ray, "app.kubernetes.io/component": name}


def test_paths_are_those_of_the_picture(render: Render) -> None:
    objects = render("--set", "learner.enabled=true")
    paths = yaml.safe_load((CHART.parent / "paths.yaml").read_text(encoding="utf-8"))
    components = {name for name in paths["open"] if name in COMPONENTS}
    assert components == COMPONENTS
    for source in components:
        expected = {
            f"{target}:{port}"
            for target, ports in paths["open"][source].items()
            if target in components
            for port in ([ANY] if ports == ANY else ports)
        }
        assert reachable(objects, component(source)) == expected, source


def test_participants_reach_the_gate_and_the_gate_alone_the_job_api(render: Render) -> None:
    objects = render(*WORKSHOP, "--set-json", 'workshop.participants.anna={"minutes":0}')
    assert reachable(objects, component("gate")) == {"head:8265", "minio:9000"}
    client = {"hairpin.io/workshop-client": "true"}
    policies = of_kind(objects, "NetworkPolicy")
    into = {
        name.removeprefix("hairpin-"): ports(policy, "ingress", "from", client)
        for name, policy in policies.items()
    }
    assert {name: found for name, found in into.items() if found} == {"gate": {8266}}
    ingress = next(iter(of_kind(objects, "Ingress").values()))
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend == {"name": "hairpin-gate", "port": {"number": 8266}}
    head_from = policies["hairpin-head"]["spec"]["ingress"][1]["from"]
    assert "ingress-nginx" not in json.dumps(head_from)
    assert "ingress-nginx" in json.dumps(policies["hairpin-gate"])
