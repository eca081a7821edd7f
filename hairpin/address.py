"""Checks a Ray address before Ray does, which takes a minute to find that nobody is there."""

from __future__ import annotations

import os
import socket

from sim.errors import UserError

CONNECT_TIMEOUT_S = 5.0
ON_THIS_MACHINE = ("auto", "local")


def check_address(address: str | None) -> None:
    """Raises `UserError` if no Ray cluster can be at `address`, or else at $RAY_ADDRESS."""
    where = "--address"
    if not address:
        address, where = os.environ.get("RAY_ADDRESS"), "$RAY_ADDRESS"
    if not address or address in ON_THIS_MACHINE:
        return
    if "://" in address:
        raise UserError(
            f"{address} is not the address of a cluster's head",
            where=where,
            fix="Give its host and port, such as 10.0.0.1:6379; from outside the cluster: ray job "
            "submit --working-dir JOBDIR -- hairpin train .",
        )
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal():
        raise UserError(
            f"{address!r} has no port", where=where, fix="Ray's is usually 6379: HOST:6379."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"nobody answers at {address} ({error})",
            where=where,
            fix="Start a cluster there with `ray start --head`, or leave the address out to train "
            "on this machine.",
        ) from error
