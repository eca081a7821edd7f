"""Checks of a reward function before a training depends on it."""

from hairpin.validation.findings import Finding, Report
from hairpin.validation.validate import validate

__all__ = ["Finding", "Report", "validate"]
