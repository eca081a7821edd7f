"""What makes a sampling process light: no torch in it, and one thread for its matrix products."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

import numpy as np
import ray

# RLlib's own switch: its `try_import_torch` then hands out stubs. A worker never calls torch, and
# importing it takes seconds and hundreds of megabytes.
NO_TORCH = "RLLIB_TEST_NO_TORCH_IMPORT"

# The names under which OpenBLAS builds export their setter, newest NumPy wheels first.
_THREAD_SETTERS = (
    "scipy_openblas_set_num_threads64_",
    "scipy_openblas_set_num_threads",
    "openblas_set_num_threads64_",
    "openblas_set_num_threads",
)


def skip_torch_in_worker() -> None:
    """Keeps RLlib from importing torch, in a Ray worker process that has not imported it yet.

    Call it before the first import of ``ray.rllib``. In a driver, and in a process that has torch
    already (a learner), it does nothing.
    """
    if is_ray_worker() and "torch" not in sys.modules:
        os.environ[NO_TORCH] = "1"


def is_ray_worker() -> bool:
    """Whether this process was started by Ray to run tasks or actors."""
    # Asking for the context of a process without Ray would start one.
    if not ray.is_initialized():
        return False
    mode: object = ray.get_runtime_context().worker.mode
    return bool(mode == ray.WORKER_MODE)


def use_one_blas_thread() -> bool:
    """Makes NumPy's matrix products run on the calling thread alone.

    Small products are faster so, and the other cores belong to the other workers. NumPy's threads
    are counted when it is imported, which Ray does before it runs anything of ours, so the usual
    environment variables come too late.

    Returns:
        Whether it was possible: NumPy comes with OpenBLAS, as its wheels for Linux do.
    """
    home = Path(np.__file__).parent
    folders = [home.parent / "numpy.libs", home / ".dylibs", home / ".libs"]
    for library in sorted(path for folder in folders for path in folder.glob("*openblas*")):
        handle = ctypes.CDLL(str(library))
        for name in _THREAD_SETTERS:
            setter = getattr(handle, name, None)
            if setter is not None:
                setter(1)
                return True
    return False
