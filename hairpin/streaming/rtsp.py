"""Publishes H.264 to an RTSP server over one TCP connection (RFC 2326, RFC 6184).

FFmpeg's muxer can do it too, but it does not notice a write that fails: a server that stands still
would hold it up for minutes. And it wants the password in an address, which its errors then repeat.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import socket
import struct
import time
from collections.abc import Sequence

from hairpin.streaming.address import Address, Credentials

CLOCK_HZ = 90_000  # of H.264's timestamps
_PACKET = 1400  # bytes of a packet's payload: servers pass them on by UDP
_REPORT_EVERY_S = 5.0
_NTP_1970 = 2_208_988_800  # seconds from 1900, where NTP's time begins
_LARGEST_ANSWER = 1 << 16
_UNAUTHORIZED = (401, 403)


class RtspError(Exception):
    """The server does not take the stream. Says why, and never a password.

    Attributes:
        refused: Whether the user or the password is wrong.
    """

    def __init__(self, why: str, *, refused: bool = False) -> None:
        super().__init__(why)
        self.refused = refused


class RtspPublisher:
    """One stream being published.

    Args:
        address: The server.
        path: Of the stream, with a slash before it.
        credentials: Used if the server asks for them.
        parameters: The stream's sequence and picture parameter sets, NAL units.
        timeout_s: How long to wait for the server, each time.

    Raises:
        RtspError: The server answers, but does not want it.
        OSError: It cannot be reached.
    """

    def __init__(
        self,
        address: Address,
        path: str,
        credentials: Credentials,
        parameters: tuple[bytes, bytes],
        *,
        timeout_s: float = 5.0,
    ) -> None:
        self._url = f"rtsp://{_bracketed(address.host)}:{address.port}{path}"
        self._credentials = credentials
        self._challenge = ""
        self._cseq = 0
        self._session = ""
        self._received = b""
        self._sequence = secrets.randbelow(1 << 16)
        self._offset = secrets.randbelow(1 << 31)
        self._source = secrets.randbits(32)
        self._packets = self._octets = 0
        self._reported_at = -_REPORT_EVERY_S
        self._socket = socket.create_connection((address.host, address.port), timeout_s)
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._begin(_description(parameters))
        except BaseException:
            self._socket.close()
            raise

    def send(self, units: Sequence[bytes], ticks: int) -> None:
        """Sends one picture.

        Args:
            units: Its NAL units.
            ticks: When it is shown, of `CLOCK_HZ`.

        Raises:
            RtspError: The server has closed the connection.
            OSError: It takes no more; the stream cannot be gone on with.
        """
        self._read_away()
        stamp = (ticks + self._offset) & 0xFFFFFFFF
        out = bytearray()
        now = time.monotonic()
        if now - self._reported_at >= _REPORT_EVERY_S:
            self._reported_at = now
            out += _framed(1, self._report(stamp))
        for index, unit in enumerate(units):
            payloads = _payloads(unit)
            for part, payload in enumerate(payloads):
                last = index == len(units) - 1 and part == len(payloads) - 1
                head = struct.pack(
                    "!BBHII", 0x80, 96 | last << 7, self._sequence, stamp, self._source
                )
                out += _framed(0, head + payload)
                self._sequence = (self._sequence + 1) & 0xFFFF
                self._packets += 1
                self._octets += len(payload)
        self._socket.sendall(out)

    def close(self) -> None:
        """Ends the stream; says so to the server if that can be done at once."""
        try:
            self._socket.settimeout(0.5)
            self._socket.sendall(self._request("TEARDOWN", self._url, {}, b""))
        except OSError:
            pass
        finally:
            self._socket.close()

    def _begin(self, description: bytes) -> None:
        kind = {"Content-Type": "application/sdp"}
        self._ask("ANNOUNCE", self._url, kind, description)
        transport = {"Transport": "RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"}
        headers = self._ask("SETUP", f"{self._url}/streamid=0", transport)
        if "interleaved=0-1" not in headers.get("transport", "interleaved=0-1").replace(" ", ""):
            raise RtspError("the server does not take video over TCP as we send it")
        self._ask("RECORD", self._url, {"Range": "npt=0.000-"})

    def _ask(
        self, method: str, url: str, headers: dict[str, str], body: bytes = b""
    ) -> dict[str, str]:
        """Sends a request and returns the headers of its answer, names in lower case."""
        for attempt in (1, 2):
            self._socket.sendall(self._request(method, url, headers, body))
            status, phrase, found = self._answer()
            if status == 401 and attempt == 1 and self._credentials.user:
                self._challenge = found.get("www-authenticate", "")
                continue
            break
        if status in _UNAUTHORIZED:
            raise RtspError("the server refuses the user or the password", refused=True)
        if status != 200:
            raise RtspError(f"the server answers {method} with {status} {phrase}".rstrip())
        self._session = found.get("session", self._session).partition(";")[0].strip()
        return found

    def _request(self, method: str, url: str, headers: dict[str, str], body: bytes) -> bytes:
        self._cseq += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._cseq}", "User-Agent: hairpin"]
        if self._session:
            lines.append(f"Session: {self._session}")
        if self._challenge:
            answer = _authorization(self._challenge, self._credentials, method, url)
            lines.append(f"Authorization: {answer}")
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + body

    def _answer(self) -> tuple[int, str, dict[str, str]]:
        while b"\r\n\r\n" not in self._received:
            if len(self._received) > _LARGEST_ANSWER:
                raise RtspError("what answers is no RTSP server")
            self._receive()
        head, _, self._received = self._received.partition(b"\r\n\r\n")
        first, *lines = head.decode("utf-8", "replace").split("\r\n")
        match = re.fullmatch(r"RTSP/\d\.\d (\d{3}) ?(.*)", first)
        if match is None:
            raise RtspError("what answers is no RTSP server")
        headers: dict[str, str] = {}
        for line in lines:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            # A server may offer several ways to log in; a digest keeps the password to itself.
            if name != "www-authenticate" or value.strip().lower().startswith("digest"):
                headers[name] = value.strip()
            else:
                headers.setdefault(name, value.strip())
        length = (
            int(headers["content-length"]) if headers.get("content-length", "").isdigit() else 0
        )
        if length > _LARGEST_ANSWER:
            raise RtspError("what answers is no RTSP server")
        while len(self._received) < length:
            self._receive()
        self._received = self._received[length:]
        return int(match[1]), match[2][:80], headers

    def _receive(self) -> None:
        part = self._socket.recv(1 << 16)
        if not part:
            raise RtspError("the server has closed the connection")
        self._received += part

    def _read_away(self) -> None:
        """Takes what the server says meanwhile, its reports on what arrived: nothing of use."""
        timeout_s = self._socket.gettimeout()
        self._socket.settimeout(0.0)
        try:
            while True:
                if not self._socket.recv(1 << 16):
                    raise RtspError("the server has closed the connection")
        except (BlockingIOError, InterruptedError):
            return
        finally:
            self._socket.settimeout(timeout_s)

    def _report(self, stamp: int) -> bytes:
        """A sender report: which time of the day the timestamp is."""
        now = time.time() + _NTP_1970
        seconds, fraction = int(now), int(now % 1.0 * 2**32)
        counts = (self._packets & 0xFFFFFFFF, self._octets & 0xFFFFFFFF)
        return struct.pack(
            "!BBHIIIIII", 0x80, 200, 6, self._source, seconds, fraction, stamp, *counts
        )


def _description(parameters: tuple[bytes, bytes]) -> bytes:
    """The stream in SDP, with what a decoder must know before the first picture."""
    sets = ",".join(base64.b64encode(unit).decode() for unit in parameters)
    level = parameters[0][1:4].hex().upper()
    return (
        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=Hairpin\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\n"
        f"m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/{CLOCK_HZ}\r\n"
        f"a=fmtp:96 packetization-mode=1;profile-level-id={level};sprop-parameter-sets={sets}\r\n"
        "a=control:streamid=0\r\n"
    ).encode()


def _payloads(unit: bytes) -> list[bytes]:
    """A NAL unit as it is, or cut into fragmentation units if it is too long for a packet."""
    if len(unit) <= _PACKET:
        return [unit]
    indicator, kind = unit[0] & 0xE0 | 28, unit[0] & 0x1F
    body = unit[1:]
    starts = range(0, len(body), _PACKET - 2)
    return [
        bytes((indicator, kind | (at == 0) << 7 | (at == starts[-1]) << 6))
        + body[at : at + _PACKET - 2]
        for at in starts
    ]


def _framed(channel: int, packet: bytes) -> bytes:
    """A packet between the requests of the connection."""
    return struct.pack("!cBH", b"$", channel, len(packet)) + packet


def _authorization(challenge: str, credentials: Credentials, method: str, url: str) -> str:
    """Answers a server's challenge, by digest (RFC 7616, without qop) or in clear text."""
    user, password = credentials.user, credentials.password
    if not challenge.lower().startswith("digest"):
        return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
    given = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
    name = re.search(r"algorithm=\"?([\w-]+)", challenge)
    make = hashlib.sha256 if name and name[1].upper() == "SHA-256" else hashlib.md5

    def digest(text: str) -> str:
        return make(text.encode()).hexdigest()

    realm, nonce = given.get("realm", ""), given.get("nonce", "")
    response = digest(f"{digest(f'{user}:{realm}:{password}')}:{nonce}:{digest(f'{method}:{url}')}")
    algorithm = f', algorithm="{name[1]}"' if name else ""
    return (
        f'Digest username="{user}", realm="{realm}", nonce="{nonce}", uri="{url}", '
        f'response="{response}"{algorithm}'
    )


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
