"""The one S3 request that setting up a store needs: make a bucket (AWS Signature Version 4)."""

from __future__ import annotations

import datetime
import hashlib
import hmac
import urllib.error
import urllib.request

from servers.errors import ServerError

REGION = "us-east-1"
MADE, MINE_ALREADY = 200, 409


def make_bucket(endpoint: str, access_key: str, secret_key: str, bucket: str) -> None:
    """Makes a bucket; one that is there stays as it is.

    Raises:
        ServerError: The store refused.
    """
    host = endpoint.partition("://")[2]
    now = datetime.datetime.now(datetime.timezone.utc)
    time, date = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    body = hashlib.sha256(b"").hexdigest()
    signed = {"host": host, "x-amz-content-sha256": body, "x-amz-date": time}
    names = ";".join(signed)
    headers = "".join(f"{name}:{value}\n" for name, value in signed.items())
    request = f"PUT\n/{bucket}\n\n{headers}\n{names}\n{body}"
    scope = f"{date}/{REGION}/s3/aws4_request"
    digest = hashlib.sha256(request.encode()).hexdigest()
    key = f"AWS4{secret_key}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(
        key, f"AWS4-HMAC-SHA256\n{time}\n{scope}\n{digest}".encode(), "sha256"
    ).hex()
    signed["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={access_key}/{scope}, SignedHeaders={names}, "
        f"Signature={signature}"
    )
    call = urllib.request.Request(f"{endpoint}/{bucket}", headers=signed, method="PUT")
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        opener.open(call, timeout=30).close()
    except urllib.error.HTTPError as error:
        if error.code != MINE_ALREADY:
            raise ServerError(f"{endpoint} refused to make bucket {bucket!r}: {error}") from None
