"""Values that cannot be used, and clusters that lack something, are refused with what to do."""

from __future__ import annotations

import pytest

from tests.helm.rendered import CHART, Helm

IN_A_CLUSTER = ("--api-versions", "apiregistration.k8s.io/v1")
KUBERAY = ("--api-versions", "ray.io/v1/RayCluster", "--api-versions", "ray.io/v1/RayCronJob")


def refusal(helm: Helm, *arguments: str) -> str:
    ran = helm("template", "hairpin", str(CHART), *arguments)
    assert ran.returncode != 0
    return ran.stderr


def settings(*values: str) -> list[str]:
    return [word for value in values for word in ("--set", value)]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["head.resourcez=1"], "'resourcez' not allowed"),
        (["rolloutworkers.max=1"], "'rolloutworkers' not allowed"),
        (["s3.bucket=Team"], "at '/s3/bucket': 'Team' does not match"),
        (["s3.endpoint=http://key:secret@host"], "at '/s3/endpoint'"),
        (["rolloutWorkers.max=many"], "at '/rolloutWorkers/max': got string, want integer"),
        (["head.resources.limits.memory=4Gb"], "at '/head/resources/limits/memory'"),
        (["workshop.participants.Anna.workers=1"], "invalid propertyName 'Anna'"),
        (["workshop.participants.anna.hours=1"], "'hours' not allowed"),
        (["minio.enabled=yes please"], "at '/minio/enabled': got string, want boolean"),
    ],
)
def test_schema_refuses(helm: Helm, values: list[str], said: str) -> None:
    assert said in refusal(helm, *settings(*values))


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (["s3.endpoint=https://s3.example.org"], "Set minio.enabled=false to use yours"),
        (["minio.enabled=false"], "there is no store for checkpoints"),
        (
            ["minio.enabled=false", "s3.endpoint=https://s3.example.org"],
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and set s3.existingSecret",
        ),
        (["video.url=rtsp://a.example.org"], "Set mediamtx.enabled=false to use yours"),
        (["mediamtx.enabled=false"], "there is no RTSP server"),
        (["mediamtx.enabled=false", "video.url=rtsp://a"], "set video.existingSecret"),
        (["video.enabled=false"], "Set mediamtx.enabled=false too"),
        (["prometheus.enabled=false"], "there is no Prometheus"),
        (["grafana.prometheusUrl=http://p"], "Set prometheus.enabled=false to use yours"),
        (["ingress.enabled=true"], "ingress.host is empty"),
        (["ingress.enabled=true"], "networkPolicy.jobClients"),
        (
            ["ingress.enabled=true", "ingress.host=a", "ingress.storeHost=b"],
            "Add the controller's pods to networkPolicy.storeClients",
        ),
        (["minio.enabled=false", "ingress.storeHost=b"], "ingress.storeHost is for MinIO"),
        (["rolloutWorkers.min=5"], "rolloutWorkers.min is 5 and rolloutWorkers.max is 4"),
        (["rolloutWorkers.max=0"], "nothing would drive"),
        (["head.resources.limits.memory=1Gi"], "head.resources.limits.memory is 1Gi; it needs 2Gi"),
        (["rolloutWorkers.resources.limits.memory=1500M"], "it needs 2Gi at least"),
        (["head.objectStoreMemory=3Gi"], "more than half of head.resources.limits.memory"),
        (
            ["workshop.participants.anna.workers=9"],
            "workshop.participants.anna.workers is 9 and the cluster has room for 8",
        ),
        (
            ["workshop.participants.anna.minutes=9", "minio.enabled=false"],
            "a key for s3://hairpin/tenants/NAME, and set workshop.existingSecret",
        ),
        (["head.terminationGracePeriodSeconds=5"], "a driver needs 30 to save"),
    ],
)
def test_contradictions_are_refused(helm: Helm, values: list[str], said: str) -> None:
    assert said in refusal(helm, *settings(*values))


def test_all_that_is_wrong_is_said_at_once(helm: Helm) -> None:
    said = refusal(helm, *settings("s3.endpoint=https://a", "rolloutWorkers.max=0"))
    assert said.count("\n- ") == 2


def test_missing_operator_is_said_with_the_command(helm: Helm) -> None:
    said = refusal(helm, *IN_A_CLUSTER)
    assert "no KubeRay operator" in said
    assert "helm upgrade --install kuberay-operator kuberay-operator --repo https://" in said


def test_old_operator_is_said_with_the_commands(helm: Helm) -> None:
    said = refusal(helm, *IN_A_CLUSTER, *KUBERAY[:2])
    assert "older than 1.6" in said and "kubectl apply --server-side" in said


def test_missing_prometheus_operator_is_said(helm: Helm) -> None:
    monitors = settings("monitoring.podMonitor.enabled=true")
    assert "no Prometheus operator" in refusal(helm, *IN_A_CLUSTER, *KUBERAY, *monitors)


def test_cluster_with_everything_is_taken(helm: Helm) -> None:
    ran = helm("template", "hairpin", str(CHART), *IN_A_CLUSTER, *KUBERAY)
    assert ran.returncode == 0, ran.stderr


def test_notes_have_commands_that_fit_the_release(helm: Helm) -> None:
    ran = helm("install", "races", str(CHART), "--dry-run=client", "--namespace", "team")
    assert ran.returncode == 0, ran.stderr
    notes = ran.stdout.partition("NOTES:")[2]
    assert "kubectl -n team port-forward service/races-hairpin-head-svc 8265" in notes
    assert "get secret races-hairpin -o jsonpath='{.data.auth_token}'" in notes
    assert (
        "ray job submit --address http://127.0.0.1:8265 --working-dir . -- hairpin train ." in notes
    )
    assert "helm -n team test races" in notes
