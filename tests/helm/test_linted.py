"""What kube-linter looks for and kube-score does not, Ray's pods included, which neither sees."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.helm.rendered import EXAMPLES, Json, Render, of_kind, pod_templates

MADE_BY_KUBERAY = {"hairpin-head-svc"}


@pytest.fixture(scope="module", params=[None, *EXAMPLES], ids=lambda path: path and path.stem)
def objects(request: pytest.FixtureRequest, render: Render) -> list[Json]:
    return render(*(["-f", str(request.param)] if request.param else []))


def containers(objects: list[Json]) -> Iterator[tuple[str, Json]]:
    for name, template in pod_templates(objects).items():
        for container in template["spec"]["containers"]:
            yield f"{name}/{container['name']}", container


def selects(selector: Json, template: Json) -> bool:
    labels: dict[str, str] = template["metadata"]["labels"]
    return bool(selector) and selector.items() <= labels.items()


def test_no_variable_is_said_twice(objects: list[Json]) -> None:  # Helm 4 refuses them
    for name, container in containers(objects):
        names = Counter(variable["name"] for variable in container.get("env", ()))
        assert [each for each, times in names.items() if times > 1] == [], name


def test_no_secret_is_a_value(objects: list[Json]) -> None:
    secret = re.compile(r"PASS|SECRET|TOKEN|(?<!PUBLIC_)KEY", re.IGNORECASE)
    for name, container in containers(objects):
        said = {each["name"] for each in container.get("env", ()) if "value" in each}
        assert [each for each in said if secret.search(each)] == [], name


def test_every_image_has_a_version(objects: list[Json]) -> None:
    for name, container in containers(objects):
        tag = container["image"].rpartition("/")[2].partition(":")[2]
        assert tag and tag != "latest", name


def test_every_probe_is_of_a_port_that_is_declared(objects: list[Json]) -> None:
    probed = 0
    for name, container in containers(objects):
        ports = {port["name"] for port in container.get("ports", ())}
        for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
            found = container.get(probe, {})
            for how in ("httpGet", "tcpSocket"):
                if how in found:
                    probed += 1
                    assert found[how]["port"] in ports, f"{name}: {probe}"
    assert probed or len(of_kind(objects, "StatefulSet")) == 0


def test_every_account_and_claim_of_a_pod_is_made(objects: list[Json]) -> None:
    accounts = {*of_kind(objects, "ServiceAccount"), "default"}
    configs = set(of_kind(objects, "ConfigMap")) | {"kube-root-ca.crt"}
    for name, template in pod_templates(objects).items():
        spec = template["spec"]
        assert spec["serviceAccountName"] in accounts, name
        used = {
            each["configMap"]["name"] for each in spec.get("volumes", ()) if "configMap" in each
        }
        assert used <= configs, name


def test_services_and_budgets_select_pods_that_there_are(objects: list[Json]) -> None:
    templates = list(pod_templates(objects).values())
    for name, service in of_kind(objects, "Service").items():
        chosen = [each for each in templates if selects(service["spec"]["selector"], each)]
        assert chosen, name
        ports = {
            port["name"]
            for each in chosen
            for container in each["spec"]["containers"]
            for port in container.get("ports", ())
        }
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= ports, name
    for name, budget in of_kind(objects, "PodDisruptionBudget").items():
        assert any(
            selects(budget["spec"]["selector"]["matchLabels"], each) for each in templates
        ), name


def test_ways_from_outside_lead_to_services_that_there_are(objects: list[Json]) -> None:
    services = {*of_kind(objects, "Service"), *MADE_BY_KUBERAY}
    for name, ingress in of_kind(objects, "Ingress").items():
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                assert path["backend"]["service"]["name"] in services, name
