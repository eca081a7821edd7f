"""The chart, rendered; and what checks it: helm, kubeconform with real schemas, kube-score."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from rig.client import helm_home
from servers import binaries
from servers.sources import HELM
from tests.helm.rendered import CHART, EXAMPLES, NAMESPACE, Helm, Json, Render

KUBERNETES = "k8s.io/kubernetes@v1.36.3"
KUBERAY = "github.com/ray-project/kuberay/ray-operator@v1.6.0"
MONITORS = "github.com/prometheus-operator/prometheus-operator@v0.83.0"


@pytest.fixture(scope="session")
def helm(tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Runs Helm, far from the user's settings and clusters."""
    program = binaries.program("helm")
    home = tmp_path_factory.mktemp("helm")
    environment = {**os.environ, **helm_home(home), "KUBECONFIG": str(home / "none")}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [str(program), *arguments], env=environment, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture(scope="session")
def render(helm: Helm) -> Render:
    """The objects of the chart: ``render("-f", FILE, "--set", "a=b")``."""

    def run(*arguments: str) -> list[Json]:
        ran = helm("template", "hairpin", str(CHART), "--namespace", NAMESPACE, *arguments)
        assert ran.returncode == 0, ran.stderr
        return [item for item in yaml.safe_load_all(ran.stdout) if item]

    return run


@pytest.fixture(scope="session", params=[None, *EXAMPLES], ids=lambda path: path and path.stem)
def values(request: pytest.FixtureRequest) -> list[str]:
    """The arguments of Helm for the chart's defaults, and for each of its examples."""
    return ["-f", str(request.param)] if request.param else []


@pytest.fixture(scope="session")
def objects(render: Render, values: list[str]) -> list[Json]:
    """The objects of the chart with these values."""
    return render(*values)


@pytest.fixture(scope="session")
def schemas(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a strict JSON schema for each kind of Kubernetes, KubeRay and monitors."""
    folder = tmp_path_factory.mktemp("schemas")
    api = json.loads((_module(KUBERNETES) / "api/openapi-spec/swagger.json").read_text("utf-8"))
    definitions = {name: strict(value) for name, value in api["definitions"].items()}
    (folder / "definitions.json").write_text(json.dumps({"definitions": definitions}), "utf-8")
    for name, value in definitions.items():
        for kind in value.get("x-kubernetes-group-version-kind", ()):
            schema = {"$ref": f"{folder.as_uri()}/definitions.json#/definitions/{name}"}
            _write(folder, kind["group"], kind["version"], kind["kind"], schema)
    monitors = _module(MONITORS) / "example/prometheus-operator-crd"
    kinds = ("podmonitors", "servicemonitors", "prometheusrules")
    defined = [monitors / f"monitoring.coreos.com_{kind}.yaml" for kind in kinds]
    for path in [*(_module(KUBERAY) / "config/crd/bases").glob("*.yaml"), *defined]:
        spec = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)["spec"]
        for version in spec["versions"]:
            schema = strict(version["schema"]["openAPIV3Schema"])
            schema["properties"]["metadata"] = {"type": "object"}
            _write(folder, spec["group"], version["name"], spec["names"]["kind"], schema)
    return folder


def _module(name: str) -> Path:
    """The folder of a published Go module."""
    command = [binaries.find_go(HELM), "mod", "download", "-json", name]
    asked = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert asked.returncode == 0, asked.stdout + asked.stderr
    return Path(json.loads(asked.stdout)["Dir"])


def _write(folder: Path, group: str, version: str, kind: str, schema: Json) -> None:
    # kubeconform calls the core group by its version.
    path = folder / f"{group or version}_{version}_{kind.lower()}.json"
    path.write_text(json.dumps(schema), encoding="utf-8")


def strict(schema: Any) -> Any:
    """A schema that refuses unknown keys, in the words that JSON schema has for Kubernetes' own."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: {name: strict(item) for name, item in value.items()}
        if key == "properties"
        else strict(value)
        for key, value in schema.items()
        if key != "description"
    }
    if "$ref" in made:
        quantity = "io.k8s.apimachinery.pkg.api.resource.Quantity"
        if made["$ref"] == f"#/definitions/{quantity}":
            return {"type": ["string", "number"]}
        return {"$ref": made["$ref"]}
    if made.get("format") == "int-or-string":
        return {"type": ["string", "integer"]}
    loose = made.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in made
    if made.get("properties") and not loose:
        made["additionalProperties"] = False
    return made
