"""The cluster's programs: at fixed versions, built from published sources once per user."""

from __future__ import annotations

from pathlib import Path

from rig.site import cache
from servers import binaries
from servers.sources import CLUSTER_PROGRAMS, Source

_VERSION = "v1.36.3"
_CONTAINERD = "github.com/containerd/containerd/v2"
_STAMPED = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")

KUBERNETES = Source(
    title="Kubernetes",
    release=_VERSION.removeprefix("v"),
    module="k8s.io/kubernetes",
    version=_VERSION,
    folder=CLUSTER_PROGRAMS,
    programs={
        "kubernetes": "./kubernetes",
        "containerd": f"{_CONTAINERD}/cmd/containerd",
        "containerd-shim-runc-v2": f"{_CONTAINERD}/cmd/containerd-shim-runc-v2",
        "ctr": f"{_CONTAINERD}/cmd/ctr",
        "coredns": "./coredns",
        "pause": "./pause",
        "kwok": "sigs.k8s.io/kwok/cmd/kwok",
    },
    links=dict.fromkeys(
        (
            "etcd",
            "kube-apiserver",
            "kube-controller-manager",
            "kube-proxy",
            "kube-scheduler",
            "kubectl",
            "kubelet",
        ),
        "kubernetes",
    ),
    variables={
        f"{_CONTAINERD}/version.Version": "v2.3.4",
    }
    | {
        f"{package}.{name}": value
        for package in _STAMPED
        for name, value in {
            "gitVersion": _VERSION,
            "gitMajor": "1",
            "gitMinor": _VERSION.split(".")[1],
            "gitTreeState": "clean",
        }.items()
    },
    tags=("no_btrfs",),  # its snapshots need C
)
KUBERAY = Source(
    title="KubeRay",
    release="1.6.0",
    module="github.com/ray-project/kuberay/ray-operator",
    version="v1.6.0",
    programs={"kuberay-operator": "."},
    keep=("config",),  # its resource definitions and roles
)


def kubernetes() -> Path:
    """The folder of the node's programs, kubectl and kwok.

    Raises:
        ServerError: They have to be built and that failed.
    """
    return binaries.built(KUBERNETES, cache())


def kuberay() -> Path:
    """The folder of KubeRay's operator and of its `config`.

    Raises:
        ServerError: It has to be built and that failed.
    """
    return binaries.built(KUBERAY, cache())
