"""A store in a bucket of any object store that speaks S3."""

from __future__ import annotations

import io
import logging
import random
import re
import secrets
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import urllib3
from minio import Minio
from minio.deleteobjects import DeleteObject
from minio.error import S3Error, ServerError

from storage.errors import NotFoundError, StorageError, UnreachableError
from storage.open import SCHEME
from storage.s3_errors import FAULTS, explain
from storage.s3_settings import S3Settings
from storage.store import Direct, Entry, check_key

logger = logging.getLogger(__name__)

PART_BYTES = 8 * 2**20  # larger files go up in parts of this size, a few at a time
PARALLEL_PARTS = 3
PATIENCE_S = 20.0  # an operation is repeated for so long, once the store has answered
FIRST_PATIENCE_S = 4.0  # and before that, while a person waits for the first sign of it
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.2, 5.0  # between two attempts
_FIRST_TIMEOUT = urllib3.Timeout(connect=3.0, read=4.0)
_TIMEOUT = urllib3.Timeout(connect=20.0, read=30.0)  # sending one part is part of connecting
_EXPIRES = timedelta(hours=1)
_ABSENT = {"If-None-Match": "*"}
_EXISTS = (409, 412)
_UNKNOWN_CONDITION = 501

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

T = TypeVar("T")


class S3Store(Direct):
    """Keeps each key as an object of a bucket; implements `storage.store.Store`.

    A bucket that is missing is made with the first thing stored, if the user may do that.

    Args:
        url: ``s3://bucket`` or ``s3://bucket/prefix``.
        settings: The object store and its user; by default from the environment.

    Attributes:
        url: The same without a slash at its end.
        patience_s: For how long an operation is repeated that failed because of the network or
            of a store that is busy.
    """

    def __init__(self, url: str, settings: S3Settings | None = None) -> None:
        self.bucket, self._prefix = split_url(url)
        self.url = SCHEME + "/".join(filter(None, (self.bucket, self._prefix)))
        self.settings = settings or S3Settings.find()
        self.patience_s = PATIENCE_S
        self._answered = False
        self._conditional = True
        # Until it has answered once, another client waits for the store, less patiently.
        self._clients = [self._client(_FIRST_TIMEOUT), self._client(_TIMEOUT)]

    @property
    def identity(self) -> str:
        """What tells this place from every other one: the object store and the address in it."""
        return f"{self.settings.endpoint} {self.url}"

    def put(self, key: str, data: bytes) -> None:
        self._write(key, lambda client, name: _put(client, self.bucket, name, data))

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if not self._conditional:
            return self._put_if_not_seen(key, data)
        attempts = 0

        def put(client: Minio, http: urllib3.PoolManager, name: str) -> int:
            nonlocal attempts
            attempts += 1
            return self._put_conditionally(client, http, name, data)

        status = self._write_raw(key, put)
        if status == _UNKNOWN_CONDITION:
            self._give_up_conditions()
            return self._put_if_not_seen(key, data)
        if status in _EXISTS:
            # An attempt whose answer was lost may have been ours and have succeeded.
            return attempts > 1 and self._is_ours(key, data)
        return True

    def append(self, key: str, data: bytes) -> None:
        try:
            before = self.get(key)
        except NotFoundError:
            before = b""
        self.put(key, before + data)

    def get(self, key: str) -> bytes:
        def read(client: Minio, name: str) -> bytes:
            response = client.get_object(self.bucket, name)
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

        return self._do(key, read)

    def exists(self, key: str) -> bool:
        try:
            self.stat(key)
        except NotFoundError:
            return False
        return True

    def stat(self, key: str) -> Entry:
        def ask(client: Minio, name: str) -> Entry:
            try:
                return _entry(client.stat_object(self.bucket, name))
            except S3Error as error:
                if error.code == "AccessDenied":
                    # This kind of request is answered without a reason; another one gets it.
                    next(iter(client.list_objects(self.bucket, prefix=name)), None)
                raise

        return self._do(key, ask)

    def entries(self, prefix: str = "") -> dict[str, Entry]:
        found = self._list(prefix, recursive=True)
        return {name: entry for name, entry in sorted(found.items()) if entry is not None}

    def keys(self, prefix: str = "") -> list[str]:
        return list(self.entries(prefix))

    def children(self, prefix: str = "") -> list[str]:
        start = len(prefix) + 1 if prefix else 0
        return sorted({name[start:] for name in self._list(prefix, recursive=False)})

    def delete(self, key: str) -> None:
        self._do(key, lambda client, name: client.remove_object(self.bucket, name))

    def delete_all(self, prefix: str) -> None:
        names = [self._name(key) for key in self.keys(check_key(prefix))]

        def delete(client: Minio, _: str) -> None:
            found = client.remove_objects(self.bucket, [DeleteObject(name) for name in names])
            for error in found:
                raise StorageError(f"the store kept it ({error.code})", where=self.locate(prefix))

        self._do(prefix, delete)

    def check_writable(self) -> None:
        probe = f"probe-{secrets.token_hex(8)}"
        self.put_if_absent(probe, b"")
        try:
            if self.put_if_absent(probe, b""):
                self._give_up_conditions()
        finally:
            self.delete(probe)

    def locate(self, key: str) -> str:
        return f"{self.url}/{check_key(key)}"

    def local_path(self, key: str) -> Path | None:
        check_key(key)
        return None

    def _name(self, key: str) -> str:
        return "/".join(filter(None, (self._prefix, check_key(key))))

    def _list(self, prefix: str, *, recursive: bool) -> dict[str, Entry | None]:
        """Keys beneath `prefix`, and folders, which have no entry; names that are no keys aren't.

        Whoever else uses the bucket may have left some.
        """
        start = f"{self._name(prefix)}/" if prefix else self._prefix and f"{self._prefix}/"
        cut = len(self._prefix) + 1 if self._prefix else 0

        def ask(client: Minio, _: str) -> dict[str, Entry | None]:
            found: dict[str, Entry | None] = {}
            for item in client.list_objects(self.bucket, prefix=start, recursive=recursive):
                key = str(item.object_name)[cut:].removesuffix("/" if item.is_dir else "")
                if _is_key(key):
                    found[key] = None if item.is_dir else _entry(item)
            return found

        return self._do(prefix or None, ask)

    def _put_conditionally(
        self, client: Minio, http: urllib3.PoolManager, name: str, data: bytes
    ) -> int:
        """Stores `data` if there is nothing; returns the status where that is no fault.

        The client has no way to send the condition, so the request goes to an address that it
        signs.
        """
        address = client.get_presigned_url("PUT", self.bucket, name, expires=_EXPIRES)
        answer = http.request("PUT", address, body=data, headers=_ABSENT)
        if answer.status in (200, 204, _UNKNOWN_CONDITION, *_EXISTS) and b"NoSuchBucket" not in (
            answer.data
        ):
            return answer.status
        if not answer.data:
            raise ServerError("no reason given", answer.status)
        raise S3Error.fromxml(answer)

    def _put_if_not_seen(self, key: str, data: bytes) -> bool:
        if self.exists(key):
            return False
        self.put(key, data)
        return True

    def _is_ours(self, key: str, data: bytes) -> bool:
        try:
            return self.get(key) == data
        except NotFoundError:
            return False

    def _give_up_conditions(self) -> None:
        self._conditional = False
        logger.warning(
            "%s takes no conditional writes: two writers that begin a run in the same moment "
            "would not notice each other",
            self.settings.endpoint,
        )

    def _write(self, key: str, action: Callable[[Minio, str], T]) -> T:
        return self._write_raw(key, lambda client, _, name: action(client, name))

    def _write_raw(self, key: str, action: Callable[[Minio, urllib3.PoolManager, str], T]) -> T:
        """Like `_attempt`, and makes the bucket if that is what is missing."""
        try:
            return self._attempt(key, action)
        except StorageError as error:
            if getattr(error.__cause__, "code", None) != "NoSuchBucket":
                raise
            self._make_bucket()
        return self._attempt(key, action)

    def _make_bucket(self) -> None:
        def make(client: Minio, _: Any, __: str) -> None:
            try:
                client.make_bucket(self.bucket, location=self.settings.region)
            except S3Error as error:
                if error.code != "BucketAlreadyOwnedByYou":  # made by another one just now
                    raise

        try:
            self._attempt(None, make)
        except StorageError as error:
            if getattr(error.__cause__, "code", None) != "AccessDenied":
                raise
            raise StorageError(
                f"there is no bucket {self.bucket!r}, and this user may not make it",
                where=self.settings.endpoint,
                fix="Make it, or name one that is there with --storage.",
            ) from None

    def _do(self, key: str | None, action: Callable[[Minio, str], T]) -> T:
        return self._attempt(key, lambda client, _, name: action(client, name))

    def _attempt(
        self, key: str | None, action: Callable[[Minio, urllib3.PoolManager, str], T]
    ) -> T:
        """Does `action` with the full name of `key`, again if that may help; None: the whole."""
        name = self._prefix if key is None else self._name(key)
        began, pause_s = time.monotonic(), FIRST_PAUSE_S
        while True:
            client, http = self._clients[self._answered]
            try:
                result = action(client, http, name)
            except FAULTS as error:
                where = self.url if key is None else f"{self.url}/{key}"
                told = explain(error, self.settings, where=where, bucket=self.bucket)
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

    def _client(self, timeout: urllib3.Timeout) -> tuple[Minio, urllib3.PoolManager]:
        http = urllib3.PoolManager(
            timeout=timeout,
            maxsize=10,
            cert_reqs="CERT_REQUIRED",
            ca_certs=self.settings.ca_file,
            retries=False,  # `_attempt` repeats, and knows what is worth it
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
        return client, http


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
    if not _BUCKET.fullmatch(bucket):
        raise StorageError(
            f"{bucket!r} cannot be a bucket's name",
            fix="Use 3 to 63 lower-case letters, digits, '.' and '-'.",
        )
    return bucket, check_key(prefix) if prefix else ""


def _put(client: Minio, bucket: str, name: str, data: bytes) -> None:
    client.put_object(
        bucket,
        name,
        io.BytesIO(data),
        len(data),
        part_size=PART_BYTES,
        num_parallel_uploads=PARALLEL_PARTS,
    )


def _entry(item: Any) -> Entry:
    modified = item.last_modified
    return Entry(int(item.size or 0), modified.timestamp() if modified else 0.0)


def _is_key(text: str) -> bool:
    try:
        check_key(text)
    except StorageError:
        return False
    return True
