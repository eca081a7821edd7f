"""float32 or bfloat16: decided by the processor, the same way each time.

Where a CPU multiplies bfloat16 in hardware, learning takes half to two thirds of the time;
elsewhere four times as long. Measuring would tell as well, but not always alike, and another
precision is another trajectory.
"""

from __future__ import annotations

from pathlib import Path

import torch

from learner.settings import PPOSettings

CPU_BFLOAT16 = ("avx512_bf16", "amx_bf16")  # without these it is emulated, and slow


def choose_precision(settings: PPOSettings, device: torch.device) -> torch.dtype:
    """The dtype in which a network learns fast on a device.

    Args:
        settings: `precision` may force the choice.
        device: Where it runs.

    Returns:
        torch.float32 or torch.bfloat16.
    """
    if settings.precision != "auto":
        return torch.bfloat16 if settings.precision == "bfloat16" else torch.float32
    if torch.device(device).type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float32
    return torch.bfloat16 if cpu_has_bfloat16() else torch.float32


def cpu_has_bfloat16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether this CPU multiplies bfloat16 in hardware, as far as Linux tells."""
    try:
        text = cpuinfo.read_text()
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return any(flag in flags.split() for flag in CPU_BFLOAT16)
