"""What every store does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from storage import NotFoundError, StorageError, Store


def test_gives_back_what_was_put(store: Store) -> None:
    store.put("run/part.bin", b"\x00\xffabc")
    assert store.get("run/part.bin") == b"\x00\xffabc"
    store.put("run/part.bin", b"")
    assert store.get("run/part.bin") == b""


@pytest.mark.parametrize("key", ["run/part", "run", "other"])
def test_what_is_not_there_is_said_to_be_missing(store: Store, key: str) -> None:
    store.put("run/part/deep", b"1")
    assert not store.exists(key)
    with pytest.raises(NotFoundError, match="nothing here"):
        store.get(key)


def test_lists_keys_and_children_sorted(store: Store) -> None:
    for key in ["b/2", "b/1/x", "b/1/y", "a"]:
        store.put(key, b"")
    assert store.keys() == ["a", "b/1/x", "b/1/y", "b/2"]
    assert store.keys("b/1") == ["b/1/x", "b/1/y"]
    assert store.children() == ["a", "b"]
    assert store.children("b") == ["1", "2"]
    assert store.children("none") == store.keys("none") == []


def test_put_if_absent_leaves_what_is_there(store: Store) -> None:
    assert store.put_if_absent("name", b"first")
    assert not store.put_if_absent("name", b"second")
    assert store.get("name") == b"first"


def test_of_many_that_put_if_absent_one_wins(store: Store) -> None:
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: store.put_if_absent("name", b"%d" % n), range(64)))
    assert won.count(True) == 1
    assert store.get("name") == b"%d" % won.index(True)
    assert store.keys() == ["name"]


def test_appends(store: Store) -> None:
    store.append("log", b"one\n")
    store.append("log", b"two\n")
    assert store.get("log") == b"one\ntwo\n"


def test_deletes(store: Store) -> None:
    for key in ["a/1", "a/b/2", "ab/3"]:
        store.put(key, b"")
    store.delete("a/1")
    store.delete("a/1")
    assert store.keys() == ["a/b/2", "ab/3"]
    store.delete_all("a")
    store.delete_all("a")
    assert store.keys() == ["ab/3"]


@pytest.mark.parametrize(
    "key",
    ["", "/", "/etc/passwd", "../x", "a/../../x", "a//b", "a/", ".hidden", "a/.", "-x", "a b",
     "a\\b", "a\n", "ä", "x" * 201],
)  # fmt: skip
def test_refuses_keys_that_could_lead_elsewhere(store: Store, key: str) -> None:
    for use in (lambda: store.put(key, b""), lambda: store.get(key), lambda: store.delete(key)):
        with pytest.raises(StorageError, match="not a valid name"):
            use()


def test_a_check_for_writing_leaves_nothing(store: Store) -> None:
    store.check_writable()
    assert store.keys() == []


def test_readers_beside_a_writer_meet_whole_values(store: Store) -> None:
    values = [bytes([n]) * 100_000 for n in range(40)]
    store.put("key", values[0])

    def read(_: int) -> bool:
        return store.get("key") in values

    with ThreadPoolExecutor(3) as pool:
        reads = [pool.submit(read, n) for n in range(200)]
        for value in values:
            store.put("key", value)
        assert all(result.result() for result in reads)
