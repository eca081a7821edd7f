"""The walls around a process that runs somebody's code, as far as the kernel lets us build them.

A process calls `confine` on itself before it runs the code: limits on memory, files and cores, no
network, no files but those that Python needs, no processes of its own, no signals to or looks into
others. None of it needs privileges; what a kernel doesn't know is left out and not counted.

Sources: landlock(7), unshare(2), prctl(2), capabilities(7), and the kernel's headers.

Nothing here may import NumPy: a reward process is to start in tens of milliseconds.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from collections.abc import Iterable

from sim.seccomp import refuse_calls

_PR_SET_NO_NEW_PRIVS = 38
_CLONE_NEWUSER, _CLONE_NEWNET = 0x10000000, 0x40000000
_CAPABILITY_VERSION_3 = 0x20080522
_SYS_CAPSET = {"x86_64": 126, "aarch64": 91}
# The same on every architecture.
_SYS_LANDLOCK_CREATE_RULESET, _SYS_LANDLOCK_ADD_RULE, _SYS_LANDLOCK_RESTRICT_SELF = 444, 445, 446
_LANDLOCK_VERSION_FLAG, _RULE_PATH_BENEATH = 1, 1
_EXECUTE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 2, 1 << 3
# Rights on files by the version that brought them: 13 at first, then refer, truncate, ioctl.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NET_RIGHTS, _SCOPES = 0b11, 0b11  # bind and connect TCP; abstract sockets and signals
_MAX_FILE_BYTES = 16 << 20
_MAX_OPEN_FILES = 64

WALLS = ("limits", "network", "privileges", "files", "processes")

# What Python and the numerical libraries look at, beside the folders of their packages.
_SYSTEM_PATHS = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/share/zoneinfo",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/dev/null",
    "/dev/urandom",
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/sys/devices/system/cpu",
)


def confine(folder: str, *, memory_mb: int, readable: Iterable[str] = ()) -> list[str]:
    """Builds all walls around the calling process, for good.

    Args:
        folder: Its own folder: it becomes the working folder and stays writable.
        memory_mb: How much address space it may have.
        readable: More files and folders that it may read.

    Returns:
        Which walls stand, of `WALLS`.
    """
    walls = []
    os.chdir(folder)
    if sys.platform.startswith("linux"):
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(_CLONE_NEWNET) == 0 or libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) == 0:
            walls.append("network")
        if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 and _drop_capabilities(libc):
            walls.append("privileges")
        if _landlock(libc, folder, [*_SYSTEM_PATHS, *_python_paths(), *readable]):
            walls.append("files")
        if refuse_calls(libc):
            walls.append("processes")
    _limit(memory_mb)
    return ["limits", *walls]


def _limit(memory_mb: int) -> None:
    """Limits address space, sizes and number of files, and core dumps."""
    import resource

    wanted = {
        "RLIMIT_AS": memory_mb << 20,
        "RLIMIT_FSIZE": _MAX_FILE_BYTES,
        "RLIMIT_NOFILE": _MAX_OPEN_FILES,
        "RLIMIT_CORE": 0,
        "RLIMIT_NPROC": 0,  # no processes of its own; the kernel exempts root
    }
    for name, value in wanted.items():
        kind = getattr(resource, name)
        _, hard = resource.getrlimit(kind)
        if hard != resource.RLIM_INFINITY:
            value = min(value, hard)
        try:
            resource.setrlimit(kind, (value, value))
        except (ValueError, OSError):  # macOS knows some of them only by name
            continue


def _drop_capabilities(libc: ctypes.CDLL) -> bool:
    """Gives up what root, or the first process of a user namespace, may do more than others."""
    number = _SYS_CAPSET.get(platform.machine())
    if number is None:
        return False
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    return int(libc.syscall(number, header, bytes(24))) == 0


def _landlock(libc: ctypes.CDLL, folder: str, readable: Iterable[str]) -> bool:
    """Closes every file but some, TCP, abstract sockets, signals and ptrace to the outside."""
    version = libc.syscall(_SYS_LANDLOCK_CREATE_RULESET, None, 0, _LANDLOCK_VERSION_FLAG)
    if version < 1:
        return False
    rights = (1 << _FILE_RIGHTS.get(version, 16)) - 1
    attributes = struct.pack(
        "=QQQ", rights, _NET_RIGHTS if version >= 4 else 0, _SCOPES if version >= 6 else 0
    )
    # An older kernel refuses a longer structure than its own.
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    rules = libc.syscall(_SYS_LANDLOCK_CREATE_RULESET, attributes[:size], size, 0)
    if rules < 0:
        return False
    try:
        for path in readable:
            _allow(libc, rules, path, _EXECUTE | _READ_FILE | _READ_DIR)
        _allow(libc, rules, folder, rights & ~_EXECUTE)
        return int(libc.syscall(_SYS_LANDLOCK_RESTRICT_SELF, rules, 0)) == 0
    finally:
        os.close(rules)


def _allow(libc: ctypes.CDLL, rules: int, path: str, rights: int) -> None:
    """Allows rights beneath a path; one that is not there is left out."""
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not os.path.isdir(path):
            rights &= ~_READ_DIR
        rule = struct.pack("=Qi", rights, handle)
        libc.syscall(_SYS_LANDLOCK_ADD_RULE, rules, _RULE_PATH_BENEATH, rule, 0)
    finally:
        os.close(handle)


def _python_paths() -> list[str]:
    """Where Python's own files and installed packages lie; not the folders of a user's code."""
    versioned = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    found = {os.path.join(prefix, "lib") for prefix in prefixes}
    found |= {os.path.join(prefix, "lib64") for prefix in prefixes}
    found |= {
        entry
        for entry in sys.path
        if os.path.basename(entry) in ("site-packages", "dist-packages", "lib-dynload", versioned)
    }
    return sorted(found)
