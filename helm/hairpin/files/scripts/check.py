"""Looks whether an installation answers, and says what does not and what to do.

usage: check.py [--wait SECONDS] {ray,store,video,gate,prometheus,grafana} ...
environment: what the head has for store and video; HAIRPIN_RAY_URL, HAIRPIN_RAY_TOKEN,
HAIRPIN_GATE_URL, HAIRPIN_PROMETHEUS_URL, HAIRPIN_GRAFANA_URL
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import socket
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from urllib.parse import urlsplit

POLL_S = 2.0
TIMEOUT_S = 5.0
STREAM = (
    "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=check\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
    "m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=fmtp:96 packetization-mode=1\r\n"
    "a=control:trackID=0\r\n"
)  # announced and not sent
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class NotYet(Exception):
    """It does not answer as it should; its text says what and what to do."""


def get(url: str, **headers: str) -> tuple[int, bytes]:
    """Status and body of an answer."""
    try:
        with OPENER.open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def ray() -> str:
    """The job API answers to the token, and to nothing else."""
    url = os.environ["HAIRPIN_RAY_URL"]
    try:
        status, body = get(
            f"{url}/api/version", Authorization=f"Bearer {os.environ['HAIRPIN_RAY_TOKEN']}"
        )
        without = get(f"{url}/api/version")[0]
    except OSError as error:
        raise NotYet(
            f"the head does not answer at {url} ({error}). Its pod says why: kubectl describe pod "
            "-l app.kubernetes.io/component=head"
        ) from None
    if status == 401:
        raise NotYet(
            "the head refuses the token. It began with another one: delete the head's pod, and it "
            "takes the secret's"
        )
    if status != 200:
        raise NotYet(f"the head answers {status} at {url}/api/version")
    if without != 401:
        raise NotYet("the head answers without a token. KubeRay 1.6 and Ray 2.52 can ask for one")
    return f"Ray {json.loads(body)['ray_version']} asks for the token and takes it"


def store() -> str:
    """An object can be written, read and deleted with the driver's key."""
    import io

    import urllib3
    from minio import Minio
    from minio.error import S3Error

    endpoint = urlsplit(os.environ["HAIRPIN_S3_ENDPOINT"])
    storage = urlsplit(os.environ["HAIRPIN_STORAGE"])
    client = Minio(
        endpoint=endpoint.netloc,
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        region=os.environ.get("AWS_REGION"),
        secure=endpoint.scheme == "https",
        http_client=urllib3.PoolManager(timeout=TIMEOUT_S, retries=False),
    )
    name = "/".join(filter(None, (storage.path.strip("/"), f".check-{uuid.uuid4()}")))
    try:
        client.stat_object(storage.netloc, name)
    except S3Error as error:
        if error.code != "NoSuchKey":
            raise NotYet(
                f"the store at {endpoint.geturl()} refuses the driver's key for "
                f"{storage.geturl()}: {error.code}. Look at s3.bucket, s3.prefix and "
                "s3.existingSecret"
            ) from None
    except (OSError, urllib3.exceptions.HTTPError) as error:
        raise NotYet(
            f"the store does not answer at {endpoint.geturl()} ({type(error).__name__}). Look at "
            "s3.endpoint, and at networkPolicy.store.cidrs"
        ) from None
    try:
        client.put_object(storage.netloc, name, io.BytesIO(b"ok"), 2)
        client.remove_object(storage.netloc, name)
    except S3Error as error:
        raise NotYet(
            f"the driver's key cannot write to {storage.geturl()}: {error.code}. It needs "
            "GetObject, PutObject, DeleteObject and ListBucket there"
        ) from None
    return f"{storage.geturl()} can be written"


def video() -> str:
    """The RTSP server lets the publisher in."""
    url = urlsplit(os.environ["HAIRPIN_VIDEO"])
    name = f"{os.environ['HAIRPIN_RTSP_USER']}:{os.environ['HAIRPIN_RTSP_PASSWORD']}"
    login = base64.b64encode(name.encode()).decode()
    request = (
        f"ANNOUNCE rtsp://{url.netloc}/check RTSP/1.0\r\nCSeq: 1\r\n"
        f"Authorization: Basic {login}\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(STREAM)}\r\n\r\n{STREAM}"
    )
    host = url.hostname or ""
    try:
        with socket.create_connection((host, url.port or 554), TIMEOUT_S) as connection:
            connection.sendall(request.encode())
            answer = connection.recv(1024).decode(errors="replace")
    except OSError as error:
        raise NotYet(
            f"the RTSP server does not answer at {host} ({error}). Look at video.url, and at "
            "networkPolicy.video.cidrs"
        ) from None
    if not answer.startswith("RTSP/1.0"):
        raise NotYet(f"what answers at {host} does not speak RTSP. Look at video.url")
    if answer.split()[1] in ("401", "403") and ("Basic" in answer or "Digest" not in answer):
        raise NotYet("the RTSP server refuses the publisher. Look at video.existingSecret")
    return f"{url.geturl()} lets the publisher in"


def gate() -> str:
    """A workshop's gate reads its rules, and refuses who has no participant's password."""
    url = os.environ["HAIRPIN_GATE_URL"]
    try:
        status, body = get(f"{url}/api/version", Authorization="Bearer of-nobody")
    except OSError as error:
        raise NotYet(
            f"the workshop's gate does not answer at {url} ({error}). Its pod says why: kubectl "
            "logs -l app.kubernetes.io/component=gate"
        ) from None
    if status != 403:
        raise NotYet(f"the workshop's gate answers {status} to a wrong password: {body.decode()}")
    return "the workshop's gate asks for a participant's password"


def prometheus() -> str:
    """Its targets answer; that of a training only while there is one."""
    url = os.environ["HAIRPIN_PROMETHEUS_URL"]
    status, body = get(f"{url}/api/v1/targets?state=active")
    if status != 200:
        raise NotYet(f"Prometheus answers {status} at {url}")
    targets = json.loads(body)["data"]["activeTargets"]
    up = {target["labels"]["job"] for target in targets if target["health"] == "up"}
    missing = {target["labels"]["job"] for target in targets} - up - {"hairpin"}
    if missing or "ray" not in up:
        raise NotYet(f"Prometheus cannot read {', '.join(sorted(missing | {'ray'} - up))}")
    rules = json.loads(get(f"{url}/api/v1/rules")[1])["data"]["groups"]
    if not rules:
        raise NotYet("Prometheus has no alert rules")
    return f"Prometheus reads {', '.join(sorted(up))}"


def grafana() -> str:
    """It is up and has its data base."""
    url = os.environ["HAIRPIN_GRAFANA_URL"]
    status, body = get(f"{url}/api/health")
    if status != 200:
        raise NotYet(f"Grafana answers {status} at {url}")
    return f"Grafana {json.loads(body).get('version', '')} is up"


CHECKS: dict[str, Callable[[], str]] = {
    check.__name__: check for check in (ray, store, video, gate, prometheus, grafana)
}


def main() -> int:
    """Checks one after the other; each may take until the time is up."""
    parser = argparse.ArgumentParser(description="looks whether an installation answers")
    parser.add_argument("--wait", type=float, default=0.0, help="how long to try, in seconds")
    parser.add_argument("checks", nargs="+", choices=CHECKS)
    options = parser.parse_args()
    deadline = time.monotonic() + options.wait
    failed = 0
    for name in options.checks:
        while True:
            try:
                print(f"{name}: {CHECKS[name]()}", flush=True)
                break
            except NotYet as error:
                reason = str(error)
            except (OSError, ValueError, KeyError) as error:
                reason = f"{type(error).__name__}: {error}"
            if time.monotonic() > deadline:
                print(f"error: {name}: {reason}", file=sys.stderr, flush=True)
                failed = 1
                break
            time.sleep(POLL_S)
    return failed


if __name__ == "__main__":
    sys.exit(main())
