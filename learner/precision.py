"""float32 or bfloat16: decided by the processor and the network, the same way each time.

Measuring would choose as well, but not always alike, and another precision is another trajectory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from learner.settings import PPOSettings

CPU_BFLOAT16 = ("avx512_bf16", "amx_bf16")  # without these it is emulated, and slow
# From so many weights on, bfloat16 takes half of float32's time where the processor has it; at the
# 116,000 of the network `fast`, about the same.
LARGE = 500_000


def choose_precision(module: Any, settings: PPOSettings, device: torch.device) -> torch.dtype:
    """The dtype in which the module learns fast on a device.

    Args:
        module: The network.
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
    weights = sum(parameter.numel() for parameter in module.parameters())
    return torch.bfloat16 if weights >= LARGE else torch.float32


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this CPU multiplies bfloat16 in hardware, as far as Linux tells."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return any(flag in flags.split() for flag in CPU_BFLOAT16)
