"""Puts an image of buildah's store into a cluster by links: no byte of its layers is copied.

buildah and containerd keep a layer in the same form, a folder for the kernel's overlay file system,
which never writes to the folders below its topmost one. So a layer of one can be hard links to the
files of the other's, where an archive of 6 GB would be written, read, stored and unpacked.

The stores' formats: containers/storage's layers.go and images.go, and containerd's overlay
snapshotter. A snapshot's name is its layer's chain ID (opencontainers/image-spec, config.md).
"""

from __future__ import annotations

import json
import secrets
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig import images
from rig.building import IMAGE, Built, built
from rig.cluster import Cluster
from servers.errors import ServerError


@dataclass(frozen=True)
class _Layer:
    """A layer: its name in containerd, its parent's, and its files in buildah's store."""

    chain: str
    parent: str
    folder: Path


def load_hairpin(cluster: Cluster) -> None:
    """Makes Hairpin's image available to pods as `rig.building.IMAGE`; builds it first if need be.

    Raises:
        ServerError: The cluster is not up, or the image cannot be built.
    """
    with built() as image:
        put(cluster, image, IMAGE)


def put(cluster: Cluster, image: Built, name: str) -> None:
    """Makes an image available to pods.

    Args:
        cluster: A cluster that is up.
        image: The image, on the same file system as the cluster.
        name: Its name in the cluster.

    Raises:
        ServerError: The cluster is not up, or the image is elsewhere.
    """
    described = image.described()
    layers = _layers(image.store, described)
    have = set(_ctr(cluster, "snapshots", "list").split())
    for layer in layers:
        if layer.chain not in have:
            _link(cluster, layer)
    config = described["Config"].encode()
    with tempfile.TemporaryDirectory(dir=cluster.site.folder) as folder:
        archive = Path(folder, "image.tar")
        images.write_parts(archive, name, described["Manifest"].encode(), config, layers={})
        _ctr(cluster, "images", "import", "--local", "--no-unpack", str(archive))


def _layers(store: Path, described: dict[str, str]) -> list[_Layer]:
    """An image's layers, the lowest first."""
    (place,) = (
        image["layer"]
        for image in _records(store / "overlay-images" / "images.json")
        if image["id"] == described["FromImageID"]
    )
    parents = {
        layer["id"]: layer.get("parent", "")
        for layer in _records(store / "overlay-layers" / "layers.json")
    }
    places: list[str] = []
    while place:
        places.insert(0, place)
        place = parents[place]
    layers: list[_Layer] = []
    chain = ""
    digests = json.loads(described["Config"])["rootfs"]["diff_ids"]
    for digest, place in zip(digests, places, strict=True):
        parent = chain
        chain = images.digest_of(f"{chain} {digest}".encode()) if chain else digest
        layers.append(_Layer(chain, parent, store / "overlay" / place / "diff"))
    return layers


def _records(path: Path) -> list[dict[str, Any]]:
    return list(json.loads(path.read_text(encoding="utf-8")))


def _link(cluster: Cluster, layer: _Layer) -> None:
    """Makes a snapshot of a layer."""
    key = f"link-{secrets.token_hex(8)}"
    parent = [layer.parent] if layer.parent else []
    (mount,) = json.loads(_ctr(cluster, "snapshots", "prepare", "--mounts", key, *parent))
    options = dict(option.partition("=")[::2] for option in mount["Options"])
    folder = options.get("upperdir", mount["Source"])
    # With everything that a layer is made of: modes, owners, and the marks of what it takes away.
    command = ["cp", "--archive", "--link", f"{layer.folder}/.", folder]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ServerError(f"{layer.folder} cannot be linked to: {ran.stderr.splitlines()[0]}")
    _ctr(cluster, "snapshots", "commit", layer.chain, key)  # which also keeps it for good


def _ctr(cluster: Cluster, *arguments: str) -> str:
    """What containerd's client prints on the node."""
    command = cluster.inside("ctr", "-n", "k8s.io", *arguments)
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode:
        raise ServerError(f"ctr {arguments[0]} {arguments[1]} failed: {ran.stderr.strip()}")
    return ran.stdout
