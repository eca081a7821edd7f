"""Precision: forced, or decided by what the processor has."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from learner.precision import choose_precision, cpu_has_bfloat16
from learner.settings import PPOSettings


@pytest.mark.parametrize(
    ("flags", "has"),
    [("fpu avx2 avx512f", False), ("fpu avx512_bf16", True), ("amx_bf16 avx2", True), ("", False)],
)
def test_the_processors_flags(tmp_path: Path, flags: str, has: bool) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"model name : a\nflags : {flags}\n")
    assert cpu_has_bfloat16(cpuinfo) is has


def test_a_system_without_cpuinfo_has_none(tmp_path: Path) -> None:
    assert not cpu_has_bfloat16(tmp_path / "none")


@pytest.mark.parametrize("name", ["float32", "bfloat16"])
def test_it_can_be_forced(name: str) -> None:
    settings = PPOSettings(precision=name)  # type: ignore[arg-type]
    assert choose_precision(settings, torch.device("cpu")) == getattr(torch, name)


def test_otherwise_the_processor_decides() -> None:
    expected = torch.bfloat16 if cpu_has_bfloat16() else torch.float32
    assert choose_precision(PPOSettings(), torch.device("cpu")) is expected
