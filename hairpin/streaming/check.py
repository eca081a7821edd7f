"""Tries before a training whether its video can be published, so that nobody waits for nothing."""

from __future__ import annotations

import socket
import threading

from hairpin.streaming.address import (
    FILE,
    PASSWORD_VARIABLE,
    USER_VARIABLE,
    Address,
    Credentials,
    parse_address,
)
from hairpin.streaming.messages import EVALUATION
from hairpin.streaming.outlet import explain
from hairpin.streaming.rtsp import RtspError, RtspPublisher
from hairpin.streaming.settings import VideoSettings
from sim.errors import UserError

LIMIT_S = 9.0
_SERVER_FIX = "Start an RTSP server there, or leave --video out"


def check_video(settings: VideoSettings, run: str) -> None:
    """Publishes for a moment, as the training will; done within ten seconds.

    Args:
        settings: Of the job.
        run: The run's name.

    Raises:
        UserError: It cannot be done; says why and what to do.
    """
    target = settings.target
    if target is None or target == FILE:
        return
    address, credentials = parse_address(target), Credentials.from_environment()
    found: list[UserError | None] = []
    # Looking up a name has no time limit of its own.
    thread = threading.Thread(
        target=lambda: found.append(_trouble(address, credentials, settings, run)), daemon=True
    )
    thread.start()
    thread.join(LIMIT_S)
    trouble = found[0] if found else _no(address, "the server does not answer", _SERVER_FIX)
    if trouble is not None:
        raise trouble


def _trouble(
    address: Address, credentials: Credentials, settings: VideoSettings, run: str
) -> UserError | None:
    from hairpin.streaming.encoder import Encoder

    parameters = Encoder(settings.width, settings.height, settings.fps).parameters
    path = address.path(run, EVALUATION)
    try:
        RtspPublisher(address, path, credentials, parameters, timeout_s=LIMIT_S - 1.0).close()
    except socket.gaierror:
        return _no(address, f"there is no host {address.host!r}", "Check the address")
    except RtspError as error:
        if not error.refused:
            return _no(address, str(error), _SERVER_FIX)
        given = f"${USER_VARIABLE} and ${PASSWORD_VARIABLE}"
        if not credentials.user:
            return _no(address, "the server wants a user and a password", f"Set {given}")
        return _no(address, str(error), f"Check {given}")
    except OSError as error:
        return _no(address, f"no video can be sent there: {explain(error)}", _SERVER_FIX)
    return None


def _no(address: Address, what: str, fix: str) -> UserError:
    return UserError(what, where=str(address), fix=fix)
