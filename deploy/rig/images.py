"""Container images made of files on this machine, as OCI archives: no registry, no builder.

The format is the OCI image layout (opencontainers/image-spec, image-layout.md) in a tar file. Its
one layer is not compressed: what packing and unpacking cost is then the disk's time alone.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rig import packages, programs
from rig.components import PAUSE_IMAGE
from rig.site import cache
from servers import binaries, leftovers
from servers.errors import ServerError
from servers.sources import MEDIAMTX, MINIO, PROMETHEUS, SOURCES

COREDNS_IMAGE = "localhost/coredns:1"
KUBERAY_IMAGE = "localhost/kuberay-operator:1"
BASE_IMAGE = "localhost/hairpin-base:1"
SERVER_IMAGES = {  # the chart's defaults
    "minio": f"quay.io/minio/minio:{MINIO.release}",
    "mediamtx": f"docker.io/bluenviron/mediamtx:{MEDIAMTX.release}",
    "prometheus": f"docker.io/prom/prometheus:v{PROMETHEUS.release}",
}
"""Program: the name of the image that the chart runs it from."""

DEBIAN = "bookworm"
PACKAGES = (  # with the libraries that a Python made elsewhere asks for
    "ca-certificates",
    "libbz2-1.0",
    "libffi8",
    "liblzma5",
    "libreadline8",
    "libsqlite3-0",
    "libssl3",
    "procps",
    "python3",
    "python3-venv",
    "wget",
    "zlib1g",
)
NOT_PACKED = {"dev", "proc", "sys"}
SEARCH_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}
LAYOUT = "application/vnd.oci.image"
EPOCH = "1970-01-01T00:00:00Z"


def of_the_node() -> list[Path]:
    """The archives that a node needs before its first pod, made first if they are not there.

    Raises:
        ServerError: A program cannot be built.
    """
    folder = programs.kubernetes()
    return [
        _of_program(folder / "pause", PAUSE_IMAGE),
        _of_program(folder / "coredns", COREDNS_IMAGE),
        _of_program(programs.kuberay() / "kuberay-operator", KUBERAY_IMAGE, user="65532"),
    ]


def of_the_servers() -> list[Path]:
    """The archives of `SERVER_IMAGES`, made first if they are not there.

    Raises:
        ServerError: A program cannot be built.
    """
    return [
        _of_program(binaries.program(program), name, folder="usr/bin")
        for program, name in SERVER_IMAGES.items()
    ]


def base() -> Path:
    """The archive of `BASE_IMAGE`: Debian with its Python, bash and wget, to build images from.

    Raises:
        ServerError: debootstrap is missing, or failed.
    """
    archive = cache() / "images" / _base_name()
    if archive.exists():
        leftovers.use(archive)
        return archive
    packages.require(packages.OF_IMAGES)
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="base.", dir=archive.parent) as temporary:
        root = Path(temporary, "root")
        command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
        ran = subprocess.run(
            [*command, DEBIAN, str(root), *_mirror()], capture_output=True, text=True, check=False
        )
        if ran.returncode:
            said = [line for line in ran.stdout.splitlines() if line][-3:]
            raise ServerError(f"debootstrap failed: {' | '.join(said)}")
        for leftover in ("var/cache/apt/archives", "var/lib/apt/lists", "var/log"):
            for path in (root / leftover).glob("*"):
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        tops = [path for path in sorted(root.iterdir()) if path.name not in NOT_PACKED]
        write(archive, BASE_IMAGE, {path: path.name for path in tops})
    return archive


def clean() -> None:
    """Removes images of other versions, if nobody has used them for a day."""
    folder = cache() / "images"
    leftovers.remove(folder, "base-", [_base_name()])
    for source in (programs.KUBERNETES, programs.KUBERAY, *SOURCES):
        leftovers.remove(folder, source.kind, [source.key])


def write(
    archive: Path,
    name: str,
    contents: dict[Path, str],
    *,
    entrypoint: Sequence[str] = (),
    user: str = "",
) -> None:
    """Writes an image as an archive for ``deploy/cluster load``, or for buildah and Docker.

    Args:
        archive: The file to write.
        name: The image's name and tag.
        contents: Files and folders, and where each of them is in the image.
        entrypoint: The command that a container runs.
        user: Who runs it; root if empty.
    """
    with tempfile.TemporaryDirectory(prefix="image.", dir=archive.parent) as temporary:
        layer = Path(temporary, "layer")
        with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as packed:
            for path, place in contents.items():
                packed.add(path.resolve() if path.is_file() else path, place)
        digest = _digest_of_file(layer)
        config = {
            "architecture": MACHINES[platform.machine()],
            "os": "linux",
            "config": {"Entrypoint": list(entrypoint), "User": user, "Env": [SEARCH_PATH]},
            "rootfs": {"type": "layers", "diff_ids": [digest]},
            # buildah counts layers by it, and finds what it has built before by its dates.
            "history": [{"created": EPOCH, "created_by": "deploy/rig/images.py"}],
        }
        text = json.dumps(config).encode()
        manifest = {
            "schemaVersion": 2,
            "mediaType": f"{LAYOUT}.manifest.v1+json",
            "config": _described(f"{LAYOUT}.config.v1+json", text),
            "layers": [
                {
                    "mediaType": f"{LAYOUT}.layer.v1.tar",
                    "digest": digest,
                    "size": layer.stat().st_size,
                }
            ],
        }
        new = Path(temporary, "archive")
        write_parts(new, name, json.dumps(manifest).encode(), text, {digest: layer})
        os.replace(new, archive)


def write_parts(
    archive: Path, name: str, manifest: bytes, config: bytes, layers: dict[str, Path]
) -> None:
    """Writes an archive of an image whose parts are there.

    Args:
        archive: The file to write.
        name: The image's name and tag.
        manifest: The text of its manifest.
        config: The text of its configuration.
        layers: Digest: file of its layers, of which some may be left out.
    """
    top = {
        **_described(json.loads(manifest)["mediaType"], manifest),
        "annotations": {
            "io.containerd.image.name": name,
            "org.opencontainers.image.ref.name": name.rpartition(":")[2],
        },
    }
    files = {
        "oci-layout": json.dumps({"imageLayoutVersion": "1.0.0"}).encode(),
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [top]}).encode(),
        **{_blob_path(digest_of(text)): text for text in (manifest, config)},
    }
    with tarfile.open(archive, "w") as packed:
        for place, text in files.items():
            info = tarfile.TarInfo(place)
            info.size = len(text)
            packed.addfile(info, io.BytesIO(text))
        for digest, path in layers.items():
            packed.add(path, _blob_path(digest))


def digest_of(text: bytes) -> str:
    """The digest by which images and their parts are known."""
    return f"sha256:{hashlib.sha256(text).hexdigest()}"


def _digest_of_file(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return f"sha256:{digest.hexdigest()}"


def _described(media_type: str, text: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": digest_of(text), "size": len(text)}


def _base_name() -> str:
    recipe = hashlib.sha256(repr((DEBIAN, PACKAGES, "2")).encode()).hexdigest()[:8]
    return f"base-{recipe}.tar"


def _of_program(program: Path, name: str, *, user: str = "", folder: str = "") -> Path:
    """The archive of an image that has one program in it and nothing else."""
    archive = cache() / "images" / f"{program.parent.name}-{program.name}.tar"
    if archive.exists():
        leftovers.use(archive)
    else:
        archive.parent.mkdir(parents=True, exist_ok=True)
        place = f"{folder}/{program.name}".removeprefix("/")
        write(archive, name, {program: place}, entrypoint=[f"/{place}"], user=user)
    return archive


def _blob_path(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _mirror() -> list[str]:
    """Where this machine gets its own Debian packages from, if it says so."""
    for path in (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list")):
        if path.exists():
            found = re.search(r"^(?:URIs:|deb) *(http\S+)", path.read_text("utf-8"), re.MULTILINE)
            if found:
                return [found[1]]
    return []
