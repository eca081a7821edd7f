"""Stands in for the image: the environment that the tests run in, mounted from this machine.

It goes when the image is there.
"""

from __future__ import annotations

import json
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from rig import images
from servers import binaries

if TYPE_CHECKING:
    from .conftest import Kubernetes

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = {"ray": "ray.scripts.scripts", "hairpin": "hairpin.cli"}
SERVERS = {
    "minio": "quay.io/minio/minio:RELEASE.2025-09-07T16-13-09Z",
    "mediamtx": "docker.io/bluenviron/mediamtx:1.20.1",
    "prometheus": "docker.io/prom/prometheus:v3.14.0",
}


def values(folder: Path) -> Path:
    """A file of values with which pods run the Python of the tests."""
    commands = folder / "bin"
    commands.mkdir()
    for name, module in SCRIPTS.items():
        script = (
            f"#!/opt/python/bin/python3\nimport sys\nfrom {module} import main\nsys.exit(main())\n"
        )
        (commands / name).write_text(script, encoding="utf-8")
        (commands / name).chmod(0o755)
    (commands / "python").symlink_to("/opt/python/bin/python3")
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    mounts = {
        "/opt/python": sys.base_prefix,
        "/opt/site": sysconfig.get_path("purelib"),
        "/opt/hairpin": str(ROOT),
        "/opt/bin": str(commands),
    }
    environment = {
        "PATH": "/opt/bin:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": "/opt/hairpin:/opt/site",
        "LD_LIBRARY_PATH": "/opt/python/lib",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    repository, _, tag = images.BASE_IMAGE.rpartition(":")
    made = {
        "image": {"repository": repository, "tag": tag},
        "runtime": {
            "env": [{"name": name, "value": value} for name, value in environment.items()],
            "volumes": [
                {"name": place.rpartition("/")[2], "hostPath": {"path": path}}
                for place, path in mounts.items()
            ],
            "volumeMounts": [
                {"name": place.rpartition("/")[2], "mountPath": place, "readOnly": True}
                for place in mounts
            ],
        },
    }
    file = folder / "stand-in.yaml"
    file.write_text(json.dumps(made), encoding="utf-8")
    return file


def load_servers(cluster: Kubernetes, folder: Path) -> None:
    """Loads MinIO, MediaMTX and Prometheus under the names that the chart has for them."""
    for program, name in SERVERS.items():
        archive = folder / f"{program}.tar"
        contents = {binaries.program(program): f"usr/bin/{program}"}
        images.write(archive, name, contents, entrypoint=[f"/usr/bin/{program}"])
        cluster.load_image(archive)
        archive.unlink()
