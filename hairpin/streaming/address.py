"""Where video goes: an RTSP server's address, and the user and password to publish there."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

USER_VARIABLE, PASSWORD_VARIABLE = "HAIRPIN_RTSP_USER", "HAIRPIN_RTSP_PASSWORD"
FILE = "file"
DEFAULT_PORT = 8554  # MediaMTX's; RTSP's own 554 is for the privileged
_EXAMPLE = "Write rtsp://HOST[:PORT][/PREFIX], or file"


@dataclass(frozen=True)
class Address:
    """An RTSP server, and the folder of its paths that we use.

    Attributes:
        host: Its name or number; an IPv6 address without brackets.
        port: Its TCP port.
        prefix: What the paths begin with; empty, or without slashes at its ends.
    """

    host: str
    port: int
    prefix: str

    def path(self, run: str, stream: str) -> str:
        """The path of a stream of a run, with a slash before it."""
        return "/" + "/".join(part for part in (self.prefix, run, stream) if part)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"rtsp://{host}:{self.port}" + (f"/{self.prefix}" if self.prefix else "")


def parse_address(text: str) -> Address:
    """Reads rtsp://HOST[:PORT][/PREFIX].

    Raises:
        ValueError: It is something else, or holds a user or password; these are never repeated.
    """
    if "@" in text:
        raise ValueError(
            "a user and password in the address can be seen by everyone on the machine. Set "
            f"${USER_VARIABLE} and ${PASSWORD_VARIABLE}, and write rtsp://HOST:PORT"
        )
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(f"{text!r} is no address. {_EXAMPLE}") from None
    if parts.scheme != "rtsp" or not parts.hostname:
        raise ValueError(f"{text!r} is neither an rtsp:// address nor file. {_EXAMPLE}")
    prefix = parts.path.strip("/")
    if parts.query or parts.fragment or re.search(r"[^A-Za-z0-9._~/-]|//", prefix):
        raise ValueError(
            f"{text!r}: a path has letters, digits, and . _ ~ - between its slashes. {_EXAMPLE}"
        )
    return Address(parts.hostname, port or DEFAULT_PORT, prefix)


@dataclass(frozen=True)
class Credentials:
    """Who publishes; empty for nobody in particular."""

    user: str = field(default="", repr=False)
    password: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls) -> Credentials:
        """What the two variables say."""
        return cls(os.environ.get(USER_VARIABLE, ""), os.environ.get(PASSWORD_VARIABLE, ""))
