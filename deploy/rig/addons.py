"""What is in the cluster from its start: name server, storage class and the KubeRay operator."""

from __future__ import annotations

import shutil
import string
import tempfile
from pathlib import Path

from rig import programs
from rig.client import Client
from rig.site import Site

MANIFESTS = Path(__file__).resolve().parent / "manifests"
KUBERAY_NAMESPACE = "kuberay"


def apply(site: Site, client: Client) -> None:
    """Creates everything; returns before it runs.

    Args:
        site: The cluster.
        client: Of its administrator.

    Raises:
        ServerError: The cluster refused something.
    """
    coredns = string.Template((MANIFESTS / "coredns.yaml").read_text(encoding="utf-8"))
    client.kubectl("apply", "-f", "-", stdin=coredns.substitute(DNS_ADDRESS=site.dns_service))
    config = programs.kuberay() / "config"
    client.kubectl("apply", "-f", str(MANIFESTS / "storage.yaml"))
    client.kubectl("create", "namespace", KUBERAY_NAMESPACE)
    client.kubectl("create", "-f", str(config / "crd" / "bases"))
    with tempfile.TemporaryDirectory(dir=site.folder) as folder:
        # Its own kustomization names no namespace, and must not be changed where it is kept.
        shutil.copytree(config / "rbac", Path(folder, "rbac"))
        text = f"namespace: {KUBERAY_NAMESPACE}\nresources: [rbac]\n"
        Path(folder, "kustomization.yaml").write_text(text, encoding="utf-8")
        client.kubectl("apply", "-k", folder)
    client.kubectl("apply", "-f", str(MANIFESTS / "kuberay.yaml"))


def wait(site: Site, client: Client, timeout_s: float) -> None:
    """Returns when the node is ready and everything of `apply` runs.

    Raises:
        ServerError: It does not run within `timeout_s`.
    """
    limit = f"--timeout={timeout_s:.0f}s"
    client.kubectl("wait", "--for=create", f"node/{site.name}", limit)
    client.kubectl("wait", "--for=condition=Ready", f"node/{site.name}", limit)
    client.kubectl("-n", "kube-system", "rollout", "status", "deployment/coredns", limit)
    operator = "deployment/kuberay-operator"
    client.kubectl("-n", KUBERAY_NAMESPACE, "rollout", "status", operator, limit)
