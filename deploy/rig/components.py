"""The node's programs: their configuration files and command lines."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from rig.site import API_PORT, Site

ETCD_URL = "http://127.0.0.1:2379"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
CNI_PROGRAMS = "/usr/lib/cni"  # Debian's containernetworking-plugins
OWN_CNI_PROGRAMS = Path(__file__).resolve().parent / "cni"
POLICIES_SOCKET = "/run/policies.sock"
PAUSE_IMAGE = "localhost/pause:1"


def write_configs(site: Site) -> None:
    """Writes every configuration file."""
    site.config.mkdir(parents=True, exist_ok=True)
    network = site.config / "network"
    network.mkdir(exist_ok=True)
    files = {
        "network/10-pods.conflist": json.dumps(_pod_network(site), indent=2),
        "containerd.toml": _containerd(site),
        "kubelet.json": json.dumps(_kubelet(site), indent=2),
        "proxy.json": json.dumps(_proxy(site), indent=2),
        # CoreDNS is asked through its service; itself it has nobody to ask.
        "resolv.conf": "nameserver 127.0.0.1\n",
    }
    for name, text in files.items():
        (site.config / name).write_text(text, encoding="utf-8")


def commands(site: Site) -> dict[str, list[str]]:
    """The arguments of each of the node's programs, with the program's name first."""
    kubelet = [
        f"--config={site.config / 'kubelet.json'}",
        f"--kubeconfig={site.config / 'kubelet.kubeconfig'}",
        f"--hostname-override={site.name}",
        f"--node-ip={site.node_address}",
    ]
    options = {
        "containerd": [f"--config={site.config / 'containerd.toml'}"],
        "etcd": _etcd(site),
        "kube-apiserver": _apiserver(site),
        "kube-controller-manager": _controller_manager(site),
        "kube-scheduler": _controller(site, "scheduler"),
        "kubelet": kubelet,
        "kube-proxy": [f"--config={site.config / 'proxy.json'}"],
    }
    return {name: [name, *given] for name, given in options.items()}


def _pod_network(site: Site) -> dict[str, object]:
    # One cable a pod and no bridge: every packet between pods is routed, so the rules of services
    # and policies see it. Our own plugin comes last and waits until a pod's policies are in force.
    addresses = {
        "type": "host-local",
        "dataDir": "/run/pod-addresses",
        "ranges": [[{"subnet": site.pods}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    cable = {"type": "ptp", "ipMasq": False, "mtu": 1500, "ipam": addresses}
    ports = {"type": "portmap", "capabilities": {"portMappings": True}}
    policies = {"type": "await-policies", "socket": POLICIES_SOCKET}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [cable, ports, policies]}


def _containerd(site: Site) -> str:
    return f"""version = 3
root = '{site.state / "containerd"}'
state = '/run/containerd'

[grpc]
address = '{CONTAINERD_SOCKET}'

[plugins.'io.containerd.cri.v1.images'.pinned_images]
sandbox = '{PAUSE_IMAGE}'

[plugins.'io.containerd.cri.v1.runtime']
# Pods would get a lower out-of-memory score than their parent, which takes CAP_SYS_RESOURCE: a
# machine that is itself a container may not have it.
restrict_oom_score_adj = true

[plugins.'io.containerd.cri.v1.runtime'.cni]
bin_dirs = ['{CNI_PROGRAMS}', '{OWN_CNI_PROGRAMS}']
conf_dir = '{site.config / "network"}'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
runtime_type = 'io.containerd.runc.v2'

[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
BinaryName = '{shutil.which("runc")}'
SystemdCgroup = false
"""


def _kubelet(site: Site) -> dict[str, object]:
    authority = str(site.keys / "authority.crt")
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "failCgroupV1": False,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{site.name}",
        "enforceNodeAllocatable": [],
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "podLogsDir": str(site.state / "pod-logs"),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": authority},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(site.keys / "kubelet.crt"),
        "tlsPrivateKeyFile": str(site.keys / "kubelet.key"),
        "clusterDomain": "cluster.local",
        "clusterDNS": [site.dns_service],
        "resolvConf": str(site.config / "resolv.conf"),
        "failSwapOn": False,
        # There is no registry to fetch an image from that was thrown away to make room.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {
            "memory.available": "100Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "nodeStatusUpdateFrequency": "2s",
    }


def _proxy(site: Site) -> dict[str, object]:
    # The limits of connection tracking are the machine's, not for a namespace to set.
    untouched = {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s"}
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": str(site.config / "proxy.kubeconfig")},
        "hostnameOverride": site.name,
        "clusterCIDR": site.pods,
        "conntrack": {**untouched, "tcpCloseWaitTimeout": "0s"},
        "iptables": {"minSyncPeriod": "0s"},
    }


def _etcd(site: Site) -> list[str]:
    peers = "http://127.0.0.1:2380"
    return [
        f"--data-dir={site.state / 'etcd'}",
        f"--listen-client-urls={ETCD_URL}",
        f"--advertise-client-urls={ETCD_URL}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",  # nothing of a cluster survives its end
        "--log-level=warn",
    ]


def _apiserver(site: Site) -> list[str]:
    keys = site.keys
    return [
        f"--etcd-servers={ETCD_URL}",
        f"--advertise-address={site.node_address}",
        f"--secure-port={API_PORT}",
        f"--service-cluster-ip-range={site.services}",
        "--allow-privileged=true",  # what a namespace may run is Pod Security's to say
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        f"--client-ca-file={keys / 'authority.crt'}",
        f"--tls-cert-file={keys / 'apiserver.crt'}",
        f"--tls-private-key-file={keys / 'apiserver.key'}",
        f"--kubelet-client-certificate={keys / 'apiserver-kubelet.crt'}",
        f"--kubelet-client-key={keys / 'apiserver-kubelet.key'}",
        f"--kubelet-certificate-authority={keys / 'authority.crt'}",
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={keys / 'accounts.pub'}",
        f"--service-account-signing-key-file={keys / 'accounts.key'}",
        f"--requestheader-client-ca-file={keys / 'authority.crt'}",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--profiling=false",
    ]


def _controller_manager(site: Site) -> list[str]:
    keys = site.keys
    return [
        *_controller(site, "controller-manager"),
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={keys / 'accounts.key'}",
        f"--root-ca-file={keys / 'authority.crt'}",
        f"--cluster-signing-cert-file={keys / 'authority.crt'}",
        f"--cluster-signing-key-file={keys / 'authority.key'}",
    ]


def _controller(site: Site, name: str) -> list[str]:
    config: Path = site.config / f"{name}.kubeconfig"
    return [
        f"--kubeconfig={config}",
        f"--authentication-kubeconfig={config}",
        f"--authorization-kubeconfig={config}",
        "--leader-elect=false",
        "--bind-address=127.0.0.1",
        "--profiling=false",
    ]
