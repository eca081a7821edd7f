"""What is in the cluster from its start: name server, storage class and the KubeRay operator."""

from __future__ import annotations

import shutil
import string
import tempfile
from collections.abc import Callable
from pathlib import Path

from rig import programs
from rig.site import Site

MANIFESTS = Path(__file__).resolve().parent / "manifests"
KUBERAY_NAMESPACE = "kuberay"

Kubectl = Callable[..., str]


def apply(site: Site, kubectl: Kubectl) -> None:
    """Creates everything; returns before it runs.

    Args:
        site: The cluster.
        kubectl: Runs kubectl with the given arguments and, as ``stdin``, text.

    Raises:
        ServerError: The cluster refused something.
    """
    coredns = string.Template((MANIFESTS / "coredns.yaml").read_text(encoding="utf-8"))
    kubectl("apply", "-f", "-", stdin=coredns.substitute(DNS_ADDRESS=site.dns_service))
    config = programs.kuberay() / "config"
    kubectl("apply", "-f", str(MANIFESTS / "storage.yaml"))
    kubectl("create", "namespace", KUBERAY_NAMESPACE)
    kubectl("create", "-f", str(config / "crd" / "bases"))
    with tempfile.TemporaryDirectory(dir=site.folder) as folder:
        # Its own kustomization names no namespace, and must not be changed where it is kept.
        shutil.copytree(config / "rbac", Path(folder, "rbac"))
        text = f"namespace: {KUBERAY_NAMESPACE}\nresources: [rbac]\n"
        Path(folder, "kustomization.yaml").write_text(text, encoding="utf-8")
        kubectl("apply", "-k", folder)
    kubectl("apply", "-f", str(MANIFESTS / "kuberay.yaml"))


def wait(site: Site, kubectl: Kubectl, timeout_s: float) -> None:
    """Returns when the node is ready and everything of `apply` runs.

    Raises:
        ServerError: It does not run within `timeout_s`.
    """
    limit = f"--timeout={timeout_s:.0f}s"
    kubectl("wait", "--for=create", f"node/{site.name}", limit)
    kubectl("wait", "--for=condition=Ready", f"node/{site.name}", limit)
    kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", limit)
    kubectl("-n", KUBERAY_NAMESPACE, "rollout", "status", "deployment/kuberay-operator", limit)
