"""Where a cluster is: its addresses, its names on this machine, and its files.

Clusters are numbered, and nothing of one meets anything of another, so several can run at once.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

NUMBERS = range(16)
API_PORT = 6443


@dataclass(frozen=True)
class Site:
    """The place of one cluster.

    Attributes:
        number: Which cluster it is, one of `NUMBERS`.
    """

    number: int = 0

    @property
    def name(self) -> str:
        """The cluster's name, its node's, its cgroup's and its folder's."""
        return f"hairpin-{self.number}"

    @property
    def link(self) -> str:
        """This machine's end of the cable to the node."""
        return f"hairpin{self.number}"

    @property
    def network(self) -> str:
        """The network of the cable; nothing of the cluster gets beyond it."""
        return f"10.123.{self.number}.0/24"

    @property
    def node_address(self) -> str:
        """The node's address."""
        return f"10.123.{self.number}.1"

    @property
    def machine_address(self) -> str:
        """This machine's address, as the node sees it."""
        return f"10.123.{self.number}.2"

    @property
    def pods(self) -> str:
        """The pods' network."""
        return f"10.124.{self.number}.0/24"

    @property
    def services(self) -> str:
        """The network of the services' addresses."""
        return f"10.125.{self.number}.0/24"

    @property
    def api_service(self) -> str:
        """The address of the service `kubernetes`: the first of its network."""
        return f"10.125.{self.number}.1"

    @property
    def dns_service(self) -> str:
        """The address of the name server."""
        return f"10.125.{self.number}.10"

    @property
    def api_url(self) -> str:
        """The API server, from this machine and from the node."""
        return f"https://{self.node_address}:{API_PORT}"

    @property
    def folder(self) -> Path:
        """Everything that one start of the cluster writes."""
        return cache() / self.name

    @property
    def keys(self) -> Path:
        """Certificates and private keys."""
        return self.folder / "keys"

    @property
    def config(self) -> Path:
        """What the programs are configured by."""
        return self.folder / "config"

    @property
    def state(self) -> Path:
        """What the programs write: database, images, volumes."""
        return self.folder / "state"

    @property
    def logs(self) -> Path:
        """The programs' logs, which stay until the next start."""
        return self.folder / "logs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's configuration."""
        return self.folder / "kubeconfig"

    @property
    def processes(self) -> Path:
        """What runs on the node, kept by its first process (`node`)."""
        return self.folder / "processes.json"

    @property
    def lock(self) -> Path:
        """Held by the node's first process for as long as anything of the cluster runs."""
        return cache() / f"{self.name}.lock"


def cache() -> Path:
    """The folder of programs, images and clusters: $HAIRPIN_CLUSTER_CACHE, or the user's cache."""
    given = os.environ.get("HAIRPIN_CLUSTER_CACHE")
    if given:
        return Path(given).expanduser().resolve()
    caches = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(caches).expanduser() / "hairpin" / "cluster"
