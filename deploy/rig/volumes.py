"""Gives claims their volumes, as folders of the node; runs on the node.

It is what a cloud's disks are to the storage class that is the default there. Kubernetes marks a
claim that no volume fits with the name of the class's provisioner, which is us.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

from rig.api import Api
from rig.site import Site

PROVISIONER = "hairpin.invalid/folder"  # as manifests/storage.yaml has it
ASKED = "volume.kubernetes.io/storage-provisioner"
MADE_BY = "pv.kubernetes.io/provisioned-by"
CLAIMS = "/api/v1/persistentvolumeclaims"
VOLUMES = "/api/v1/persistentvolumes"


class Provisioner:
    """Makes volumes and removes them.

    Args:
        site: The cluster.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._api = Api(site)
        self._made: set[str] = set()

    def run(self) -> None:
        """Follows claims and volumes, for ever."""
        threading.Thread(target=self._follow_volumes, daemon=True).start()
        for claims in self._api.follow(CLAIMS):
            for claim in claims.values():
                if is_ours(claim) and claim["metadata"]["uid"] not in self._made:
                    self._make(claim)

    def _make(self, claim: dict[str, Any]) -> None:
        made = volume(claim, self._site.state / "volumes")
        folder = Path(made["spec"]["hostPath"]["path"])
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)  # a folder of the node is not given to the pod's group
        self._api.create(VOLUMES, made)
        self._made.add(claim["metadata"]["uid"])

    def _follow_volumes(self) -> None:
        for volumes in self._api.follow(VOLUMES):
            for each in volumes.values():
                metadata = each["metadata"]
                ours = metadata.get("annotations", {}).get(MADE_BY) == PROVISIONER
                released = each.get("status", {}).get("phase") == "Released"
                if ours and released and "deletionTimestamp" not in metadata:
                    shutil.rmtree(each["spec"]["hostPath"]["path"], ignore_errors=True)
                    with contextlib.suppress(OSError):  # tried again when anything changes
                        self._api.delete(f"{VOLUMES}/{metadata['name']}")


def is_ours(claim: dict[str, Any]) -> bool:
    """Whether a claim waits for a volume of ours."""
    metadata = claim["metadata"]
    asked = metadata.get("annotations", {}).get(ASKED) == PROVISIONER
    return asked and not claim["spec"].get("volumeName") and "deletionTimestamp" not in metadata


def volume(claim: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The volume for a claim, as an object of the API.

    Args:
        claim: The claim.
        folder: Where volumes' folders are.
    """
    metadata, spec = claim["metadata"], claim["spec"]
    name = f"folder-{metadata['uid']}"
    owner = {key: metadata[key] for key in ("namespace", "name", "uid")}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {MADE_BY: PROVISIONER}},
        "spec": {
            "accessModes": spec["accessModes"],
            "capacity": spec["resources"]["requests"],
            "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", **owner},
            "hostPath": {"path": str(folder / name)},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": spec["storageClassName"],
        },
    }


if __name__ == "__main__":
    Provisioner(Site(int(sys.argv[1]))).run()
