"""Keeps stdout for what a program is to read."""

from __future__ import annotations

import io
import os
import sys
from typing import TextIO


def claim_stdout() -> TextIO:
    """Returns stdout for our own use, and sends to stderr whatever else is written to it.

    With ``--json``, a program reads stdout line by line: a print in the user's reward function or
    in C code must not get between the lines.
    """
    sys.stdout.flush()
    try:
        descriptor = sys.stdout.fileno()
    except io.UnsupportedOperation:  # stdout is no file: a test or a notebook has replaced it
        own = sys.stdout
        sys.stdout = sys.stderr
        return own
    own = os.fdopen(os.dup(descriptor), "w", encoding="utf-8")
    os.dup2(2, descriptor)
    return own
