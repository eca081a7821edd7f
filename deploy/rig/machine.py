"""What a cluster asks of the machine, beside programs that can be installed (`packages`)."""

from __future__ import annotations

import ctypes
import os
import platform

from rig import packages
from servers.errors import ServerError

WATCHERS = 32
"""Kubernetes' programs hold about twenty instances of inotify."""


def check() -> None:
    """Returns if a cluster can run here.

    Raises:
        ServerError: It cannot; the text says what to do.
    """
    if platform.system() != "Linux" or os.geteuid():
        raise ServerError("a cluster of one's own needs Linux and root; kind and k3d do not")
    packages.require()
    _check_watchers()


def _check_watchers() -> None:
    kernel = ctypes.CDLL(None, use_errno=True)
    held = [kernel.inotify_init1(os.O_CLOEXEC) for _ in range(WATCHERS)]
    for instance in held:
        if instance >= 0:
            os.close(instance)
    if min(held) < 0:
        raise ServerError(
            "programs of this machine have used up its instances of inotify, which kubelet needs. "
            "Allow more: sysctl fs.inotify.max_user_instances=1024"
        )
