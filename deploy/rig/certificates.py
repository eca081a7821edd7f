"""The cluster's authority, certificates, and the configurations of those who talk to its API."""

from __future__ import annotations

import base64
import json
import subprocess
from pathlib import Path

from rig.site import Site
from servers.errors import ServerError
from servers.server import write_private

DAYS = "30"  # a cluster lives for minutes or hours

CLIENTS = {  # name: subject, as Kubernetes' authorizers know it
    "admin": "/O=system:masters/CN=admin",
    "apiserver-kubelet": "/O=system:masters/CN=kube-apiserver-kubelet-client",
    "controller-manager": "/CN=system:kube-controller-manager",
    "scheduler": "/CN=system:kube-scheduler",
    "proxy": "/CN=system:kube-proxy",
}


def make(site: Site) -> None:
    """Makes a new authority and everything that it signs.

    Raises:
        ServerError: openssl failed.
    """
    site.keys.mkdir(parents=True, mode=0o700)
    _key(site.keys / "authority.key")
    authority = ["req", "-x509", "-new", "-key", "authority.key", "-out", "authority.crt"]
    _openssl(site.keys, *authority, "-days", DAYS, "-subj", f"/CN={site.name}")
    for name, subject in CLIENTS.items():
        _certificate(site, name, subject)
    _certificate(site, "apiserver", "/CN=kube-apiserver", _api_names(site))
    node = f"/O=system:nodes/CN=system:node:{site.name}"
    _certificate(site, "kubelet", node, f"IP:{site.node_address},DNS:{site.name}")
    _key(site.keys / "accounts.key")  # signs the tokens of service accounts
    _openssl(site.keys, "ec", "-in", "accounts.key", "-pubout", "-out", "accounts.pub")
    for name in ("controller-manager", "scheduler", "proxy", "kubelet"):
        _write_kubeconfig(site, name, site.config / f"{name}.kubeconfig")
    _write_kubeconfig(site, "admin", site.kubeconfig)


def _api_names(site: Site) -> str:
    service = ["kubernetes", "default", "svc", "cluster", "local"]
    names = [".".join(service[:parts]) for parts in (1, 2, 3, 5)]
    addresses = (site.node_address, site.api_service, "127.0.0.1")
    return ",".join([f"DNS:{name}" for name in names] + [f"IP:{address}" for address in addresses])


def _certificate(site: Site, name: str, subject: str, names: str = "") -> None:
    """Makes a key and a certificate that is good for clients, and for servers called `names`."""
    folder = site.keys
    _key(folder / f"{name}.key")
    request = f"{name}.csr"
    _openssl(folder, "req", "-new", "-key", f"{name}.key", "-subj", subject, "-out", request)
    extensions = ["extendedKeyUsage=clientAuth" + (",serverAuth" if names else "")]
    if names:
        extensions.append(f"subjectAltName={names}")
    (folder / f"{name}.ext").write_text("\n".join(extensions), encoding="utf-8")
    sign = ["x509", "-req", "-in", request, "-CA", "authority.crt", "-CAkey", "authority.key"]
    sign += ["-CAcreateserial", "-days", DAYS, "-extfile", f"{name}.ext"]
    _openssl(folder, *sign, "-out", f"{name}.crt")


def _key(path: Path) -> None:
    write_private(path, "")  # openssl keeps the mode of a file that is there
    _openssl(path.parent, "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", path.name)


def _write_kubeconfig(site: Site, name: str, path: Path) -> None:
    def data(file: str) -> str:
        return base64.b64encode((site.keys / file).read_bytes()).decode()

    cluster = {"server": site.api_url, "certificate-authority-data": data("authority.crt")}
    user = {
        "client-certificate-data": data(f"{name}.crt"),
        "client-key-data": data(f"{name}.key"),
    }
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": site.name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": site.name, "context": {"cluster": site.name, "user": name}}],
        "current-context": site.name,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_private(path, json.dumps(config, indent=2))


def _openssl(folder: Path, *arguments: str) -> None:
    ran = subprocess.run(
        ["openssl", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise ServerError(f"openssl {arguments[0]} failed: {' | '.join(ran.stderr.splitlines())}")
