"""What is particular to the store in a folder."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from storage import LocalStore, StorageError, open_store


def test_a_key_is_a_file_beneath_the_root(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "runs")
    store.put("a/b.txt", b"hello")
    assert (tmp_path / "runs" / "a" / "b.txt").read_bytes() == b"hello"
    assert store.locate("a/b.txt") == str(tmp_path / "runs" / "a" / "b.txt")
    assert store.local_path("a/b.txt") == tmp_path / "runs" / "a" / "b.txt"


def test_a_failed_write_leaves_the_old_value_and_no_debris(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    store.put("a/key", b"old")

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="no space left on device"):
        store.put("a/key", b"new")
    assert store.get("a/key") == b"old"
    assert os.listdir(tmp_path / "a") == ["key"]


def test_what_a_killed_writer_left_is_no_key(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("a/key", b"")
    (tmp_path / "a" / ".writing-1-x").write_bytes(b"half")
    assert store.keys() == ["a/key"]
    assert store.children("a") == ["key"]
    store.delete_all("a")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("root", ["file", "file/below", "file/below/deeper"])
def test_a_file_where_the_folder_should_be_is_named(tmp_path: Path, root: str) -> None:
    (tmp_path / "file").write_text("")
    store = LocalStore(tmp_path / root)
    with pytest.raises(StorageError, match="a folder is needed") as caught:
        store.check_writable()
    assert caught.value.where == str(tmp_path / "file")
    assert "--storage" in caught.value.fix


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_without_permission_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="no permission"):
        LocalStore(tmp_path / "runs").check_writable()


def test_opens_paths_and_file_addresses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_store("runs").url == str(tmp_path / "runs")
    assert open_store(f"file://{tmp_path}/a%20b").url == str(tmp_path / "a b")
    assert open_store(open_store("runs").url).url == str(tmp_path / "runs")


@pytest.mark.parametrize("url", ["ftp://host/x", "file://elsewhere/x", "gs://b"])
def test_says_that_an_address_has_no_store(url: str) -> None:
    with pytest.raises(StorageError, match="there is no store for"):
        open_store(url)


def test_an_address_with_a_password_is_not_repeated() -> None:
    with pytest.raises(StorageError) as caught:
        open_store("ftp://me:hush@host/x")
    assert "hush" not in str(caught.value)


def test_an_empty_storage_is_refused() -> None:
    with pytest.raises(StorageError, match="empty"):
        open_store(" ")
