"""Who may talk to whom, by packets: every pair of `helm/paths.yaml`, tried from inside the pods."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import yaml

from rig.fleet import CHART

from .conftest import Kubernetes
from .probes import NAME, Source, enter, pod
from .release import Release

pytestmark = pytest.mark.slow

PATHS = yaml.safe_load((CHART.parent / "paths.yaml").read_text(encoding="utf-8"))
NOT_HERE = {
    "grafana": "there is no way to build its image here",
    "learner": "it wants a GPU",
    "ingress": "whom the values name, and these name nobody",
}
LABELLED = {
    "client": "hairpin.io/job-client",
    "participant": "hairpin.io/workshop-client",
    "viewer": "hairpin.io/dashboard-viewer",
    "watcher": "hairpin.io/video-viewer",
    "reader": "hairpin.io/store-client",
}
HOOKS = ("check", "preflight", "minio-setup", "upgrade")
STRANGERS = ("stranger", "foreigner")
SERVERS = ("minio", "mediamtx", "prometheus", "gate")
OUTSIDE = ("api", "dns", "world")
TRAINING = 9400
LISTEN = f"nohup python3 -m http.server {TRAINING} --directory /tmp > /dev/null 2>&1 & echo $!"
Place = tuple[str, int]


@pytest.fixture(scope="module")
def elsewhere(cluster: Kubernetes) -> Iterator[str]:
    """Another namespace."""
    with cluster.new_namespace() as name:
        yield name


@pytest.fixture(scope="module")
def sources(
    installed: Release, head: Source, worker: Source, elsewhere: str
) -> Iterator[dict[str, Source]]:
    """Everyone who might begin to talk, by the name in the table."""
    cluster, here = installed.cluster, installed.namespace
    ours = {"app.kubernetes.io/instance": installed.name, "app.kubernetes.io/part-of": "hairpin"}
    labels = {name: {label: "true"} for name, label in LABELLED.items()}
    labels |= {name: {**ours, "app.kubernetes.io/component": name} for name in HOOKS}
    labels["stranger"] = {}
    # What labels open they open to pods of their own namespace.
    every_label = {**dict.fromkeys(LABELLED.values(), "true"), **ours}
    foreigner = {**every_label, "app.kubernetes.io/component": "head"}
    pods = [pod(name, here, given) for name, given in labels.items()]
    cluster.apply([*pods, pod("foreigner", elsewhere, foreigner)])

    found = {"head": head, "rollouts": worker}
    found |= {name: enter(cluster, here, installed.pod(name)) for name in SERVERS}
    found["operator"] = enter(cluster, *operator(cluster))
    found |= {name: Source(cluster, here, name, NAME) for name in labels}
    found["foreigner"] = Source(cluster, elsewhere, "foreigner", NAME)
    for name in (*labels, "foreigner"):
        cluster.wait_for(f"pod/{name}", "condition=Ready", found[name].namespace)
    yield found
    installed.kubectl("delete", "pods", "--wait=false", *labels)


def operator(cluster: Kubernetes) -> tuple[str, str]:
    """Namespace and name of the KubeRay operator's pod."""
    label = "app.kubernetes.io/component=kuberay-operator"
    (found,) = cluster.get("pods", "-A", "-l", label)["items"]
    return found["metadata"]["namespace"], found["metadata"]["name"]


@pytest.fixture(scope="module")
def targets(installed: Release, head: Source, worker: Source) -> Iterator[dict[Place, str]]:
    """The address of everything that might be talked to, by its name and port."""
    cluster, here = installed.cluster, installed.namespace
    address = {name: cluster.pod_ip(installed.pod(name), here) for name in SERVERS}
    address["head"] = cluster.pod_ip(head.pod, here)
    address["rollouts"] = cluster.pod_ip(worker.pod, here)
    address["api"] = cluster.get("service", "kubernetes")["spec"]["clusterIP"]
    (names,) = cluster.get("-n", "kube-system", "services", "-l", "k8s-app=kube-dns")["items"]
    address["dns"] = names["spec"]["clusterIP"]
    found = {(name, port): at for name, at in address.items() for port in PATHS["ports"][name]}
    # Not a pod: a node's kubelet, as good as any other address of the world.
    (node, *_) = cluster.get("nodes")["items"]
    (at, *_) = (at for at in node["status"]["addresses"] if at["type"] == "InternalIP")
    found["world", 10250] = at["address"]
    listener = head.run("bash", "-c", LISTEN).strip()  # as a training would, and there is none
    yield found
    head.run("kill", listener)


def expected(source: str, place: Place) -> bool | None:
    """Whether a path has to be open; None: it is not the chart's to say."""
    target, port = place
    if target in OUTSIDE and source in STRANGERS:
        return True  # or what is closed to others would prove nothing
    if target in OUTSIDE and source in ("operator", *LABELLED):
        return None
    if target == source in SERVERS:
        return None  # no path: a pod may always talk to itself
    ports = PATHS["open"].get(source, {}).get(target, ())
    return ports == "any" or port in ports


def test_every_path_is_as_the_picture_says(
    installed: Release, sources: dict[str, Source], targets: dict[Place, str]
) -> None:
    assert set(PATHS["open"]) - set(sources) == set(NOT_HERE)
    addresses = [(address, port) for (_, port), address in targets.items()]
    found = {
        (name, place): is_open
        for name, source in sources.items()
        for place, is_open in zip(targets, source.opens(addresses), strict=True)
    }
    wanted = {path: expected(*path) for path in found}
    wrong = {path for path in found if wanted[path] not in (None, found[path])}
    show(list(sources), list(targets), found, wrong)
    for is_open, words in ((False, "forbidden paths open"), (True, "needed paths closed")):
        asked = [path for path in found if wanted[path] is is_open]
        print(f"{sum(path in wrong for path in asked)} of {len(asked)} {words}")
    assert [f"{source} -> {place}: {found[source, place]}" for source, place in wrong] == []
    assert any(wanted[path] for path in found) and not all(found.values())


def show(
    rows: list[str],
    columns: list[Place],
    found: dict[tuple[str, Place], bool],
    wrong: set[tuple[str, Place]],
) -> None:
    """Prints the table: a row for who begins, a column for whom."""
    print("\nfrom \\ to   " + "".join(f"{name[:8]:>9}" for name, _ in columns))
    print(" " * 12 + "".join(f"{port:>9}" for _, port in columns))
    for row in rows:
        cells = [
            ("open" if found[row, place] else ".") + ("!" if (row, place) in wrong else "")
            for place in columns
        ]
        print(f"{row:12}" + "".join(f"{cell:>9}" for cell in cells))
