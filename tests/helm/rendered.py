"""What the chart's tests share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

CHART = Path(__file__).resolve().parents[2] / "helm" / "hairpin"
EXAMPLES = sorted((CHART / "ci").glob("*-values.yaml"))
NAMESPACE = "racing"
WORKSHOP = ("-f", str(CHART / "ci" / "workshop-values.yaml"))

Json = dict[str, Any]
Helm = Callable[..., subprocess.CompletedProcess[str]]
Render = Callable[..., list[Json]]


def of_kind(objects: list[Json], kind: str) -> dict[str, Json]:
    """Objects of a kind by their names."""
    return {item["metadata"]["name"]: item for item in objects if item["kind"] == kind}


def pod_templates(objects: list[Json]) -> dict[str, Json]:
    """Every pod that the chart makes, Ray's with the label that KubeRay gives them, by a name."""
    found = {}
    for item in objects:
        spec, name = item.get("spec", {}), f"{item['kind']}/{item['metadata']['name']}"
        if item["kind"] == "Pod":
            found[name] = item
        elif item["kind"] == "RayCluster":
            found |= {f"{name}/{group}": made for group, made in _ray_templates(item)}
        elif "template" in spec:
            found[name] = spec["template"]
    return found


def ray_pods(objects: list[Json]) -> list[tuple[str, Json, Json]]:
    """Name, spec and labels of the Ray cluster's pods, one of each group."""
    (cluster,) = of_kind(objects, "RayCluster").values()
    return [
        (f"ray-{group}", made["spec"], made["metadata"]["labels"])
        for group, made in _ray_templates(cluster)
    ]


def _ray_templates(cluster: Json) -> Iterator[tuple[str, Json]]:
    """The pod of each group of a Ray cluster, with the label that KubeRay gives it."""
    of_ray = {"ray.io/cluster": cluster["metadata"]["name"]}
    spec = cluster["spec"]
    for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]:
        template = group["template"]
        labels = {**template["metadata"]["labels"], **of_ray}
        made = {**template, "metadata": {**template["metadata"], "labels": labels}}
        yield group.get("groupName", "head"), made
