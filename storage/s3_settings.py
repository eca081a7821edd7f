"""Which object store an ``s3://`` address means, and as whom to speak to it.

Everything comes from where tools for S3 look: environment variables, then the profile files of
AWS, then the machine's role. It is read once; later changes of the environment change nothing.
"""

from __future__ import annotations

import configparser
import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import certifi
import urllib3
from minio.credentials.providers import IamAwsProvider, Provider, StaticProvider

from storage.errors import StorageError

AWS = "https://s3.amazonaws.com"
ENDPOINTS = ("HAIRPIN_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")
BUNDLES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE")
KEYS = (
    ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
    ("MINIO_ACCESS_KEY", "MINIO_SECRET_KEY"),
)
# What shows that the machine or its container has a role of its own.
ROLES = (
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
ROLE_TIMEOUT_S = 2.0


@dataclass(frozen=True)
class S3Settings:
    """An object store and its user.

    Attributes:
        endpoint: Scheme, host and perhaps port.
        region: The region; None to ask the store.
        ca_file: The certificates that are trusted.
        credentials: Says who asks; never shown.
        origin: Where the credentials are from, in words.
    """

    endpoint: str
    region: str | None
    ca_file: str
    credentials: Provider = field(repr=False)
    origin: str

    @classmethod
    def find(cls, endpoint: str | None = None, keys: tuple[str, str] | None = None) -> S3Settings:
        """Reads the environment and the profile.

        Args:
            endpoint: Instead of the one that is set there.
            keys: A user and its password, instead of those that are set there.

        Raises:
            StorageError: Something there is not usable, or there are no credentials.
        """
        profile = _Profile()
        given = endpoint or _first(ENDPOINTS) or profile.config("endpoint_url") or AWS
        address = check_endpoint(given)
        credentials: Provider
        if keys is not None:
            credentials, origin = StaticProvider(*keys), "the caller"
        else:
            credentials, origin = _credentials(profile, address)
        return cls(
            endpoint=address,
            region=_first(REGIONS) or profile.config("region"),
            ca_file=_ca_file(),
            credentials=credentials,
            origin=origin,
        )


def check_endpoint(given: str) -> str:
    """The endpoint as scheme, host and port, or a `StorageError` without what is secret in it."""
    text = given if "://" in given else f"https://{given}"
    named = next((name for name in ENDPOINTS if os.environ.get(name) == given), "the endpoint")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise StorageError("the address is not valid", where=named, fix=_EXAMPLE) from None
    if parts.username is not None:
        raise StorageError(
            "credentials do not belong into the address",
            where=named,
            fix=f"Set {' and '.join(KEYS[0])} instead.",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise StorageError(f"{given!r} is no address of a store", where=named, fix=_EXAMPLE)
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise StorageError(
            f"{given!r} has more than scheme, host and port",
            where=named,
            fix="Bucket and prefix stand in --storage s3://bucket/prefix.",
        )
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


_EXAMPLE = "Write it like http://127.0.0.1:9000 or https://s3.example.org."


class _Profile:
    """What AWS's own tools read: a profile in two files."""

    def __init__(self) -> None:
        folder = Path.home() / ".aws"
        self.named = os.environ.get("AWS_PROFILE")
        self.name = self.named or "default"
        self.file = Path(os.environ.get("AWS_SHARED_CREDENTIALS_FILE") or folder / "credentials")
        self._secret = _read(self.file)
        self._config = _read(Path(os.environ.get("AWS_CONFIG_FILE") or folder / "config"))

    def config(self, key: str) -> str | None:
        section = self.name if self.name == "default" else f"profile {self.name}"
        return self._config.get(section, key, fallback=None)

    def secret(self, key: str) -> str | None:
        return self._secret.get(self.name, key, fallback=None)


def _credentials(profile: _Profile, endpoint: str) -> tuple[Provider, str]:
    for names in KEYS:
        access, secret = (os.environ.get(name) for name in names)
        if access and secret:
            token = os.environ.get("AWS_SESSION_TOKEN") if names is KEYS[0] else None
            return StaticProvider(access, secret, token), " and ".join(names)
        if access or secret:
            missing = names[0] if secret else names[1]
            raise StorageError(f"{missing} is not set", where=endpoint, fix="Set both, or neither.")
    access, secret = profile.secret("aws_access_key_id"), profile.secret("aws_secret_access_key")
    origin = f"the profile {profile.name} in {profile.file}"
    if access and secret:
        token = profile.secret("aws_session_token")
        return StaticProvider(access, secret, token), origin
    if profile.named:
        raise StorageError(
            "there are no keys",
            where=origin,
            fix="Write aws_access_key_id and aws_secret_access_key there, or unset AWS_PROFILE.",
        )
    host = urlsplit(endpoint).hostname or ""
    if any(os.environ.get(name) for name in ROLES) or host.endswith(".amazonaws.com"):
        client = urllib3.PoolManager(timeout=ROLE_TIMEOUT_S, retries=False)
        return IamAwsProvider(http_client=client), "the role of this machine"
    raise StorageError(
        "there are no credentials for this store",
        where=endpoint,
        fix="Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
    )


def _ca_file() -> str:
    for name in BUNDLES:
        if path := os.environ.get(name):
            if not Path(path).is_file():
                raise StorageError(
                    f"there is no file {path}", where=name, fix="Name a file of certificates (PEM)."
                )
            return path
    return certifi.where()


def _first(names: tuple[str, ...]) -> str | None:
    return next((value for name in names if (value := os.environ.get(name))), None)


def _read(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError, OSError):
        # The parser's own text would repeat the line, which may hold a secret.
        raise StorageError("cannot be read as a profile file of AWS", where=str(path)) from None
    return parser
