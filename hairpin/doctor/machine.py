"""Looks at the machine: what is there, what is missing, what to do about it."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from hairpin.doctor.finding import Finding
from hairpin.doctor.services import check_services

PACKAGES = (
    "ray",
    "torch",
    "pybullet",
    "numba",
    "numpy",
    "gymnasium",
    "opencv-python-headless",
    "av",
)
MIN_MEMORY_GB = 5.0  # a whole run with two workers stays below
MIN_DISK_GB = 2.0
MIN_SHARED_MEMORY_GB = 1.0  # Ray passes samples and weights through /dev/shm
GB = 1024.0**3


def examine(storage: str) -> Iterator[Finding]:
    """Makes every check, yielding each finding as it is there.

    Args:
        storage: Where runs are to be kept.
    """
    checks: list[Callable[[], Finding]] = [
        _python,
        _versions,
        _cores,
        _cpu_flags,
        _memory,
        _shared_memory,
        lambda: _disk(storage),
        _numba_cache,
        _physics,
        _reward_room,
        _video,
        _ray,
        _gpu,
    ]
    for check in checks:
        yield check()
    yield from check_services(storage)


def versions() -> dict[str, str]:
    """Of what both sides of a cluster have: Hairpin, Python, Ray."""
    from hairpin import __version__

    ray = importlib.metadata.version("ray")
    return {"hairpin": __version__, "python": platform.python_version(), "ray": ray}


def _python() -> Finding:
    found = f"{platform.python_version()} at {sys.executable}"
    if (3, 10) <= sys.version_info[:2] < (3, 12):
        return Finding("python", "ok", found)
    return Finding(
        "python", "fail", found, "Use Python 3.10 or 3.11: PyBullet has no other wheels."
    )


def _versions() -> Finding:
    from hairpin import __version__

    found, missing = [f"hairpin {__version__}"], []
    for name in PACKAGES:
        try:
            found.append(f"{name} {importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding(
            "packages", "fail", f"missing: {', '.join(missing)}", "Install Hairpin again."
        )
    return Finding("packages", "ok", ", ".join(found))


def _cores() -> Finding:
    from sim.machine import available_cores

    usable = available_cores()
    found = f"{usable} usable of {os.cpu_count()}"
    quota = _cpu_quota()
    if quota is not None and quota < usable:
        return Finding(
            "cores",
            "warn",
            f"{found}, but limited to the time of {quota:g}",
            f"Give the container more, or train with --workers {max(1, int(quota))}.",
        )
    if usable < 2:
        return Finding("cores", "warn", found, "Two or more let driving and learning overlap.")
    return Finding("cores", "ok", found)


def _cpu_quota() -> float | None:
    """How many cores' time a container may use, if that is limited (cgroup v2)."""
    try:
        limit, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        return None


def _cpu_flags() -> Finding:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return Finding("cpu", "ok", platform.processor() or platform.machine())
    facts = {key.strip(): value for key, _, value in (line.partition(":") for line in lines)}
    flags = set(facts.get("flags", facts.get("Features", "")).split())
    interesting = ("avx2", "fma", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16")
    found = f"{facts.get('model name', platform.machine()).strip()}: " + (
        ", ".join(flag for flag in interesting if flag in flags) or "no wide arithmetic"
    )
    if platform.machine() in ("x86_64", "AMD64") and "avx2" not in flags:
        return Finding("cpu", "warn", found, "Without AVX2 learning is several times slower.")
    return Finding("cpu", "ok", found)


def _memory() -> Finding:
    import psutil

    memory = psutil.virtual_memory()
    total, free = memory.total / GB, memory.available / GB
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")) / GB
        used = int(Path("/sys/fs/cgroup/memory.current").read_text(encoding="ascii")) / GB
        total, free = min(total, limit), min(free, limit - used)
    except (OSError, ValueError):
        pass  # no limit, or no cgroup v2
    found = f"{free:.1f} GB free of {total:.1f} GB"
    if free < MIN_MEMORY_GB:
        advice = f"A run takes up to {MIN_MEMORY_GB:g} GB: close something, or use --workers 1."
        return Finding("memory", "warn", found, advice)
    return Finding("memory", "ok", found)


def _shared_memory() -> Finding:
    folder = Path("/dev/shm")
    if not folder.is_dir():
        return Finding("shared memory", "ok", "not a folder on this system")
    free = shutil.disk_usage(folder).free / GB
    found = f"{free:.1f} GB free in {folder}"
    if free < MIN_SHARED_MEMORY_GB:
        return Finding(
            "shared memory", "warn", found, "In Docker, start the container with --shm-size=2g."
        )
    return Finding("shared memory", "ok", found)


def _disk(storage: str) -> Finding:
    folder = Path(storage).expanduser().absolute()
    while not folder.is_dir():
        folder = folder.parent
    free = shutil.disk_usage(folder).free / GB
    found = f"{free:.1f} GB free at {folder}"
    if free < MIN_DISK_GB:
        return Finding("disk", "warn", found, "Make room, or choose another place with --storage.")
    return Finding("disk", "ok", found)


def _numba_cache() -> Finding:
    import sim

    configured = os.environ.get("NUMBA_CACHE_DIR")
    folders = [Path(configured)] if configured else [Path(path) for path in sim.__path__]
    folder = folders[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError:
        return Finding(
            "compiled code",
            "warn",
            f"{folder} cannot be written",
            "Set NUMBA_CACHE_DIR to a folder of yours, or every start compiles anew.",
        )
    return Finding("compiled code", "ok", f"kept in {folder}")


def _physics() -> Finding:
    try:
        from sim.physics import Physics

        Physics(1)
    except Exception as error:
        return Finding("physics", "fail", _said(error), "Install pybullet again.")
    return Finding("physics", "ok", "a world of PyBullet starts")


def _reward_room() -> Finding:
    from sim.sandbox import WALLS
    from sim.walls import walls_here

    try:
        walls = walls_here()
    except Exception as error:
        return Finding("reward process", "fail", _said(error), "Install Hairpin again.")
    missing = [wall for wall in WALLS if wall not in walls]
    found = f"walls: {', '.join(walls)}"
    if missing:
        return Finding(
            "reward process",
            "warn",
            f"{found}; not {', '.join(missing)}",
            "This system cannot close them: run reward functions of people you trust.",
        )
    return Finding("reward process", "ok", found)


def _video() -> Finding:
    try:
        av = importlib.import_module("av")
        av.codec.Codec("libx264", "w")
    except Exception as error:
        return Finding("video", "warn", _said(error), "Install av again; drive.mp4 needs libx264.")
    return Finding("video", "ok", "H.264 can be encoded")


def _ray() -> Finding:
    try:
        ray = importlib.import_module("ray")
        if importlib.util.find_spec("ray.rllib") is None:
            raise ImportError("ray.rllib is missing")
    except Exception as error:
        return Finding("ray", "fail", _said(error), "Install ray[default,rllib] again.")
    address = os.environ.get("RAY_ADDRESS")
    cluster = f", RAY_ADDRESS is {address}" if address else ""
    return Finding("ray", "ok", f"{ray.__version__} can be imported{cluster}")


def _gpu() -> Finding:
    try:
        torch = importlib.import_module("torch")
        if not torch.cuda.is_available():
            return Finding("gpu", "ok", "none that torch can use; the CPU learns")
        names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    except Exception as error:
        return Finding("gpu", "fail", _said(error), "Install torch again.")
    return Finding("gpu", "ok", ", ".join(names))


def _said(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {lines[0]}" if lines else type(error).__name__
