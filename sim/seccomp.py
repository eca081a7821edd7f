"""Calls of the kernel that a reward function has no use for, refused by a seccomp filter.

It needs no privileges, and holds also where a container forbids namespaces and the kernel is older
than Landlock: no new processes or programs, no sockets, no signals to others, no look into them,
and no say in how they are scheduled. Threads are allowed: numerical libraries start them.

Sources: seccomp(2), and the tables of system calls in the kernel's headers.

Nothing here may import NumPy: a reward process is to start in tens of milliseconds.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

_PR_SET_SECCOMP, _MODE_FILTER = 22, 2
_CLONE_THREAD = 0x10000
_FOREIGN_CALLS = 0x40000000  # numbers from here on are another table's (x32)
_AUDIT_ARCH = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Numbers of the system calls, on x86_64 and on aarch64; some are only on the first.
_REFUSED = {
    "x86_64": {
        "fork": 57, "vfork": 58, "execve": 59, "execveat": 322, "socket": 41, "io_uring_setup": 425,
        "tkill": 200, "pidfd_send_signal": 424, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297,
        "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "perf_event_open": 298,
        "bpf": 321, "unshare": 272, "setns": 308, "keyctl": 250, "setpriority": 141,
        "sched_setaffinity": 203, "sched_setscheduler": 144, "sched_setparam": 142,
        "sched_setattr": 314, "ioprio_set": 251,
    },
    "aarch64": {
        "execve": 221, "execveat": 281, "socket": 198, "io_uring_setup": 425,
        "tkill": 130, "pidfd_send_signal": 424, "rt_sigqueueinfo": 138, "rt_tgsigqueueinfo": 240,
        "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "perf_event_open": 241,
        "bpf": 280, "unshare": 97, "setns": 268, "keyctl": 219, "setpriority": 140,
        "sched_setaffinity": 122, "sched_setscheduler": 119, "sched_setparam": 118,
        "sched_setattr": 274, "ioprio_set": 30,
    },
}  # fmt: skip
# Those that depend on their first argument: clone, kill, tgkill, prlimit64; and clone3, whose
# arguments a filter cannot see.
_CLONE = {"x86_64": 56, "aarch64": 220}
_TO_ITSELF = {"x86_64": (62, 234), "aarch64": (129, 131)}
_PRLIMIT = {"x86_64": 302, "aarch64": 261}
_CLONE3 = 435

# Instructions of the filter's machine: load a word of the call's description, compare, return.
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000


def refuse_calls(libc: ctypes.CDLL) -> bool:
    """Refuses them to the calling process for good; it must have no_new_privs set.

    Returns:
        Whether the kernel does it.
    """
    machine = platform.machine()
    if machine not in _REFUSED:
        return False
    program = b"".join(struct.pack("=HBBI", *step) for step in _program(machine, os.getpid()))
    code = ctypes.create_string_buffer(program, len(program))
    # struct sock_fprog: the number of instructions, and where they are.
    header = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    return int(libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, header, 0, 0)) == 0


def _program(machine: str, pid: int) -> list[tuple[int, int, int, int]]:
    """The filter: (instruction, steps to jump if so, steps to jump if not, value) each."""
    refuse = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    allow = (_RETURN, 0, 0, _ALLOW)
    first_argument = (_LOAD, 0, 0, _FIRST_ARGUMENT)
    steps = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, _AUDIT_ARCH[machine]),
        refuse,
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _FOREIGN_CALLS),
        refuse,
        # The C library then falls back on clone.
        (_EQUAL, 0, 1, _CLONE3),
        (_RETURN, 0, 0, _ERRNO | errno.ENOSYS),
        (_EQUAL, 0, 4, _CLONE[machine]),
        first_argument,
        (_ANY_BIT, 1, 0, _CLONE_THREAD),
        refuse,
        allow,
        (_EQUAL, 0, 4, _PRLIMIT[machine]),
        first_argument,
        (_EQUAL, 1, 0, 0),
        refuse,
        allow,
    ]
    for number in _TO_ITSELF[machine]:
        steps += [
            (_EQUAL, 0, 4, number),
            first_argument,
            (_EQUAL, 1, 0, pid),
            refuse,
            allow,
        ]
    for number in _REFUSED[machine].values():
        steps += [(_EQUAL, 0, 1, number), refuse]
    return [*steps, allow]
