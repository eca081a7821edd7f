"""What is particular to the store in a bucket."""

from __future__ import annotations

import io
import logging
import os

import pytest
from minio import Minio as Client

from storage import NotFoundError, Run, StorageError, list_runs, open_store, store_url
from storage.s3 import PART_BYTES, S3Store
from tests.storage.odd_servers import Relay, serving


@pytest.fixture
def client(s3_env) -> Client:
    host = s3_env.endpoint.removeprefix("http://")
    return Client(host, s3_env.access_key, s3_env.secret_key, secure=False)


def test_a_key_is_an_object_beneath_the_prefix(client: Client) -> None:
    store = open_store("s3://shared/team/a/")
    store.put("run/job.json", b"{}")
    assert client.get_object("shared", "team/a/run/job.json").data == b"{}"
    assert store.url == store_url("s3://shared/team/a/") == "s3://shared/team/a"
    assert store.locate("run/job.json") == "s3://shared/team/a/run/job.json"
    assert store.local_path("run/job.json") is None
    assert open_store(store.url).keys() == ["run/job.json"]


def test_the_whole_bucket_can_be_the_store(s3_env) -> None:
    store = open_store("s3://whole")
    store.check_writable()
    assert store.keys() == store.children() == []
    store.put("a/b", b"1")
    assert (store.keys(), store.children(), store.children("a")) == (["a/b"], ["a"], ["b"])


def test_the_bucket_is_made_with_the_first_thing_stored(client: Client) -> None:
    for bucket, use in {
        "made-by-put": lambda store: store.put("key", b""),
        "made-by-claim": lambda store: store.put_if_absent("key", b""),
        "made-by-check": lambda store: store.check_writable(),
    }.items():
        store = open_store(f"s3://{bucket}/prefix")
        with pytest.raises(StorageError, match=f"no bucket '{bucket}'"):
            list_runs(store)
        use(store)
        assert client.bucket_exists(bucket)


def test_large_files_go_in_parts(client: Client) -> None:
    store, data = open_store("s3://large"), os.urandom(2 * PART_BYTES + 1)
    store.put("run/weights", data)
    assert store.get("run/weights") == data
    found = client.stat_object("large", "run/weights")
    assert found.size == store.stat("run/weights").size_bytes == len(data)
    assert str(found.etag).endswith("-3")


def test_names_of_others_in_the_bucket_are_no_keys(client: Client) -> None:
    store = open_store("s3://mixed/runs")
    store.put("run/job.json", b"")
    for name in ("runs/.hidden", "runs/a b/c", "runs/folder/", "runsnot/x", "other"):
        client.put_object("mixed", name, io.BytesIO(b""), 0)
    assert store.keys() == ["run/job.json"]
    assert set(store.children()) == {"run", "folder"}


@pytest.mark.parametrize("lost", [b"", b"another"])
def test_a_claim_whose_answer_was_lost_is_told_from_anothers(s3_env, monkeypatch, lost) -> None:
    class LosesTheFirstAnswer(Relay):
        endpoint, lost = s3_env.endpoint, False

        def deliver(self, status: int, data: bytes, headers: dict[str, str]) -> None:
            if self.command == "PUT" and not type(self).lost:
                type(self).lost = True
                self.close_connection = True
                return
            self.answer(status, data, headers)

    url = f"s3://claims/{len(lost)}"
    direct = open_store(url)
    direct.check_writable()
    with serving(LosesTheFirstAnswer) as endpoint:
        monkeypatch.setenv("HAIRPIN_S3_ENDPOINT", endpoint)
        store = open_store(url)
        if lost:
            direct.put("name", lost)
        assert store.put_if_absent("name", b"ours") == (not lost)
    assert direct.get("name") == (lost or b"ours")


def test_a_store_that_ignores_conditions_is_found_out(s3_env, monkeypatch, caplog) -> None:
    class Forgets(Relay):
        endpoint = s3_env.endpoint

        def sent_on(self) -> dict[str, str]:
            return {n: v for n, v in self.headers.items() if n.lower() != "if-none-match"}

    with serving(Forgets) as endpoint, caplog.at_level(logging.WARNING, logger="storage"):
        monkeypatch.setenv("HAIRPIN_S3_ENDPOINT", endpoint)
        store = S3Store("s3://forgets/conditions")
        store.check_writable()
        assert "no conditional writes" in caplog.text
        assert store.put_if_absent("name", b"first")
        assert not store.put_if_absent("name", b"second")
        assert store.get("name") == b"first"
        assert store.keys() == ["name"]


def test_a_short_outage_is_waited_for(s3_env, monkeypatch) -> None:
    class Busy(Relay):
        endpoint, left = s3_env.endpoint, 0

        def any(self) -> None:
            if type(self).left:
                type(self).left -= 1
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                self.answer(503, b"", {})
            else:
                self.relay()

    with serving(Busy) as endpoint:
        monkeypatch.setenv("HAIRPIN_S3_ENDPOINT", endpoint)
        store = open_store("s3://busy/store")
        store.put("key", b"value")
        uses = [
            lambda: store.put("key", b"new"),
            lambda: store.put_if_absent("key", b"other"),
            lambda: store.get("key"),
            lambda: store.stat("key"),
            lambda: store.keys(),
            lambda: store.delete_all("key"),
            lambda: store.delete("key"),
        ]
        for use in uses:
            Busy.left = 2
            use()
        with pytest.raises(NotFoundError):
            store.get("key")


def test_a_run_is_whole_on_a_bucket_too(s3_env) -> None:
    run = Run.create(open_store("s3://runs/here"), "run", {})
    run.put_file("picture.png", b"png")
    run.append_history({"steps": 1})
    again = Run.open(open_store("s3://runs/here"), "run")
    assert again.history() == [{"steps": 1}]
    assert again.size_of("picture.png") == 3
    assert again.url == "s3://runs/here/run"
