"""The chart as it is rendered: valid, linted, closed, without secrets where they could be read."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import yaml

from servers import binaries
from tests.helm.rendered import (
    CHART,
    NAMESPACE,
    WORKSHOP,
    Helm,
    Json,
    Render,
    of_kind,
    pod_templates,
    ray_pods,
)

ROOT = CHART.parents[1]
# What kube-score would have, and why the chart has not.
EXCEPTIONS = (
    # One pod each, found by an ordinary Service. A budget for one pod only blocks drains, and the
    # driver waits for a store that is away.
    "statefulset-has-poddisruptionbudget",
    "statefulset-has-servicename",
    "deployment-replicas",
    # Two pods at a time would be one too many: the ports of streams, the data base of Grafana.
    "deployment-strategy",
    # KubeRay makes the Service of the head.
    "ingress-targets-service",
    # A tag or digest names one image, which is fetched once.
    "container-image-pull-policy",
)
# A limit makes a busy process wait while CPUs idle; requests share them fairly.
NO_CPU_LIMIT = "--ignore-container-cpu-limit"


def pod_specs(objects: list[Json]) -> dict[str, Json]:
    """The specification of every pod that the chart makes, Ray's too."""
    return {name: template["spec"] for name, template in pod_templates(objects).items()}


def test_lint_finds_nothing(helm: Helm, values: list[str]) -> None:
    ran = helm("lint", "--strict", "--quiet", str(CHART), *values)
    assert (ran.returncode, ran.stdout.strip()) == (0, ""), ran.stdout


def kubeconform(objects: list[Json], schemas: Path) -> Json:
    """What kubeconform says of objects."""
    name = "{{.Group}}_{{.ResourceAPIVersion}}_{{.ResourceKind}}.json"
    command = [str(binaries.program("kubeconform")), "-strict", "-summary", "-output", "json"]
    command += ["-schema-location", f"{schemas}/{name}"]
    ran = subprocess.run(
        command, input=yaml.safe_dump_all(objects), capture_output=True, text=True, check=False
    )
    return dict(json.loads(ran.stdout))


def test_objects_are_valid(objects: list[Json], schemas: Path) -> None:
    found = kubeconform(objects, schemas)
    assert found.get("resources", []) == []
    assert found["summary"]["valid"] > 15


def test_monitors_are_valid(render: Render, schemas: Path) -> None:
    kinds = ("PodMonitor", "ServiceMonitor", "PrometheusRule")
    wanted = [f"monitoring.{kind[0].lower()}{kind[1:]}.enabled=true" for kind in kinds]
    objects = render(*(word for value in wanted for word in ("--set", value)))
    monitors = [item for item in objects if item["kind"] in kinds]
    assert {item["kind"] for item in monitors} == set(kinds)
    assert kubeconform(monitors, schemas).get("resources", []) == []


def test_schemas_refuse_what_is_wrong(render: Render, schemas: Path) -> None:
    (cluster,) = of_kind(render(), "RayCluster").values()
    cluster["spec"]["headGroupSpec"]["template"]["spec"]["hostnetwork"] = True
    (account, *_) = of_kind(render(), "StatefulSet").values()
    account["spec"]["replicas"] = "one"
    said = json.dumps(kubeconform([cluster, account], schemas))
    assert "hostnetwork" in said and "replicas" in said


def test_kube_score_finds_nothing_but_what_is_written_down(objects: list[Json]) -> None:
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name.replace("/", "-").lower(),
                "namespace": NAMESPACE,
                "labels": {"app.kubernetes.io/instance": "hairpin", **labels},
            },
            "spec": spec,
        }
        for name, spec, labels in ray_pods(objects)
    ]
    scored = [item for item in objects if item["kind"] != "RayCluster"] + pods
    for item in scored:
        item["metadata"].setdefault("namespace", NAMESPACE)
    command = [str(binaries.program("kube-score")), "score", "-", "--output-format", "json"]
    command += [NO_CPU_LIMIT, *(word for name in EXCEPTIONS for word in ("--ignore-test", name))]
    ran = subprocess.run(
        command, input=yaml.safe_dump_all(scored), capture_output=True, text=True, check=False
    )
    findings = {
        f"{item['object_name']}: {check['check']['id']}: {comment['summary']}"
        for item in json.loads(ran.stdout)
        for check in item["checks"] or ()
        if not check["skipped"] and check["grade"] < 7
        for comment in check["comments"] or ({"summary": "no comment"},)
    }
    assert findings - probes_by_kuberay(findings) == set()


def probes_by_kuberay(findings: set[str]) -> set[str]:
    """KubeRay gives the pods of a cluster their probes."""
    return {text for text in findings if "/ray-" in text and ": pod-probes:" in text}


def test_every_pod_is_restricted_and_has_no_token(objects: list[Json]) -> None:
    for name, spec in pod_specs(objects).items():
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert {"cpu", "memory"} <= set(container["resources"]["requests"]), name
            assert "memory" in container["resources"]["limits"], name
        kinds = {key for volume in spec.get("volumes", ()) for key in volume} - {"name"}
        assert kinds <= {"emptyDir", "configMap", "projected"}, name


def test_only_the_autoscaler_has_a_token(render: Render) -> None:
    (cluster,) = of_kind(render(), "RayCluster").values()
    head = cluster["spec"]["headGroupSpec"]["template"]["spec"]
    (volume,) = [item for item in head["volumes"] if item["name"] == "api-token"]
    assert "serviceAccountToken" in volume["projected"]["sources"][0]
    for container in head["containers"]:
        assert "api-token" not in {mount["name"] for mount in container["volumeMounts"]}
    assert "api-token" in {
        mount["name"] for mount in cluster["spec"]["autoscalerOptions"]["volumeMounts"]
    }
    (fixed,) = of_kind(render("--set", "rolloutWorkers.autoscaling=false"), "RayCluster").values()
    assert "api-token" not in json.dumps(fixed)


def test_secrets_are_where_secrets_belong(render: Render) -> None:
    import base64

    objects = render()
    made = {
        base64.b64decode(value).decode()
        for secret in of_kind(objects, "Secret").values()
        for key, value in secret["data"].items()
        if re.search("password|SECRET", key)
    }
    assert len(made) == 5 and all(len(value) >= 32 for value in made)
    others = json.dumps([item for item in objects if item["kind"] != "Secret"])
    assert [value for value in made if value in others] == []


def test_rollouts_hold_no_key(objects: list[Json]) -> None:
    for name, spec in pod_specs(objects).items():
        if name.endswith(("/rollouts", "/learner")):
            text = json.dumps(spec)
            assert "secretKeyRef" not in text and "HAIRPIN_STORAGE" not in text, name


def test_driver_finds_store_video_and_metrics(render: Render) -> None:
    objects = render()
    (head,) = (spec for name, spec in pod_specs(objects).items() if name.endswith("hairpin/head"))
    found = {item["name"]: item.get("value") for item in head["containers"][0]["env"]}
    assert found["HAIRPIN_STORAGE"] == "s3://hairpin"
    assert found["HAIRPIN_S3_ENDPOINT"] == "http://hairpin-minio:9000"
    assert found["HAIRPIN_VIDEO"] == "rtsp://hairpin-mediamtx:8554"
    assert (found["HAIRPIN_METRICS_HOST"], found["HAIRPIN_METRICS_PORT"]) == ("0.0.0.0", "9400")
    assert found["HAIRPIN_WORKERS"] == found["HAIRPIN_MAX_WORKERS"] == "@/etc/hairpin/workers"
    assert of_kind(objects, "ConfigMap")["hairpin-scripts"]["data"]["workers"] == "8"
    for secret in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HAIRPIN_RTSP_PASSWORD"):
        assert secret in found and found[secret] is None


def test_rules_and_passwords_of_a_workshop_are_those_of_its_values(
    render: Render, tmp_path: Path
) -> None:
    from hairpin.workshop.rules import Limits, read_rules

    objects = render(*WORKSHOP, "--set-json", 'workshop.participants.anna={"minutes":0}')
    passwords = of_kind(objects, "Secret")["hairpin-participants"]["data"]
    assert len(passwords) == 31 and len(set(passwords.values())) == 31
    rules_text = of_kind(objects, "ConfigMap")["hairpin-workshop"]["data"]["rules.json"]
    (tmp_path / "rules.json").write_text(rules_text, encoding="utf-8")
    rules = read_rules(tmp_path)
    assert set(rules.participants) == set(passwords)
    assert (rules.workers, rules.of("racer01")) == (
        64,
        Limits(workers=2, minutes=120, bytes=5 * 2**30),
    )
    assert rules.of("anna") == Limits(workers=2, minutes=None, bytes=5 * 2**30)
    for name, spec in pod_specs(objects).items():
        mounted = "hairpin-participants" in json.dumps(spec)
        assert mounted == name.endswith(("/head", "hairpin-gate", "-setup")), name
        text = json.dumps(spec)
        assert ("auth_token" in text) == name.endswith(("/head", "hairpin-gate", "-check")) or (
            "-test-" in name
        )
    assert "hairpin-participants" not in json.dumps(render())


def test_names_fit_where_kuberay_adds_to_them(helm: Helm) -> None:
    release = "a-release-whose-name-is-as-long-as-helm-lets-it-be-so"
    ran = helm("template", release, str(CHART))
    assert ran.returncode == 0, ran.stderr
    for item in filter(None, yaml.safe_load_all(ran.stdout)):
        name = item["metadata"]["name"]
        assert len(name) <= 63 and re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name), name
        if item["kind"] == "RayCluster":
            assert len(name) <= 40


def test_helm_leaves_replicas_to_the_autoscaler(render: Render) -> None:
    (cluster,) = of_kind(render(), "RayCluster").values()
    (group,) = cluster["spec"]["workerGroupSpecs"]
    assert "replicas" not in group
    assert (group["minReplicas"], group["maxReplicas"]) == (0, 4)
    assert cluster["spec"]["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"


def test_dashboards_and_rules_are_those_of_the_project(render: Render) -> None:
    objects = of_kind(render(), "ConfigMap")
    ours = sorted((ROOT / "dashboards" / "grafana").glob("*.json"))
    assert ours
    for path in ours:
        name = f"hairpin-dashboard-{path.stem.removeprefix('hairpin-')}"
        text = objects[name]["data"][path.name]
        assert json.loads(text) == json.loads(path.read_text(encoding="utf-8"))
        assert len(text) < 262_144
    rules = (ROOT / "dashboards" / "alerts" / "hairpin.rules.yml").read_text(encoding="utf-8")
    text = objects["hairpin-prometheus"]["data"]["hairpin.rules.yml"]
    assert yaml.safe_load(text) == yaml.safe_load(rules)


def test_prometheus_takes_its_configuration(render: Render, tmp_path: Path) -> None:
    data = of_kind(render(), "ConfigMap")["hairpin-prometheus"]["data"]
    (tmp_path / "hairpin.rules.yml").write_text(data["hairpin.rules.yml"], encoding="utf-8")
    config = tmp_path / "prometheus.yml"
    text = data["prometheus.yml"].replace("/etc/prometheus", str(tmp_path))
    config.write_text(text, encoding="utf-8")
    command = [str(binaries.program("promtool")), "check", "config", str(config)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_package_has_the_linked_files(helm: Helm, tmp_path: Path) -> None:
    ran = helm("package", str(CHART), "--destination", str(tmp_path))
    assert ran.returncode == 0, ran.stderr
    with tarfile.open(tmp_path / "hairpin-0.1.0.tgz") as archive:
        names = archive.getnames()
        assert all(member.isfile() for member in archive.getmembers())
    assert "hairpin/files/grafana/hairpin-training.json" in names
    assert "hairpin/files/alerts/hairpin.rules.yml" in names
    assert not [name for name in names if "/ci/" in name]


def test_readme_is_up_to_date() -> None:
    script = ROOT / "helm" / "readme.py"
    subprocess.run([sys.executable, str(script), "--check"], check=True)
    described = (CHART / "README.md").read_text(encoding="utf-8")
    assert "| `s3.endpoint` |" in described


def test_versions_agree() -> None:
    import hairpin

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text(encoding="utf-8"))
    assert chart["appVersion"] == hairpin.__version__
    values = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    pinned = (ROOT / "deploy" / "constraints.txt").read_text(encoding="utf-8")
    assert f"\nray=={values['rayVersion']}\n" in pinned
