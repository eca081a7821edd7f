"""Packages that only exports need, and what to say where one is missing."""

from __future__ import annotations

import importlib.util

from sim.errors import UserError


def need(package: str, extra: str) -> None:
    """Checks that a package can be imported, without importing it.

    Args:
        package: What is imported.
        extra: The extra of ours that brings it.

    Raises:
        UserError: It is not installed; says how to install it.
    """
    if importlib.util.find_spec(package) is None:
        raise UserError(
            f"{package} is not installed, which this format needs",
            where="--format",
            fix=f"pip install 'hairpin[{extra}]', or with uv: uv run --extra {extra} hairpin ...",
        )
