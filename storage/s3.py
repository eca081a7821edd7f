"""A store in a bucket of any object store that speaks S3."""

from __future__ import annotations

import io
import logging
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any

from minio.deleteobjects import DeleteObject
from minio.error import S3Error, ServerError

from storage.errors import NotFoundError, StorageError
from storage.s3_bucket import Bucket, Connection
from storage.s3_settings import S3Settings
from storage.store import Direct, Entry, check_key

logger = logging.getLogger(__name__)

PART_BYTES = 8 * 2**20  # larger files go up in parts of this size, a few at a time
PARALLEL_PARTS = 3
_EXPIRES = timedelta(hours=1)
_ABSENT = {"If-None-Match": "*"}
_EXISTS = (409, 412)
_UNKNOWN_CONDITION = 501


class S3Store(Direct):
    """Keeps each key as an object of a bucket; implements `storage.store.Store`.

    A bucket that is missing is made with the first thing stored, if the user may do that.

    Args:
        url: ``s3://bucket`` or ``s3://bucket/prefix``.
        settings: The object store and its user; by default from the environment.

    Attributes:
        url: The same without a slash at its end.
        bucket: The bucket, and how long is waited for it.
    """

    def __init__(self, url: str, settings: S3Settings | None = None) -> None:
        self.bucket = Bucket(url, settings or S3Settings.find())
        self.url = self.bucket.url
        self._conditional = True

    def put(self, key: str, data: bytes) -> None:
        def put(to: Connection, name: str) -> None:
            to.client.put_object(
                self.bucket.name,
                name,
                io.BytesIO(data),
                len(data),
                part_size=PART_BYTES,
                num_parallel_uploads=PARALLEL_PARTS,
            )

        self.bucket.write(key, put)

    def put_if_absent(self, key: str, data: bytes) -> bool:
        if not self._conditional:
            return self._put_if_not_seen(key, data)
        attempts = 0

        def put(to: Connection, name: str) -> int:
            nonlocal attempts
            attempts += 1
            return self._put_conditionally(to, name, data)

        status = self.bucket.write(key, put)
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
        def read(to: Connection, name: str) -> bytes:
            response = to.client.get_object(self.bucket.name, name)
            try:
                return bytes(response.read())
            finally:
                response.close()
                response.release_conn()

        return self.bucket.do(key, read)

    def exists(self, key: str) -> bool:
        try:
            self.stat(key)
        except NotFoundError:
            return False
        return True

    def stat(self, key: str) -> Entry:
        def ask(to: Connection, name: str) -> Entry:
            try:
                return _entry(to.client.stat_object(self.bucket.name, name))
            except S3Error as error:
                if error.code == "AccessDenied":
                    # This kind of request is answered without a reason; another one gets it.
                    next(iter(to.client.list_objects(self.bucket.name, prefix=name)), None)
                raise

        return self.bucket.do(key, ask)

    def entries(self, prefix: str = "") -> dict[str, Entry]:
        found = self._list(prefix, recursive=True)
        return {name: entry for name, entry in sorted(found.items()) if entry is not None}

    def keys(self, prefix: str = "") -> list[str]:
        return list(self.entries(prefix))

    def children(self, prefix: str = "") -> list[str]:
        start = len(prefix) + 1 if prefix else 0
        return sorted({name[start:] for name in self._list(prefix, recursive=False)})

    def delete(self, key: str) -> None:
        self.bucket.do(key, lambda to, name: to.client.remove_object(self.bucket.name, name))

    def delete_all(self, prefix: str) -> None:
        names = [self.bucket.object_name(key) for key in self.keys(check_key(prefix))]

        def delete(to: Connection, _: str) -> None:
            objects = [DeleteObject(name) for name in names]
            for error in to.client.remove_objects(self.bucket.name, objects):
                raise StorageError(f"the store kept it ({error.code})", where=self.locate(prefix))

        self.bucket.do(prefix, delete)

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

    def _list(self, prefix: str, *, recursive: bool) -> dict[str, Entry | None]:
        """Keys beneath `prefix`, and folders, which have no entry; names that are no keys aren't.

        Whoever else uses the bucket may have left some.
        """
        whole = self.bucket.prefix
        start = f"{self.bucket.object_name(prefix)}/" if prefix else whole and f"{whole}/"
        cut = len(whole) + 1 if whole else 0

        def ask(to: Connection, _: str) -> dict[str, Entry | None]:
            found: dict[str, Entry | None] = {}
            listed = to.client.list_objects(self.bucket.name, prefix=start, recursive=recursive)
            for item in listed:
                key = str(item.object_name)[cut:].removesuffix("/" if item.is_dir else "")
                if _is_key(key):
                    found[key] = None if item.is_dir else _entry(item)
            return found

        return self.bucket.do(prefix or None, ask)

    def _put_conditionally(self, to: Connection, name: str, data: bytes) -> int:
        """Stores `data` if there is nothing; returns the status where that is no fault.

        The client has no way to send the condition, so the request goes to an address that it
        signs.
        """
        address = to.client.get_presigned_url("PUT", self.bucket.name, name, expires=_EXPIRES)
        answer = to.http.request("PUT", address, body=data, headers=_ABSENT)
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
            self.bucket.settings.endpoint,
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
