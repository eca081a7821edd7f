"""What an object store or the way to it says is wrong, in our own words.

The texts of urllib3 and of the stores are not repeated: they may hold addresses with signatures.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import ParseError

from minio.error import InvalidResponseError, S3Error, ServerError
from urllib3 import exceptions as http

from storage.errors import NotFoundError, StorageError, UnreachableError
from storage.s3_settings import BUNDLES, KEYS, REGIONS, S3Settings

FAULTS = (
    S3Error,
    ServerError,
    InvalidResponseError,
    http.HTTPError,
    ParseError,
    OSError,
    ValueError,
)
"""What the client raises when the store or the way to it is at fault."""

_MISSING = {"NoSuchKey", "NoSuchObject"}
_BUSY = {
    "InternalError",
    "OperationAborted",
    "RequestTimeout",
    "ServiceUnavailable",
    "SlowDown",
    "SlowDownRead",
    "SlowDownWrite",
    "XMinioServerNotInitialized",
}
_FULL = {"XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "QuotaExceeded"}
_EXPIRED = {"ExpiredToken", "InvalidToken", "InvalidTokenId", "TokenRefreshRequired"}
_REGION = {"AuthorizationHeaderMalformed", "PermanentRedirect", "Redirect", "InvalidRegion"}


_TIMEOUTS = (TimeoutError, http.TimeoutError)
_OTHERS = http.NewConnectionError  # a timeout by descent only


def explain(error: Exception, settings: S3Settings, *, where: str, bucket: str) -> StorageError:
    """The error to raise for one of `FAULTS`.

    Args:
        error: What the client raised.
        settings: The store and its user.
        where: The address of what was to be stored or read.
        bucket: The bucket.

    Returns:
        An `UnreachableError` if trying again later may help, else what there is to mend.
    """
    if isinstance(error, S3Error):
        return _refusal(str(error.code), settings, where=where, bucket=bucket)
    if isinstance(error, ServerError):
        return _no_answer(f"the store fails (HTTP {error.status_code})", settings)
    if isinstance(error, InvalidResponseError):
        return _no_store(str(error), settings)
    if isinstance(error, ParseError):
        return _no_store("", settings)
    return _transport(error, settings)


def _refusal(code: str, settings: S3Settings, *, where: str, bucket: str) -> StorageError:
    at = f"{where} at {settings.endpoint}"
    if code in _MISSING:
        return NotFoundError("there is nothing here", where=where)
    if code in _BUSY:
        return _no_answer(f"the store cannot just now ({code})", settings)
    if code == "NoSuchBucket":
        return StorageError(
            f"there is no bucket {bucket!r}", where=settings.endpoint, fix="Make it, or correct it."
        )
    if code in ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"):
        return StorageError(
            f"the bucket {bucket!r} is another user's",
            where=settings.endpoint,
            fix="Choose another bucket with --storage.",
        )
    if code == "InvalidBucketName":
        return StorageError(
            f"{bucket!r} cannot be a bucket's name", where=where, fix="Choose another."
        )
    if code == "InvalidAccessKeyId":
        return StorageError(
            "the store does not know this access key",
            where=settings.endpoint,
            fix=f"It is from {settings.origin}; correct it, or name the right store with "
            "HAIRPIN_S3_ENDPOINT.",
        )
    if code == "SignatureDoesNotMatch":
        return StorageError(
            "the secret key is not the one of this access key",
            where=settings.endpoint,
            fix=f"It is from {settings.origin}; correct it.",
        )
    if code in _EXPIRED:
        return StorageError(
            "the session token is not valid, or not any more",
            where=settings.endpoint,
            fix=f"It is from {settings.origin}; get a new one.",
        )
    if code in ("AccessDenied", "AllAccessDisabled", "AccountProblem", "MethodNotAllowed"):
        return StorageError(
            "access denied",
            where=at,
            fix=f"Give the user from {settings.origin} the right to list, read, write and delete "
            "there, or use another.",
        )
    if code in _REGION:
        return StorageError(
            f"the bucket {bucket!r} is in another region",
            where=settings.endpoint,
            fix=f"Set {REGIONS[0]} to its region.",
        )
    if code == "RequestTimeTooSkewed":
        return StorageError(
            "this machine's clock differs too much from the store's",
            where=settings.endpoint,
            fix="Set the clock.",
        )
    if code in _FULL:
        return UnreachableError("the store is full", where=at, fix="Make room there.")
    return StorageError(f"the store refuses ({_word(code)})", where=at)


def _transport(error: Exception, settings: S3Settings) -> StorageError:
    chain = list(_chain(error))
    if found := _find(chain, ssl.SSLCertVerificationError):
        return StorageError(
            f"the store's certificate is not trusted: {found.verify_message}",
            where=settings.endpoint,
            fix=f"Name the file of the authority that signed it in {BUNDLES[0]}.",
        )
    if (tls := _find(chain, ssl.SSLError)) and "EOF" not in str(tls.reason):
        plain = tls.reason in ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "HTTP_REQUEST")
        return StorageError(
            "this is no TLS server" if plain else f"TLS failed ({_word(str(tls.reason))})",
            where=settings.endpoint,
            fix="Begin the endpoint with http:// if that is meant." if plain else "",
        )
    if _find(chain, http.NameResolutionError):
        return _no_answer("the host is not known", settings)
    if _find(chain, ConnectionRefusedError):
        return _no_answer("nothing listens there (connection refused)", settings)
    if any(isinstance(found, _TIMEOUTS) and not isinstance(found, _OTHERS) for found in chain):
        return _no_answer("the store does not answer in time", settings)
    if system := _find(chain, OSError):
        reason = (system.strerror or "").lower()
        return _no_answer(f"the connection broke{f' ({reason})' if reason else ''}", settings)
    if isinstance(error, ValueError) and not isinstance(error, http.HTTPError):
        return StorageError(  # of the client's own checks or of a role without credentials
            "the store cannot be used with these settings",
            where=settings.endpoint,
            fix=f"The credentials are from {settings.origin}; check them and {KEYS[0][0]}.",
        )
    return _no_answer("the connection broke", settings)


def _no_answer(what: str, settings: S3Settings) -> UnreachableError:
    return UnreachableError(
        what,
        where=settings.endpoint,
        fix="Start the store, or name the right one with HAIRPIN_S3_ENDPOINT.",
    )


def _no_store(text: str, settings: S3Settings) -> StorageError:
    """For an answer that is none of S3's: another kind of server, or a gateway before it."""
    match = re.search(r"Response code: (\d+)", text)
    status = int(match[1]) if match else 200
    if status >= 500:
        return _no_answer(f"the store fails (HTTP {status})", settings)
    if "HTTPS server" in text:
        return StorageError(
            "this is a TLS server", where=settings.endpoint, fix="Begin the endpoint with https://."
        )
    return StorageError(
        f"what answers there is no S3 store (HTTP {status})",
        where=settings.endpoint,
        fix="Name the store with HAIRPIN_S3_ENDPOINT.",
    )


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """`error` and whatever lies in or behind it."""
    seen: set[int] = set()
    waiting = [error]
    while waiting:
        found = waiting.pop(0)
        if found is None or id(found) in seen:
            continue
        seen.add(id(found))
        yield found
        inner = [arg for arg in found.args if isinstance(arg, BaseException)]
        reason = getattr(found, "reason", None)
        waiting += [reason] if isinstance(reason, BaseException) else []
        waiting += [*inner, found.__cause__, found.__context__]


def _find(chain: list[BaseException], kind: type) -> Any:
    return next((error for error in chain if isinstance(error, kind)), None)


def _word(code: str) -> str:
    """A code as it may be shown: a store could say anything."""
    return re.sub(r"[^A-Za-z0-9_ -]", "", code)[:60] or "unknown"
