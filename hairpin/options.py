"""Pieces that the commands' definitions share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

Command = TypeVar("Command", bound=Callable[..., Any])


def examples(*lines: str) -> str:
    """An epilog that shows commands to type, each on its line."""
    return "\b\nExamples:\n" + "\n".join(f"  {line}" for line in lines)


def storage_option(command: Command) -> Command:
    """Adds ``--storage``: where the runs are."""
    return click.option(
        "--storage",
        metavar="STORE",
        help="Where runs are kept: a folder, or s3://bucket/prefix.  "
        "[default: $HAIRPIN_STORAGE or ./runs]",
    )(command)


def address_option(command: Command) -> Command:
    """Adds ``--address``: the job server of a cluster."""
    return click.option(
        "--address",
        metavar="URL",
        help="The cluster's job server, http://HOST:8265; its token comes from $RAY_AUTH_TOKEN.  "
        "[default: $HAIRPIN_ADDRESS, $RAY_ADDRESS or this machine]",
    )(command)


def json_option(help_text: str) -> Callable[[Command], Command]:
    """Adds ``--json``, which says on stdout for programs what is otherwise said for people."""
    return click.option("--json", "as_json", is_flag=True, help=help_text)
