"""float32 or bfloat16: measured, because machines differ by a factor of eight."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from learner.settings import PPOSettings

CPU_BFLOAT16 = ("avx512_bf16", "amx_bf16")  # without these it is emulated, and slow
_ROWS = 256
_REPEATS = 3


def choose_precision(module: Any, settings: PPOSettings, device: torch.device) -> torch.dtype:
    """The dtype in which the module learns fastest on a device.

    Args:
        module: The network; its weights stay as they are.
        settings: `precision` may force the choice.
        device: Where it runs.

    Returns:
        torch.float32 or torch.bfloat16.
    """
    if settings.precision != "auto":
        return torch.bfloat16 if settings.precision == "bfloat16" else torch.float32
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    if not cpu_has_bfloat16():
        return torch.float32
    return min((torch.float32, torch.bfloat16), key=lambda dtype: _seconds(module, dtype))


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this CPU multiplies bfloat16 in hardware, as far as Linux tells."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return any(flag in flags.split() for flag in CPU_BFLOAT16)


def _seconds(module: Any, dtype: torch.dtype) -> float:
    """Best time of forward and backward on one thread."""
    obs = torch.zeros(_ROWS, *module.network.input_shape, dtype=torch.uint8)
    parameters = [p for p in module.parameters() if p.requires_grad]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    best = float("inf")
    for _ in range(_REPEATS):
        began = time.perf_counter()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype is torch.bfloat16):
            distribution, values = module.outputs(obs)
        loss = distribution.float().square().mean() + values.float().square().mean()
        torch.autograd.grad(loss, parameters, allow_unused=True)
        best = min(best, time.perf_counter() - began)
    torch.set_num_threads(threads)
    return best
