"""What the commands of this folder have in common: what they say of themselves, and exit codes."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

from servers.errors import ServerError

USER_ERROR, NOT_UP, INTERRUPTED = 2, 3, 130


def parser(name: str, description: str, examples: str) -> argparse.ArgumentParser:
    """The parser of a command, whose sub-commands are still to be added."""
    return argparse.ArgumentParser(
        prog=name,
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def exit_code(run: Callable[[], int]) -> int:
    """The exit code of what a command does: its own, or that of an error, which is said."""
    try:
        return run()
    except ServerError as error:
        print(f"error: {error}", file=sys.stderr)
        return USER_ERROR
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
