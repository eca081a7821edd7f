"""Hairpin's own image, built by buildah from ``deploy/Dockerfile``."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rig import images, packages
from rig.site import cache
from servers.errors import ServerError, last_lines

ROOT = Path(__file__).resolve().parents[2]
VERSION = re.findall(r'__version__ = "(.+)"', (ROOT / "hairpin/__init__.py").read_text("utf-8"))[0]
IMAGE = f"ghcr.io/hairpin-rl/hairpin:{VERSION}"
"""The image's name, which is the chart's default."""

SOURCES = (  # what .dockerignore lets through, and what says how it is built
    ".dockerignore",
    "deploy/Dockerfile",
    "deploy/constraints.txt",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "hairpin",
    "learner",
    "rollout_workers",
    "sim",
    "storage",
    "dashboards",
)
NOT_SOURCES = {".pyc", ".nbi", ".nbc"}
OURS = "localhost/hairpin"
KEPT = 3  # working trees may differ
CERTIFICATES = "/etc/ssl/certs"
UV_CACHE = "/var/cache/users-uv"


@dataclass(frozen=True)
class Built:
    """An image in buildah's store.

    Attributes:
        reference: Its name there.
        store: The folder of the store.
    """

    reference: str
    store: Path

    def described(self) -> dict[str, Any]:
        """What buildah knows of the image, such as the text of its ``Manifest`` and ``Config``."""
        return dict(json.loads(_buildah("inspect", "--type=image", self.reference)))

    def save(self, archive: Path) -> None:
        """Writes the image, called `IMAGE`, as an archive of Docker's, which has a health check.

        Raises:
            ServerError: buildah failed.
        """
        archive.unlink(missing_ok=True)
        _buildah("push", "--quiet", self.reference, f"docker-archive:{archive}:{IMAGE}")


@contextlib.contextmanager
def built() -> Iterator[Built]:
    """The image of this working tree, which is built first if it is not there.

    Nobody else builds or throws images away until the caller is done with it.

    Raises:
        ServerError: buildah is missing, or failed.
    """
    packages.require(packages.OF_IMAGES)
    base = images.base()
    recipe = _recipe(base)
    reference = f"{OURS}:{recipe}-{_key(base)}"
    _home().mkdir(parents=True, exist_ok=True)
    with (_home() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if reference not in _names():
            _build(reference, base)
        yield Built(reference, _home() / "store")


def _build(reference: str, base: Path) -> None:
    begun = time.monotonic()
    print(f"building {IMAGE} (minutes, if its dependencies are new) ...", file=sys.stderr)
    _buildah("rm", "--all")  # what a build that was ended has left
    mark = f"{images.BASE_IMAGE.partition(':')[0]}:{base.stem}"
    if mark not in _names():
        _buildah("pull", "--quiet", f"oci-archive:{base}")
        _buildah("tag", images.BASE_IMAGE, mark)
    options = ["--layers", "--format=docker", "--isolation=chroot", "--network=host"]
    options += ["--pull-never", f"--build-arg=BASE={images.BASE_IMAGE}"]
    # Its packages come from where this machine's do, by way of what this user has of them already.
    cached = Path(os.environ.get("UV_CACHE_DIR") or _user_cache() / "uv").expanduser()
    cached.mkdir(parents=True, exist_ok=True)
    options += [f"--volume={cached}:{UV_CACHE}", f"--build-arg=UV_CACHE_DIR={UV_CACHE}"]
    options += [f"--volume={CERTIFICATES}:{CERTIFICATES}:ro"]
    said = _buildah("bud", *options, f"--tag={reference}", "-f", "deploy/Dockerfile", ".")
    steps = set(re.findall(r"^--> (?:Using cache )?(\w{11})", said, re.MULTILINE))
    _forget(steps, mark, reference.partition("-")[0])
    print(f"built {IMAGE} in {time.monotonic() - begun:.0f} s", file=sys.stderr)


def _forget(steps: set[str], base: str, recipe: str) -> None:
    """Throws away old images, and what was built on the way to them.

    Args:
        steps: The images of the last build's steps, of which the next one may use some.
        base: The name of the image that they were built from.
        recipe: What names of images with the same dependencies begin with; each other one has
            gigabytes of its own.
    """
    # Without those that others are made of: they go with the last of these.
    listed = json.loads(_buildah("images", "--json"))
    listed.sort(key=lambda image: str(image["createdatraw"]), reverse=True)
    names = {image["id"]: image["names"] or [] for image in listed}
    ours = [image for image in names if any(name.startswith(recipe) for name in names[image])]
    for image in names:
        if image not in ours[:KEPT] and image[:11] not in steps and base not in names[image]:
            with contextlib.suppress(ServerError):  # it went with another one, or is in use
                _buildah("rmi", "--force", image)


def _recipe(base: Path) -> str:
    """Names one content of the image without its code."""
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (dependencies,) = re.findall(r"^dependencies = \[.*?^\]", project, re.MULTILINE | re.DOTALL)
    files = [ROOT / "deploy" / name for name in ("Dockerfile", "constraints.txt")]
    parts = [base.name, dependencies, *(file.read_text(encoding="utf-8") for file in files)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:8]


def _key(base: Path) -> str:
    """Names one content of the image."""
    digest = hashlib.sha256(base.name.encode())
    for name in SOURCES:
        path = ROOT / name
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file() and file.suffix not in NOT_SOURCES:
                digest.update(f"{file.relative_to(ROOT)} {file.stat().st_mode:o}\n".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _names() -> set[str]:
    listed = json.loads(_buildah("images", "--json") or "[]") or []
    return {name for image in listed for name in image["names"] or ()}


def _buildah(*arguments: str) -> str:
    """What buildah prints, which has mounts of its own: they end when it does, however it ends."""
    home = _home()
    store = [f"--root={home / 'store'}", f"--runroot={home / 'run'}", "--storage-driver=overlay"]
    command = ["unshare", "--mount", "buildah", *store, *arguments]
    ran = subprocess.run(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        said = last_lines(ran.stderr)
        if arguments[0] == "bud":
            log = home / "build.log"
            log.write_text(ran.stdout + ran.stderr, encoding="utf-8")
            said = f"{said} (log: {log})"
        raise ServerError(f"buildah {arguments[0]} failed: {said}")
    return ran.stdout


def _home() -> Path:
    return cache() / "buildah"


def _user_cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
