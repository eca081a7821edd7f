"""Servers that are none of S3's, or hide some of it; each a real one on a port of this machine."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

HOP = {"connection", "transfer-encoding", "content-length"}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: object) -> None:
        pass

    def answer(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if self.command != "HEAD":
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def any(self) -> None:
        raise NotImplementedError

    def do_GET(self) -> None:
        self.any()

    do_PUT = do_POST = do_HEAD = do_DELETE = do_GET


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler], tls: tuple[Path, Path] | None = None
) -> Iterator[str]:
    """Serves with `handler`, perhaps with a certificate and its key, and gives the endpoint."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*tls)
        # The handshake is a matter of the thread that handles the request.
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def web_page() -> type[BaseHTTPRequestHandler]:
    """A server of pages, which has one for every address."""

    class Page(Handler):
        def any(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            self.answer(200, b"<html><body>Welcome</body>", {"Content-Type": "text/html"})

    return Page


class Relay(Handler):
    """Hands everything on to the object store at `endpoint`."""

    endpoint = ""

    def any(self) -> None:
        self.relay()

    def relay(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        connection = http.client.HTTPConnection(urlsplit(self.endpoint).netloc, timeout=30)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.sent_on().items():
            connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        headers = {n: v for n, v in answer.getheaders() if n.lower() not in HOP}
        if self.command == "HEAD":
            headers["Content-Length"] = answer.getheader("Content-Length", "0")
        self.deliver(answer.status, answer.read(), headers)
        connection.close()

    def sent_on(self) -> dict[str, str]:
        return dict(self.headers.items())

    def deliver(self, status: int, data: bytes, headers: dict[str, str]) -> None:
        self.answer(status, data, headers)


@contextmanager
def silence() -> Iterator[str]:
    """A server that accepts connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
