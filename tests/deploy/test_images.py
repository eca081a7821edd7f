"""The images that the rig makes have the names that the chart asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from rig import building, images

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "hairpin"


def of_chart(name: str) -> Any:
    return yaml.safe_load((CHART / name).read_text(encoding="utf-8"))


def test_servers_have_the_charts_names() -> None:
    values = of_chart("values.yaml")
    asked = {server: values[server]["image"] for server in images.SERVER_IMAGES}
    named = {server: f"{image['repository']}:{image['tag']}" for server, image in asked.items()}
    assert named == images.SERVER_IMAGES


def test_ours_has_the_charts_name_and_says_its_version() -> None:
    chart, image = of_chart("Chart.yaml"), of_chart("values.yaml")["image"]
    assert f"{image['repository']}:{image['tag'] or chart['appVersion']}" == building.IMAGE
    recipe = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert f"ARG VERSION={building.VERSION}\n" in recipe


def test_a_build_sees_what_the_image_is_made_of_and_nothing_else() -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    allowed = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    assert allowed | {".dockerignore", "deploy/Dockerfile"} == set(building.SOURCES)
    assert all((ROOT / path).exists() for path in allowed)
