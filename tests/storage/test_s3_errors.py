"""What a user is told when the object store or its settings are wrong: one line, in time."""

from __future__ import annotations

import json
import subprocess

import pytest
from minio.credentials import StaticProvider
from minio.minioadmin import MinioAdmin

from storage import StorageError, UnreachableError, open_store
from storage.s3_bucket import FIRST_PATIENCE_S
from tests.storage.odd_servers import Relay, serving, silence, web_page

SECRET = "hush-hush-never-shown"


def told(url: str = "s3://errors/prefix") -> StorageError:
    with pytest.raises(StorageError) as caught:
        open_store(url).check_writable()
    text = str(caught.value)
    assert "\n" not in text
    assert SECRET not in text
    assert "Signature" not in text
    return caught.value


def test_wrong_keys_are_told_apart(s3_env, monkeypatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    error = told()
    assert "the secret key is not the one" in str(error)
    assert "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY" in error.fix
    assert error.where == s3_env.endpoint
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody-knows-it")
    assert "does not know this access key" in str(told())


@pytest.mark.parametrize("region", ["", "us-east-1"])
def test_a_reader_is_told_the_reason_too(s3_env, monkeypatch, region) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("AWS_REGION", region)
    with pytest.raises(StorageError, match="the secret key is not the one"):
        open_store("s3://errors/prefix").exists("run/job.json")


def test_a_session_token_that_is_none(s3_env, monkeypatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", SECRET)
    assert "session token" in str(told())


@pytest.mark.parametrize("missing", ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"])
def test_half_of_the_keys(s3_env, monkeypatch, missing) -> None:
    monkeypatch.delenv(missing)
    assert f"{missing} is not set" in str(told())


def test_no_keys_at_all(s3_env, monkeypatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    assert "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE" in str(told())


def test_keys_come_from_a_profile(s3_env, monkeypatch, tmp_path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "HAIRPIN_S3_ENDPOINT"):
        monkeypatch.delenv(name)
    (tmp_path / "keys").write_text(
        f"[team]\naws_access_key_id={s3_env.access_key}\naws_secret_access_key="
        f"{s3_env.secret_key}\n[half]\naws_access_key_id=x\n"
    )
    (tmp_path / "config").write_text(
        f"[profile team]\nregion=us-east-1\nendpoint_url={s3_env.endpoint}\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "keys"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "team")
    open_store("s3://profile/x").check_writable()
    monkeypatch.setenv("AWS_PROFILE", "half")
    assert f"the profile half in {tmp_path / 'keys'}" in str(told())
    (tmp_path / "keys").write_text(f"[team\n{SECRET}")
    assert "cannot be read as a profile file" in str(told())


def test_another_user_by_minios_own_variables(s3_env, monkeypatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("MINIO_ACCESS_KEY", s3_env.access_key)
    monkeypatch.setenv("MINIO_SECRET_KEY", s3_env.secret_key)
    open_store("s3://errors/minio").check_writable()


def test_keys_are_in_no_description(s3_env) -> None:
    store = open_store("s3://errors/x")
    bucket = store.bucket  # type: ignore[attr-defined]
    texts = f"{store!r} {vars(store)!r} {vars(bucket)!r} {bucket.settings!r}"
    assert s3_env.secret_key not in texts
    assert s3_env.access_key not in texts


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("http://127.0.0.1:1", "nothing listens there"),
        ("http://no-such-host.invalid", "the host is not known"),
        ("ftp://host", "is no address of a store"),
        ("http://host:port", "the address is not valid"),
        ("http://host/bucket", "has more than scheme, host and port"),
        (f"http://me:{SECRET}@host", "credentials do not belong into the address"),
    ],
)
def test_wrong_endpoints(s3_env, monkeypatch, endpoint, said) -> None:
    monkeypatch.setenv("HAIRPIN_S3_ENDPOINT", endpoint)
    assert said in str(told())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://", "names no bucket"),
        ("s3:///prefix", "names no bucket"),
        (f"s3://me:{SECRET}@bucket/x", "credentials do not belong into the address"),
        ("s3://bucket/a//b", "not a valid name"),
        ("s3://Not_A_Bucket/x", "cannot be a bucket's name"),
        ("s3://x/x", "cannot be a bucket's name"),
    ],
)
def test_wrong_addresses(s3_env, url, said) -> None:
    assert said in str(told(url))


def test_a_server_that_is_no_store(s3_env, monkeypatch) -> None:
    with serving(web_page()) as endpoint:
        monkeypatch.setenv("HAIRPIN_S3_ENDPOINT", endpoint)
        assert "is no S3 store" in str(told())


def test_a_server_that_never_answers_is_not_waited_for_long(s3_env, monkeypatch) -> None:
    with silence() as endpoint:
        monkeypatch.setenv("HAIRPIN_S3_ENDPOINT", endpoint)
        error = told()
    assert isinstance(error, UnreachableError)
    assert "does not answer in time" in str(error)
    assert FIRST_PATIENCE_S < 5.0


def test_tls_where_there_is_none_and_none_where_there_is(s3_env, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("HAIRPIN_S3_ENDPOINT", s3_env.endpoint.replace("http://", "https://"))
    error = told()
    assert "this is no TLS server" in str(error)
    assert "http://" in error.fix


def test_an_authority_that_is_not_known(s3_env, monkeypatch, tmp_path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip

    class Store(Relay):  # speaks TLS before a store that does not
        endpoint = s3_env.endpoint

    with serving(Store, tls=(certificate, key)) as endpoint:
        monkeypatch.setenv("HAIRPIN_S3_ENDPOINT", endpoint)
        error = told()
        assert "certificate is not trusted: self-signed certificate" in str(error)
        assert "AWS_CA_BUNDLE" in error.fix
        monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
        open_store("s3://errors/tls").check_writable()
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "none.pem"))
        assert "there is no file" in str(told())


READ_ONLY = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetBucketLocation", "s3:ListBucket", "s3:GetObject"],
            "Resource": ["arn:aws:s3:::*"],
        }
    ],
}


@pytest.fixture
def reader(s3_env, monkeypatch, tmp_path) -> None:
    """The environment of a user who may read and not write."""
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps(READ_ONLY))
    root = StaticProvider(s3_env.access_key, s3_env.secret_key)
    host = s3_env.endpoint.removeprefix("http://")
    admin = MinioAdmin(endpoint=host, credentials=root, secure=False)
    admin.policy_add("may-read", str(policy))
    admin.user_add("reader", "reads-and-no-more")
    admin.policy_set("may-read", user="reader")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "reader")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "reads-and-no-more")


def test_a_bucket_that_may_only_be_read(s3_env, monkeypatch, request) -> None:
    open_store("s3://look/here").put("run/job.json", b"{}")
    request.getfixturevalue("reader")
    store = open_store("s3://look/here")
    assert store.get("run/job.json") == b"{}"
    error = told("s3://look/here")
    assert "access denied" in str(error)
    assert "read, write and delete" in error.fix
    assert store.keys() == ["run/job.json"]


def test_a_bucket_that_may_not_be_made(s3_env, reader) -> None:
    assert "no bucket 'not-there', and this user may not make it" in str(told("s3://not-there/x"))
