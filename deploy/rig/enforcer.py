"""Keeps the node's packet filter as the API's NetworkPolicies say; runs on the node.

It follows pods, namespaces and policies and renews the rules (`policies`) when one of them changes.
A pod's network is complete only once its rules are in force: the last plugin of the pods' network,
``cni/await-policies``, announces the pod's address here and waits for the answer, so that no
container ever runs without them.
"""

from __future__ import annotations

import json
import socketserver
import subprocess
import sys
import threading
from typing import Any

from rig.api import Api
from rig.components import POLICIES_SOCKET
from rig.policies import Pod, ruleset
from rig.site import Site

PATHS = {
    "pods": "/api/v1/pods",
    "namespaces": "/api/v1/namespaces",
    "policies": "/apis/networking.k8s.io/v1/networkpolicies",
}
GIVE_UP_S = 20.0
RUNS = ("Pending", "Running")


class Enforcer:
    """The state that the rules follow from.

    Args:
        site: The cluster.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._api = Api(site)
        self._world: dict[str, dict[str, Any]] = {}
        self._announced: dict[str, str] = {}  # the uid of a pod by its address
        self._changed = threading.Condition()
        self._version = 0
        self._in_force = 0

    def follow(self) -> None:
        """Begins to follow the API, and to take announcements."""
        for kind in PATHS:
            threading.Thread(target=self._follow, args=(kind,), daemon=True).start()
        server = _Announcements(POLICIES_SOCKET, _Announcement)
        server.enforcer = self
        threading.Thread(target=server.serve_forever, daemon=True).start()

    def run(self) -> None:
        """Keeps the rules up to date, for ever."""
        last = ""
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: len(self._world) == len(PATHS) and self._version > self._in_force
                )
                version, rules = self._version, self._rules()
            if rules != last:
                subprocess.run(["nft", "--file", "-"], input=rules, text=True, check=True)
                last = rules
            with self._changed:
                self._in_force = version
                self._changed.notify_all()

    def announce(self, uid: str, address: str) -> bool:
        """Says that a pod has an address; returns whether its rules are in force."""
        with self._changed:
            if not self._changed.wait_for(lambda: uid in self._world.get("pods", ()), GIVE_UP_S):
                return False
            self._announced[address] = uid
            version = self._touch()
            return self._changed.wait_for(lambda: self._in_force >= version, GIVE_UP_S)

    def _follow(self, kind: str) -> None:
        for objects in self._api.follow(PATHS[kind]):
            with self._changed:
                self._world[kind] = dict(objects)
                self._touch()

    def _touch(self) -> int:
        self._version += 1
        self._changed.notify_all()
        return self._version

    def _rules(self) -> str:
        items = self._world["pods"]
        self._announced = {at: uid for at, uid in self._announced.items() if uid in items}
        owners = {
            item["status"]["podIP"]: uid
            for uid, item in items.items()
            if item["status"].get("podIP") and item["status"]["phase"] in RUNS
        }
        # An address is used again before the API knows that its last owner is gone.
        owners |= self._announced
        pods = [
            Pod.of(items[uid], address)
            for address, uid in owners.items()
            if not items[uid]["spec"].get("hostNetwork")
        ]
        namespaces = {
            item["metadata"]["name"]: item["metadata"].get("labels") or {}
            for item in self._world["namespaces"].values()
        }
        return ruleset(pods, namespaces, self._world["policies"].values(), self._site.pods)


class _Announcements(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    enforcer: Enforcer


class _Announcement(socketserver.StreamRequestHandler):
    server: _Announcements

    def handle(self) -> None:
        asked = json.loads(self.rfile.readline())
        in_force = self.server.enforcer.announce(asked["uid"], asked["address"])
        self.wfile.write(b"in force\n" if in_force else b"not in force\n")


def main() -> None:
    """Runs until it is ended: ``python -m rig.enforcer NUMBER``."""
    enforcer = Enforcer(Site(int(sys.argv[1])))
    enforcer.follow()
    enforcer.run()


if __name__ == "__main__":
    main()
