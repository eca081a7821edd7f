"""Stores of every kind, on a real MinIO, for tests of what all of them do."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from servers.minio import Minio
from storage import LocalStore, Store
from storage.s3 import S3Store

_numbers = itertools.count()


def _local(request: pytest.FixtureRequest) -> Store:
    return LocalStore(request.getfixturevalue("tmp_path") / "store")


def _s3(request: pytest.FixtureRequest) -> Store:
    # The environment, and not arguments: processes that a test starts find the same store.
    request.getfixturevalue("s3_env")
    return S3Store(f"s3://tests/{next(_numbers)}")


# Every store runs the same tests: another implementation is another line here.
STORES: dict[str, Callable[[pytest.FixtureRequest], Store]] = {
    "local": _local,
    "s3": _s3,
}


@pytest.fixture(params=sorted(STORES))
def store(request: pytest.FixtureRequest) -> Store:
    return STORES[request.param](request)


@pytest.fixture
def s3_env(minio: Minio, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Minio:
    """The environment of a user of the tests' object store, and of nobody else's."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "MINIO_", "HAIRPIN_S3_")) or name == "SSL_CERT_FILE":
            monkeypatch.delenv(name)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    monkeypatch.setenv("HAIRPIN_SPOOL", str(tmp_path / "spool"))
    for name, value in minio.env().items():
        monkeypatch.setenv(name, value)
    return minio
