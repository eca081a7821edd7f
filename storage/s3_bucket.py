"""A bucket and the way to it: asked again while that may help, and made when it is missing."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import urllib3
from minio import Minio
from minio.error import S3Error

from storage.errors import StorageError, UnreachableError
from storage.open import SCHEME
from storage.s3_errors import FAULTS, explain
from storage.s3_settings import S3Settings
from storage.store import check_key

PATIENCE_S = 20.0  # an operation is repeated for so long, once the store has answered
FIRST_PATIENCE_S = 4.0  # and before that, while a person waits for the first sign of it
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0  # between two attempts
_FIRST_TIMEOUT = urllib3.Timeout(connect=3.0, read=4.0)
_TIMEOUT = urllib3.Timeout(connect=20.0, read=30.0)  # sending one part is part of connecting

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

T = TypeVar("T")


class Connection(NamedTuple):
    """A client of the object store, and what carries its requests."""

    client: Minio
    http: urllib3.PoolManager


Action = Callable[[Connection, str], T]
"""One operation on the object, or the beginning of names, that it is given."""


class Bucket:
    """A bucket, or what of it has a prefix.

    Args:
        url: ``s3://bucket`` or ``s3://bucket/prefix``.
        settings: The object store and its user.

    Attributes:
        name: Its name.
        prefix: What names of objects begin with; empty without one.
        url: The address without a slash at its end.
        settings: The object store and its user.
        patience_s: For how long an operation is repeated that failed because of the network or
            of a store that is busy.

    Raises:
        StorageError: The address or the endpoint is none.
    """

    def __init__(self, url: str, settings: S3Settings) -> None:
        self.name, self.prefix = split_url(url)
        self.url = SCHEME + "/".join(filter(None, (self.name, self.prefix)))
        self.settings = settings
        self.patience_s = PATIENCE_S
        self._answered = False
        # Until it has answered once, another client waits for the store, less patiently.
        self._connections = [self._connect(_FIRST_TIMEOUT), self._connect(_TIMEOUT)]

    def object_name(self, key: str) -> str:
        """The full name of the object for a key."""
        return "/".join(filter(None, (self.prefix, check_key(key))))

    def write(self, key: str, action: Action[T]) -> T:
        """Like `do`, and makes the bucket if that is what is missing."""
        try:
            return self.do(key, action)
        except StorageError as error:
            if getattr(error.__cause__, "code", None) != "NoSuchBucket":
                raise
            self._make()
        return self.do(key, action)

    def do(self, key: str | None, action: Action[T]) -> T:
        """Does `action` with the full name of `key`, again if that may help; None: the prefix.

        Raises:
            StorageError: It failed, see `storage.s3_errors.explain`.
        """
        name = self.prefix if key is None else self.object_name(key)
        began, pause_s = time.monotonic(), FIRST_PAUSE_S
        while True:
            try:
                result = action(self._connections[self._answered], name)
            except FAULTS as error:
                where = self.url if key is None else f"{self.url}/{key}"
                told = explain(error, self.settings, where=where, bucket=self.name)
                self._answered |= not isinstance(told, UnreachableError)
                patience_s = min(
                    self.patience_s, PATIENCE_S if self._answered else FIRST_PATIENCE_S
                )
                spent_s = time.monotonic() - began
                if not isinstance(told, UnreachableError) or spent_s + pause_s > patience_s:
                    raise told from error
            else:
                self._answered = True
                return result
            time.sleep(pause_s * random.uniform(0.5, 1.5))
            pause_s = min(2.0 * pause_s, LONGEST_PAUSE_S)

    def _make(self) -> None:
        def make(to: Connection, _: str) -> None:
            try:
                to.client.make_bucket(self.name, location=self.settings.region)
            except S3Error as error:
                if error.code != "BucketAlreadyOwnedByYou":  # made by another one just now
                    raise

        try:
            self.do(None, make)
        except StorageError as error:
            if getattr(error.__cause__, "code", None) != "AccessDenied":
                raise
            raise StorageError(
                f"there is no bucket {self.name!r}, and this user may not make it",
                where=self.settings.endpoint,
                fix="Make it, or name one that is there with --storage.",
            ) from None

    def _connect(self, timeout: urllib3.Timeout) -> Connection:
        http = urllib3.PoolManager(
            timeout=timeout,
            maxsize=10,
            cert_reqs="CERT_REQUIRED",
            ca_certs=self.settings.ca_file,
            retries=False,  # `do` repeats, and knows what is worth it
        )
        scheme, _, host = self.settings.endpoint.partition("://")
        try:
            client = Minio(
                host,
                secure=scheme == "https",
                region=self.settings.region,
                credentials=self.settings.credentials,
                http_client=http,
            )
        except ValueError as error:
            raise StorageError(str(error), where=self.settings.endpoint) from error
        return Connection(client, http)


def split_url(url: str) -> tuple[str, str]:
    """Bucket and prefix of an ``s3://`` address; raises `StorageError` if it is none."""
    bucket, _, prefix = url.removeprefix(SCHEME).partition("/")
    prefix = prefix.strip("/")
    if "@" in bucket:
        raise StorageError(
            "credentials do not belong into the address",
            where=SCHEME + bucket.rpartition("@")[2],
            fix="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead.",
        )
    if not bucket:
        raise StorageError(
            "the address names no bucket", where=url, fix="Write it like s3://bucket/prefix."
        )
    if not _NAME.fullmatch(bucket):
        raise StorageError(
            f"{bucket!r} cannot be a bucket's name",
            fix="Use 3 to 63 lower-case letters, digits, '.' and '-'.",
        )
    return bucket, check_key(prefix) if prefix else ""
