"""What the chart's tests share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHART = Path(__file__).resolve().parents[2] / "helm" / "hairpin"
EXAMPLES = sorted((CHART / "ci").glob("*-values.yaml"))
NAMESPACE = "racing"

Json = dict[str, Any]
Helm = Callable[..., subprocess.CompletedProcess[str]]
Render = Callable[..., list[Json]]
