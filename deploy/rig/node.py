"""The node: the first process in the cluster's namespaces, which starts all others.

It runs in mount, network and process namespaces of its own (`cluster` makes them), so that mounts,
addresses and packet filters stay inside and end with it, and so does every process: its end is the
end of the cluster, however it comes.
"""

from __future__ import annotations

import json
import os
import select
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from rig import cgroups, components
from rig.api import Api
from rig.components import CONTAINERD_SOCKET
from rig.site import Site

READY_TIMEOUT_S = 300.0
POLL_S = 0.1
RESTART_AFTER_S = 1.0

# Kubelet sets these, and they are the whole machine's: it gets files to write instead.
MACHINE_WIDE = (
    "kernel/keys/root_maxbytes",
    "kernel/keys/root_maxkeys",
    "kernel/panic",
    "kernel/panic_on_oops",
    "vm/overcommit_memory",
    "vm/panic_on_oom",
)


class Node:
    """The node's programs.

    Args:
        site: The cluster.
        programs: The folder of the programs.
    """

    def __init__(self, site: Site, programs: Path) -> None:
        self._site = site
        self._commands = {
            **components.commands(site),
            "network-policies": [sys.executable, "-m", "rig.enforcer", str(site.number)],
            "volumes": [sys.executable, "-m", "rig.volumes", str(site.number)],
        }
        self._environment = {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}
        self._pids: dict[str, int] = {}
        self._restarts = dict.fromkeys(self._commands, 0)
        self._due: dict[str, float] = {}
        self._ready = False

    def boot(self, images: list[str]) -> None:
        """Starts everything and returns when the API can be used.

        Args:
            images: Archives that are imported before the first pod.
        """
        _mount(self._site)
        _connect(self._site)
        cgroups.make(self._site.name)
        components.write_configs(self._site)
        for name in ("containerd", "etcd", "kube-apiserver"):
            self._start(name)
        _wait("containerd", _containerd_answers)
        for image in images:
            self.run("ctr", "-n", "k8s.io", "images", "import", "--local", image)
        _wait("the API server", Api(self._site).ready)
        for name in self._commands:
            if name not in self._pids:
                self._start(name)
        self._ready = True
        self._publish()

    def run(self, *command: str) -> None:
        """Runs a program to its end, with what it says in the node's log."""
        environment = {**self._environment, "CONTAINERD_ADDRESS": CONTAINERD_SOCKET}
        subprocess.run(command, env=environment, check=True)

    def look_after(self, lifeline: int | None) -> None:
        """Starts programs again that end, and buries everybody else's orphans.

        Args:
            lifeline: A pipe; returns when nobody holds its other end. None: never returns.
        """
        while True:
            if lifeline is None:
                time.sleep(POLL_S)
            elif select.select([lifeline], [], [], POLL_S)[0]:
                return
            while pid := _bury():
                for name in [name for name, its in self._pids.items() if its == pid]:
                    print(f"{name} ended", flush=True)
                    del self._pids[name]
                    self._restarts[name] += 1
                    self._due[name] = time.monotonic() + RESTART_AFTER_S
                    self._publish()
            for name in [name for name, due in self._due.items() if due <= time.monotonic()]:
                del self._due[name]
                self._start(name)

    def _start(self, name: str) -> None:
        with (self._site.logs / f"{name}.log").open("ab") as log:
            child = subprocess.Popen(
                self._commands[name],
                env=self._environment,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        child.returncode = 0  # it is buried by `look_after`, not by its destructor
        self._pids[name] = child.pid
        self._publish()

    def _publish(self) -> None:
        """Writes what runs to where everybody can read it."""
        found = {
            "ready": self._ready,
            "programs": {
                name: {"pid": self._pids.get(name), "restarts": restarts}
                for name, restarts in self._restarts.items()
            },
        }
        new = self._site.processes.with_suffix(".new")
        new.write_text(json.dumps(found), encoding="utf-8")
        new.replace(self._site.processes)


def _mount(site: Site) -> None:
    """Gives the node directories of its own where programs have fixed places."""
    run_folder = ["mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs"]
    for path in ("/run", "/var/log"):
        subprocess.run([*run_folder, path], check=True)
    Path("/run/lock").mkdir()
    kubelet = site.state / "kubelet"
    kubelet.mkdir(parents=True)
    Path("/var/lib/kubelet").mkdir(exist_ok=True)
    subprocess.run(["mount", "--bind", str(kubelet), "/var/lib/kubelet"], check=True)
    for name in MACHINE_WIDE:
        real, own = Path("/proc/sys", name), site.state / "machine-wide" / name
        if real.exists():
            own.parent.mkdir(parents=True, exist_ok=True)
            own.write_text(real.read_text())
            subprocess.run(["mount", "--bind", str(own), str(real)], check=True)
    # Volumes that are mounted later are for pods to see, which have namespaces of their own.
    subprocess.run(["mount", "--make-rshared", "/"], check=True)


def _connect(site: Site) -> None:
    """Configures the node's end of the cable, and lets nothing go beyond the other end."""
    _ip("link", "set", "lo", "up")
    _wait("the cable", Path("/sys/class/net/eth0").exists)
    _ip("address", "add", f"{site.node_address}/24", "dev", "eth0")
    _ip("link", "set", "eth0", "up")
    _ip("route", "add", "default", "via", site.machine_address)  # programs insist on having one
    for name, value in {"ip_forward": "1", "conf/all/rp_filter": "0"}.items():
        Path("/proc/sys/net/ipv4", name).write_text(value)
    beyond = f"oifname eth0 ip daddr != {site.network}"
    rules = "".join(
        f"chain {hook} {{ type filter hook {hook} priority filter - 10;\n"
        f"{beyond} meta l4proto tcp reject with tcp reset\n{beyond} reject\n}}\n"
        for hook in ("forward", "output")
    )
    table = f"table inet hairpin_edge {{\n{rules}}}\n"
    subprocess.run(["nft", "--file", "-"], input=table, text=True, check=True)


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def _wait(what: str, true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_TIMEOUT_S
    while not true():
        if time.monotonic() > deadline:
            sys.exit(f"{what} did not come up within {READY_TIMEOUT_S:.0f} s")
        time.sleep(POLL_S)


def _containerd_answers() -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(CONTAINERD_SOCKET) == 0


def _bury() -> int:
    """The pid of a child that has ended, or 0."""
    try:
        return os.waitpid(-1, os.WNOHANG)[0]
    except ChildProcessError:
        return 0


def main() -> None:
    """Runs a node: ``python -m rig.node NUMBER PROGRAMS LIFELINE [IMAGE ...]``."""
    number, programs, lifeline, *images = sys.argv[1:]
    node = Node(Site(int(number)), Path(programs))
    node.boot(images)
    node.look_after(int(lifeline) if lifeline != "-" else None)


if __name__ == "__main__":
    main()
