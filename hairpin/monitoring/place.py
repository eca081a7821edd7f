"""Where metrics are served, and whether they can be: asked before anything is started."""

from __future__ import annotations

import http.client
import json
import os
import urllib.error
import urllib.request
from dataclasses import dataclass

from hairpin.address import ON_THIS_MACHINE
from hairpin.job import Job
from hairpin.monitoring.listener import SERVICE, is_taken, make_server
from sim.errors import UserError

PORT_VARIABLE, HOST_VARIABLE = "HAIRPIN_METRICS_PORT", "HAIRPIN_METRICS_HOST"
LOOPBACK, EVERYWHERE = "127.0.0.1", "0.0.0.0"
ASK_S = 2.0
MAX_ANSWER = 10_000  # bytes; ours is a hundred
CHOOSE = "Choose another one with --metrics-port."


@dataclass(frozen=True)
class Place:
    """Where metrics are served.

    Attributes:
        host: The address to listen on.
        port: The port.
        head: The host of Ray's head, where the endpoint runs.
        shared: Whether it serves a Ray cluster that was there before, and perhaps other trainings.
        said: Who says so: an option, a key or a variable.
    """

    host: str
    port: int
    head: str
    shared: bool
    said: str

    @property
    def site(self) -> str:
        """Where a reader finds it, without a path."""
        host = self.head if self.host in (EVERYWHERE, "::") else self.host
        return f"http://{f'[{host}]' if ':' in host else host}:{self.port}"

    @property
    def url(self) -> str:
        """What to tell Prometheus, and people."""
        return f"{self.site}/metrics"


def metrics_place(job: Job) -> Place | None:
    """Where the job wants its metrics served; None if nowhere.

    Raises:
        UserError: $HAIRPIN_METRICS_PORT is no port.
    """
    port, said = job.metrics_port, "metrics_port"
    if port is None:
        text, said = os.environ.get(PORT_VARIABLE, ""), f"${PORT_VARIABLE}"
        if not text:
            return None
        port = _port(text)
    address = job.address or os.environ.get("RAY_ADDRESS") or "local"
    shared = address != "local"
    head = LOOPBACK if address in ON_THIS_MACHINE else address.rpartition(":")[0].strip("[]")
    host = os.environ.get(HOST_VARIABLE) or (EVERYWHERE if shared else LOOPBACK)
    return Place(host, port, head, shared, said)


def check_metrics(job: Job) -> None:
    """Raises `UserError` if the job's metrics cannot be served where it wants them."""
    place = metrics_place(job)
    if place is None:
        return
    if place.shared:
        found = _who_answers(place)
        if found is not None and not found.get("shared"):
            raise _taken(place, found)
        if found is not None or not _is_here(place.head):
            return
    try:
        make_server((place.host, place.port)).server_close()
    except OSError as error:
        if is_taken(error):
            raise _taken(place, _who_answers(place) or {}) from None
        raise UserError(
            f"cannot listen on {place.host}, port {place.port}: {error.strerror or error}",
            where=place.said,
            fix=f"{CHOOSE} The address to listen on is ${HOST_VARIABLE}.",
        ) from None


def _port(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= 65535:
        return int(text)
    raise UserError(
        f"{text!r} is not a port", where=f"${PORT_VARIABLE}", fix="Give a number from 1 to 65535."
    )


def _taken(place: Place, found: dict[str, object]) -> UserError:
    if found.get("service") == SERVICE:
        return UserError(
            f"port {place.port} serves the metrics of another training, which has a Ray of its own",
            where=place.said,
            fix=f"{CHOOSE} Trainings on one Ray cluster (--address) share a port.",
        )
    return UserError(f"port {place.port} is taken by another program", where=place.said, fix=CHOOSE)


def _who_answers(place: Place) -> dict[str, object] | None:
    """What the endpoint there says of itself; something without content if it is not ours.

    None if nobody answers.
    """
    # A proxy that the environment names is not for what runs here.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{place.site}/healthz", timeout=ASK_S) as answer:
            said = json.loads(answer.read(MAX_ANSWER))
    except urllib.error.HTTPError:
        return {}
    except urllib.error.URLError:  # no connection
        return None
    except (OSError, http.client.HTTPException, ValueError):
        return {}
    return said if isinstance(said, dict) and said.get("service") == SERVICE else {}


def _is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        make_server((host, 0)).server_close()
    except OSError:
        return False
    return True
