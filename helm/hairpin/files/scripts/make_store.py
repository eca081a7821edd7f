"""Makes the bucket in MinIO, and users with keys: the driver's, and one for each participant.

The driver's key opens the runs' whole place, a participant's their own folder in it, tenants/NAME.
Whatever is there stays as it is; a changed key replaces the old one. Who does not take part any
more loses the key, and the runs stay.

usage: make_store.py [--wait SECONDS] [--participants FOLDER]
environment: HAIRPIN_S3_ENDPOINT, HAIRPIN_STORAGE (s3://BUCKET[/PREFIX]), MINIO_ROOT_USER,
MINIO_ROOT_PASSWORD, and the driver's AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
FOLDER has a file NAME with the password of each participant.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.credentials import StaticProvider
from minio.error import MinioAdminException, S3Error
from minio.minioadmin import MinioAdmin

POLL_S = 2.0
POLICY = "hairpin-driver"
TENANT = "tenant-"  # how the names of participants' users and policies begin


def policy(bucket: str, prefix: str) -> dict[str, object]:
    """What a user may do: everything that a store of runs needs, under its prefix."""
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


def make(participants: Path | None) -> None:
    """Makes bucket, policies and users."""
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
    user = os.environ["AWS_ACCESS_KEY_ID"]
    give(admin, user, os.environ["AWS_SECRET_ACCESS_KEY"], POLICY, policy(bucket, prefix))
    print(f"bucket {bucket} is there, and user {user} may use it")
    if participants is None:
        return
    wanted = {}
    for path in sorted(participants.iterdir()):
        if "." not in path.name:
            wanted[f"{TENANT}{path.name}"] = path
    for tenant in json.loads(admin.user_list()):
        if tenant.startswith(TENANT) and tenant not in wanted:
            admin.user_remove(tenant)
            print(f"user {tenant} is no more")
    for tenant, path in wanted.items():
        own = "/".join(filter(None, (prefix, "tenants", path.name)))
        password = path.read_text(encoding="utf-8").strip()
        give(admin, tenant, password, tenant, policy(bucket, own))
    print(f"{len(wanted)} participants have keys, each for a folder of their own")


def give(admin: MinioAdmin, user: str, password: str, name: str, rights: dict[str, object]) -> None:
    """Makes a user, or gives it another password, with a policy of that name."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(rights, file)
        file.flush()
        admin.policy_add(name, file.name)
    admin.user_add(user, password)
    admin.policy_set(name, user=user)


def main() -> int:
    """Tries until it has worked or the time is up."""
    parser = argparse.ArgumentParser(description="makes bucket and user in MinIO")
    parser.add_argument("--wait", type=float, default=0.0, help="how long to try, in seconds")
    parser.add_argument("--participants", type=Path, help="folder with a password a participant")
    options = parser.parse_args()
    deadline = time.monotonic() + options.wait
    while True:
        try:
            make(options.participants)
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
