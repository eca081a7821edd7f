"""What the chart's tests share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
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
            of_ray = {"ray.io/cluster": item["metadata"]["name"]}
            for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]:
                template = group["template"]
                labels = {**template["metadata"]["labels"], **of_ray}
                made = {**template, "metadata": {**template["metadata"], "labels": labels}}
                found[f"{name}/{group.get('groupName', 'head')}"] = made
        elif "template" in spec:
            found[name] = spec["template"]
    return found


def ray_pods(objects: list[Json]) -> list[tuple[str, Json, Json]]:
    (cluster,) = of_kind(objects, "RayCluster").values()
    spec = cluster["spec"]
    made = []
    for group in [spec["headGroupSpec"], *spec["workerGroupSpecs"]]:
        template = group["template"]
        labels = {**template["metadata"]["labels"], "ray.io/cluster": cluster["metadata"]["name"]}
        made.append((f"ray-{group.get('groupName', 'head')}", template["spec"], labels))
    return made
