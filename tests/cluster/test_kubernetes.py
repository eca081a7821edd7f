"""The cluster that tests have is a real one: names, Pod Security, network policies, KubeRay."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from rig.client import ToolError
from rig.images import BASE_IMAGE

from .conftest import Kubernetes
from .probes import RESTRICTED

pytestmark = pytest.mark.slow

PORT = 8000
WEB = ("python3", "-m", "http.server", str(PORT), "--directory", "/usr/share/common-licenses")
NOWHERE = "198.51.100.1"  # RFC 5737: nobody's


def test_its_node_is_ready(cluster: Kubernetes) -> None:
    for node in cluster.get("nodes")["items"]:
        conditions = {each["type"]: each["status"] for each in node["status"]["conditions"]}
        assert conditions["Ready"] == "True"


def fetch(cluster: Kubernetes, namespace: str, pod: str, url: str) -> str:
    command = ["wget", "-q", "-O-", "--tries=1", "--timeout=5", url]
    return cluster.run_in(pod, *command, namespace=namespace)


def opens(cluster: Kubernetes, namespace: str, pod: str, url: str) -> bool:
    try:
        return "Apache License" in fetch(cluster, namespace, pod, url)
    except ToolError:
        return False


def wait_until(true: Callable[[], bool], timeout_s: float = 30.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.2)


def service(name: str, namespace: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": "web"}]},
    }


def policy(name: str, namespace: str, **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def test_services_have_names(cluster: Kubernetes, namespace: str, pod: Callable[..., str]) -> None:
    web, client = pod("web", *WEB, port=PORT), pod("client")
    cluster.apply(service(web, namespace))
    url = f"http://{web}.{namespace}.svc.cluster.local/Apache-2.0"
    wait_until(lambda: opens(cluster, namespace, client, url))


def test_a_claim_gets_a_volume_which_goes_with_it(cluster: Kubernetes, namespace: str) -> None:
    cluster.apply(
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": {"name": "data", "namespace": namespace},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
            },
        }
    )
    container = {
        "name": "main",
        "image": BASE_IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "command": ["bash", "-c", "echo kept > /data/file && cat /data/file"],
        "securityContext": RESTRICTED,
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    spec = {
        "restartPolicy": "Never",
        "containers": [container],
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}],
    }
    metadata = {"name": "writer", "namespace": namespace}
    cluster.apply({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})
    cluster.wait_for("pod/writer", "jsonpath={.status.phase}=Succeeded", namespace)
    assert cluster.kubectl("-n", namespace, "logs", "writer") == "kept\n"
    volume = cluster.get("-n", namespace, "pvc", "data")["spec"]["volumeName"]
    cluster.kubectl("-n", namespace, "delete", "pod/writer", "pvc/data")
    cluster.wait_for(f"pv/{volume}", "delete")
    if cluster.machine:
        assert not (cluster.machine.site.state / "volumes" / volume).exists()


def test_pods_cannot_leave(cluster: Kubernetes, namespace: str, pod: Callable[..., str]) -> None:
    client = pod("client")
    with pytest.raises(ToolError, match="exit code 4"):  # wget's code of a network's failure
        fetch(cluster, namespace, client, f"http://{NOWHERE}/")


def test_privileged_pods_are_refused_where_a_namespace_is_restricted(
    cluster: Kubernetes, namespace: str
) -> None:
    container = {"name": "main", "image": "any", "securityContext": {"privileged": True}}
    with pytest.raises(ToolError, match="violates PodSecurity"):
        cluster.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "privileged", "namespace": namespace},
                "spec": {"containers": [container]},
            }
        )


def test_a_policy_closes_and_opens_who_may_come_in(
    cluster: Kubernetes, namespace: str, pod: Callable[..., str]
) -> None:
    web, friend, stranger = pod("web", *WEB, port=PORT), pod("friend", role="friend"), pod("other")
    url = f"http://{cluster.pod_ip(web, namespace)}:{PORT}/Apache-2.0"
    assert opens(cluster, namespace, friend, url) and opens(cluster, namespace, stranger, url)

    let_in = {
        "from": [{"podSelector": {"matchLabels": {"role": "friend"}}}],
        "ports": [{"port": "web"}],
    }
    target = {"matchLabels": {"app": web}}
    cluster.apply(policy("only-friends", namespace, podSelector=target, ingress=[let_in]))
    wait_until(lambda: not opens(cluster, namespace, stranger, url))
    assert opens(cluster, namespace, friend, url)

    cluster.kubectl("-n", namespace, "delete", "networkpolicy", "only-friends")
    wait_until(lambda: opens(cluster, namespace, stranger, url))


def test_a_policy_says_where_a_pod_may_go(
    cluster: Kubernetes, namespace: str, pod: Callable[..., str]
) -> None:
    web, client = pod("web", *WEB, port=PORT), pod("client", role="shut-in")
    cluster.apply(service(web, namespace))
    url = f"http://{web}.{namespace}.svc.cluster.local/Apache-2.0"
    api = "https://kubernetes.default.svc.cluster.local/"
    wait_until(lambda: opens(cluster, namespace, client, url))
    with pytest.raises(ToolError, match="exit code 5"):  # it is reached: wget trusts it not
        fetch(cluster, namespace, client, api)

    names = {
        "to": [
            {
                "namespaceSelector": {
                    "matchLabels": {"kubernetes.io/metadata.name": "kube-system"}
                },
                "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
            }
        ],
        "ports": [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")],
    }
    shut_in = {
        "podSelector": {"matchLabels": {"role": "shut-in"}},
        "policyTypes": ["Egress"],
        "egress": [names],
    }
    cluster.apply(policy("names-only", namespace, **shut_in))
    wait_until(lambda: not opens(cluster, namespace, client, url))
    with pytest.raises(ToolError, match="exit code 4"):
        fetch(cluster, namespace, client, api)
    cluster.run_in(client, "getent", "hosts", f"{web}.{namespace}.svc", namespace=namespace)


def test_policies_hold_from_a_pods_first_packet(
    cluster: Kubernetes, namespace: str, pod: Callable[..., str]
) -> None:
    if cluster.machine is None:
        pytest.skip("how soon policies hold is up to the network of $HAIRPIN_TEST_KUBECONFIG")
    web = pod("web", *WEB, port=PORT)
    url = f"http://{cluster.pod_ip(web, namespace)}:{PORT}/Apache-2.0"
    cluster.apply(policy("closed", namespace, podSelector={}, policyTypes=["Egress"]))
    tries = f"wget -q -O/dev/null --tries=1 --timeout=2 {url}; echo $?"
    pod("hasty", "bash", "-c", f"for i in {{1..20}}; do {tries}; done; sleep infinity")
    said: list[str] = []

    def done() -> bool:
        said[:] = cluster.kubectl("-n", namespace, "logs", "hasty").split()
        return len(said) == 20

    wait_until(done)
    assert set(said) == {"4"}, said


def test_the_operator_makes_pods_of_a_ray_cluster(cluster: Kubernetes, namespace: str) -> None:
    container = {"name": "ray-head", "image": "localhost/none:1", "imagePullPolicy": "Never"}
    head = {"rayStartParams": {}, "template": {"spec": {"containers": [container]}}}
    ray = {
        "apiVersion": "ray.io/v1",
        "kind": "RayCluster",
        "metadata": {"name": "small", "namespace": namespace},
        "spec": {"rayVersion": "2.60.0", "headGroupSpec": head},
    }
    cluster.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce-")
    cluster.apply(ray)
    selector = ["-n", namespace, "pods", "-l", "ray.io/cluster=small,ray.io/node-type=head"]
    wait_until(lambda: len(cluster.get(*selector)["items"]) == 1)
    cluster.kubectl("-n", namespace, "delete", "raycluster", "small")
    wait_until(lambda: cluster.get(*selector)["items"] == [])
