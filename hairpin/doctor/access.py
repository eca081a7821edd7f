"""The way to the cluster's job API from here: an address or a forward, the token, the versions."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from hairpin.doctor.finding import Finding, Status
from hairpin.doctor.kubectl import KubectlError
from hairpin.doctor.release import Release
from hairpin.jobs.server import DEFAULT_ADDRESS, find_address, find_token
from sim.errors import UserError

NAME, PORT = "job api", 8265
ANSWER_S = 5.0
REFUSED = (401, 403)
GATE = "hairpin-gate"  # as it calls itself
NAMED = {"RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"}


@contextlib.contextmanager
def reach(release: Release | None, given: str | None) -> Iterator[tuple[Finding, str | None]]:
    """A way to the job API, for as long as it is used.

    Args:
        release: To forward a port to, where no address is said.
        given: The address; None for that of the environment.

    Yields:
        What to say of it, and the address; None if there is no way.
    """
    try:
        address, where = find_address(given)
    except UserError as error:
        yield Finding(NAME, "fail", f"{error.where}: {error.what}", error.fix), None
        return
    if where != "the default address" or release is None:
        yield _given(release, address, where)
        return
    with contextlib.ExitStack() as stack:
        try:
            way = release.kubectl.forward(f"service/{release.cluster}-head-svc", PORT)
            port = stack.enter_context(way)
        except KubectlError as error:
            advice = "See head. With an ingress or another way of your own: --address URL."
            yield Finding(NAME, "fail", f"no forward to the head: {error.said}", advice), None
            return
        yield _forwarded(release, f"http://127.0.0.1:{port}")


def _given(release: Release | None, address: str, where: str) -> tuple[Finding, str | None]:
    """What to say of an address that somebody has said."""
    answers = _answers(address)
    if answers is True:
        return Finding(NAME, "ok", f"answers at {address}"), address
    forward = _forward_command(release)
    advice = f"Open a way: {forward}" if forward else "Is it the dashboard of a Ray cluster?"
    return Finding(NAME, "fail", f"{address} ({where}): {answers}", advice), None


def _forwarded(release: Release, address: str) -> tuple[Finding, str | None]:
    """What to say of a forward of ours, which ends with the doctor."""
    answers = _answers(address)
    if answers is not True:
        advice = "See head, or wait: it may have begun a moment ago."
        return Finding(NAME, "fail", f"the head does not answer: {answers}", advice), None
    if _answers(DEFAULT_ADDRESS) is True:
        found = f"answers through kubectl, and something does at {DEFAULT_ADDRESS}"
        return Finding(NAME, "ok", found), address
    ways = f"Open it for hairpin submit: {_forward_command(release)}"
    for host in _ingress_hosts(release):
        ways += f"; or --address https://{host}, the ingress"
    return Finding(NAME, "ok", "answers through kubectl port-forward", ways), address


def _ingress_hosts(release: Release) -> list[str]:
    try:
        found = release.kubectl.items("ingresses", "-l", release.selector)
    except KubectlError:
        return []
    return [rule["host"] for each in found for rule in each["spec"].get("rules", [])]


def is_gate(address: str) -> bool:
    """Whether it is a workshop's gate that answers there, and not Ray itself."""
    try:
        answer = _get(f"{address}/healthz", None)[1]
    except (OSError, http.client.HTTPException):
        return False
    return isinstance(answer, dict) and answer.get("service") == GATE


def check_token(release: Release | None, address: str) -> tuple[list[Finding], str | None]:
    """Whether the API asks for a token, and whether the one here is right.

    Returns:
        What was found, and a token that opens it: empty if it asks for none, None if there is none.
    """
    if _status(address, None) not in REFUSED:
        return [
            _token(
                "fail",
                "the job API asks for none: whoever reaches it runs programs",
                "Set spec.authOptions.mode of the RayCluster to token, as the chart does.",
            )
        ], ""
    take = _take_command(release)
    found: list[Finding] = []
    here: str | None = None
    secret = _token_in(release)
    try:
        here = find_token()
    except UserError as error:
        found.append(_token("fail", str(error), take))
    if here and _status(address, here) not in REFUSED:
        return [_token("ok", "the one here is the cluster's")], here
    if here and (NAMED & set(os.environ) or secret is None):
        found.append(_token("fail", "the cluster does not know the one here", take))
    elif here:  # Ray leaves one of this machine's own there
        what = "the secret's opens it; that in ~/.ray/auth_token is of another cluster"
        found.append(_token("warn", what, take))
    if secret is None:
        if not found:
            found.append(_token("fail", "the cluster asks for one, and there is none here", take))
        return found, None
    if _status(address, secret) in REFUSED:
        return [
            _token(
                "fail",
                "the head refuses that of its secret: it began with another one",
                "Delete the head's pod, and it takes the secret's.",
            )
        ], None
    if not found:
        found.append(_token("ok", "the secret's opens it; there is none here yet", take))
    return found, secret


def _token(status: Status, found: str, advice: str = "") -> Finding:
    return Finding("token", status, found, advice)


def _forward_command(release: Release | None) -> str:
    if release is None:
        return ""
    service = f"service/{release.cluster}-head-svc"
    return release.kubectl.shown("port-forward", service, str(PORT))


def _take_command(release: Release | None) -> str:
    if release is None:
        return (
            "Set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN to what is under auth_token in the secret "
            "that is named like the RayCluster."
        )
    path = "jsonpath={.data.auth_token}"
    get = release.kubectl.shown("get", "secret", release.token_secret, "-o", path)
    return f"Take it: export RAY_AUTH_MODE=token RAY_AUTH_TOKEN=$({get} | base64 -d)"


def _token_in(release: Release | None) -> str | None:
    """The token of the cluster's secret; None if that is not ours to read."""
    if release is None:
        return None
    try:
        data = release.kubectl.get("secret", release.token_secret).get("data") or {}
        return base64.b64decode(data["auth_token"]).decode()
    except (KubectlError, KeyError, ValueError):
        return None


def _answers(address: str) -> bool | str:
    """True if a job API answers there, with or without liking us; else why not."""
    try:
        status = _status(address, None)
    except (OSError, http.client.HTTPException) as error:
        return str(getattr(error, "reason", None) or error) or type(error).__name__
    if status == 200 or status in REFUSED:
        return True
    return f"it answers {status}, as no job API does"


def _status(address: str, token: str | None) -> int:
    return _get(f"{address}/api/version", token)[0]


def _get(url: str, token: str | None) -> tuple[int, Any]:
    """Status and parsed answer; None where that is no JSON."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    # A proxy that the environment names is not for a forward to this machine.
    proxies: dict[str, str] | None = {} if urlsplit(url).hostname == "127.0.0.1" else None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler(proxies))
    try:
        request = urllib.request.Request(url, headers=headers)
        with opener.open(request, timeout=ANSWER_S) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    try:
        return status, json.loads(body)
    except ValueError:
        return status, None
