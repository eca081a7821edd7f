"""Makes the bucket in MinIO, and the driver's user with a key for this bucket alone.

Whatever is there stays as it is; a changed key of the driver replaces the old one.

usage: make_store.py [--wait SECONDS]
environment: HAIRPIN_S3_ENDPOINT, HAIRPIN_STORAGE (s3://BUCKET[/PREFIX]), MINIO_ROOT_USER,
MINIO_ROOT_PASSWORD, and the driver's AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.credentials import StaticProvider
from minio.error import MinioAdminException, S3Error
from minio.minioadmin import MinioAdmin

POLL_S = 2.0
POLICY = "hairpin-driver"


def policy(bucket: str, prefix: str) -> dict[str, object]:
    """What the driver may do: everything that a store of runs needs, under its prefix."""
    under = f"{prefix}/*" if prefix else "*"
    of_bucket = {
        "Effect": "Allow",
        "Action": ["s3:GetBucketLocation", "s3:ListBucketMultipartUploads"],
        "Resource": [f"arn:aws:s3:::{bucket}"],
    }
    listing: dict[str, object] = {
        "Effect": "Allow",
        "Action": ["s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{bucket}"],
    }
    if prefix:
        listing["Condition"] = {"StringLike": {"s3:prefix": [prefix, under]}}
    objects = {
        "Effect": "Allow",
        "Action": [
            "s3:GetObject",
            "s3:PutObject",
            "s3:DeleteObject",
            "s3:AbortMultipartUpload",
            "s3:ListMultipartUploadParts",
        ],
        "Resource": [f"arn:aws:s3:::{bucket}/{under}"],
    }
    return {"Version": "2012-10-17", "Statement": [of_bucket, listing, objects]}


def make() -> None:
    """Makes bucket, policy and user."""
    endpoint = urlsplit(os.environ["HAIRPIN_S3_ENDPOINT"])
    storage = urlsplit(os.environ["HAIRPIN_STORAGE"])
    bucket, prefix = storage.netloc, storage.path.strip("/")
    root = os.environ["MINIO_ROOT_USER"], os.environ["MINIO_ROOT_PASSWORD"]
    secure = endpoint.scheme == "https"
    http = urllib3.PoolManager(timeout=10.0, retries=False)
    client = Minio(
        endpoint=endpoint.netloc,
        access_key=root[0],
        secret_key=root[1],
        secure=secure,
        http_client=http,
    )
    if not client.bucket_exists(bucket):
        client.make_bucket(bucket)
    admin = MinioAdmin(
        endpoint=endpoint.netloc,
        credentials=StaticProvider(*root),
        secure=secure,
        http_client=http,
    )
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(policy(bucket, prefix), file)
        file.flush()
        admin.policy_add(POLICY, file.name)
    user = os.environ["AWS_ACCESS_KEY_ID"]
    admin.user_add(user, os.environ["AWS_SECRET_ACCESS_KEY"])
    admin.policy_set(POLICY, user=user)
    print(f"bucket {bucket} is there, and user {user} may use it")


def main() -> int:
    """Tries until it has worked or the time is up."""
    parser = argparse.ArgumentParser(description="makes bucket and user in MinIO")
    parser.add_argument("--wait", type=float, default=0.0, help="how long to try, in seconds")
    deadline = time.monotonic() + parser.parse_args().wait
    while True:
        try:
            make()
            return 0
        except (OSError, urllib3.exceptions.HTTPError) as error:
            reason = f"does not answer ({type(error).__name__})"
        except S3Error as error:
            reason = f"refuses: {error.code}"
        except MinioAdminException as error:
            reason = f"refuses: {error}"
        if time.monotonic() > deadline:
            break
        time.sleep(POLL_S)
    endpoint = os.environ["HAIRPIN_S3_ENDPOINT"]
    print(
        f"error: MinIO at {endpoint} {reason}. Look at its pod: kubectl describe pod, kubectl logs "
        "-l app.kubernetes.io/component=minio",
        file=sys.stderr,
    )
    return 1


if __name__ == "__main__":
    sys.exit(main())
