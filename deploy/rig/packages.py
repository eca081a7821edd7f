"""Programs that the cluster has from the machine's distribution, and how they get there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

from servers.errors import ServerError, last_lines

OF_A_NODE = {  # program: Debian's package
    "ip": "iproute2",
    "iptables": "iptables",
    "nft": "nftables",
    "nsenter": "util-linux",
    "openssl": "openssl",
    "runc": "runc",
    "unshare": "util-linux",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
}
OF_IMAGES = {"buildah": "buildah", "debootstrap": "debootstrap"}


def require(programs: Mapping[str, str] = OF_A_NODE) -> None:
    """Returns if all programs are there.

    Args:
        programs: Debian's package of each program.

    Raises:
        ServerError: Some are not; it says how to install them.
    """
    missing = _missing(programs)
    if missing:
        raise ServerError(f"programs are missing. Install: apt-get install {' '.join(missing)}")


def install() -> None:
    """Installs what is missing, on a system with apt and as root.

    Raises:
        ServerError: Another system or user has to do it, or apt failed.
    """
    needed = OF_A_NODE | OF_IMAGES
    missing = _missing(needed)
    if missing and not os.geteuid() and shutil.which("apt-get"):
        print(f"cluster: installing {' '.join(missing)} by apt-get", file=sys.stderr, flush=True)
        _apt_get("update")
        _apt_get("install", "--yes", "--no-install-recommends", *missing)
    require(needed)


def _missing(programs: Mapping[str, str]) -> list[str]:
    """The packages of programs that are not there."""
    return sorted({package for name, package in programs.items() if not shutil.which(name)})


def _apt_get(*arguments: str) -> None:
    ran = subprocess.run(
        ["apt-get", "-qq", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode:
        raise ServerError(f"apt-get {arguments[0]} failed: {last_lines(ran.stdout + ran.stderr)}")
