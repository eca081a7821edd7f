"""The HTTP side of the endpoint: /metrics for Prometheus, /healthz for whoever looks after it."""

from __future__ import annotations

import errno
import json
import logging
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

logger = logging.getLogger(__name__)

SERVICE = "hairpin-metrics"
RETRY_S = 0.5
REQUEST_S = 10.0  # a reader that says nothing for so long is hung up on

Page = Callable[[str], tuple[bytes, str]]


class Listener:
    """Listens on a port in threads of its own; a port that is taken is tried again and again.

    Args:
        host: The address to listen on.
        port: The port.
        page: Writes /metrics, given the reader's Accept header; returns body and content type.
        health: What /healthz says besides that all is well.

    Attributes:
        problem: Why nobody listens; empty if somebody does.
        read_at: `time.monotonic()` when /metrics was last read; None if never.
    """

    def __init__(
        self, host: str, port: int, page: Page, health: Callable[[], dict[str, object]]
    ) -> None:
        self.problem = "not yet tried"
        self.read_at: float | None = None
        self._page, self._health = page, health
        self._address = (host, port)
        self._server: ThreadingHTTPServer | None = None
        self._closed = threading.Event()
        self._try()
        threading.Thread(target=self._work, name="metrics", daemon=True).start()

    def close(self) -> None:
        """Stops listening."""
        self._closed.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _work(self) -> None:
        while self._server is None:
            if self._closed.wait(RETRY_S):
                return
            self._try()
        self._server.serve_forever()

    def _try(self) -> None:
        try:
            self._server = make_server(self._address, self._handler())
            self.problem = ""
        except OSError as error:
            self.problem = error.strerror or str(error)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            timeout = REQUEST_S

            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                if path == "/metrics":
                    body, kind = listener._page(self.headers.get("Accept", ""))
                    self._answer(200, body, kind)
                    listener.read_at = time.monotonic()
                elif path == "/healthz":
                    said = {"status": "ok", "service": SERVICE, **listener._health()}
                    self._answer(200, json.dumps(said).encode() + b"\n", "application/json")
                elif path == "/":
                    self._answer(200, b"Hairpin's metrics are at /metrics\n")
                else:
                    self._answer(404, b"There are /metrics and /healthz.\n")

            def _answer(
                self, status: int, body: bytes, kind: str = "text/plain; charset=utf-8"
            ) -> None:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:
                logger.debug(format, *args)

        return Handler


def make_server(
    address: tuple[str, int], handler: type[BaseHTTPRequestHandler] = BaseHTTPRequestHandler
) -> ThreadingHTTPServer:
    """Takes a port; raises `OSError` if that cannot be."""

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            logger.debug("a reader left early", exc_info=True)

    return Server(address, handler)


def is_taken(error: OSError) -> bool:
    """Whether a port could not be had because somebody else has it."""
    return error.errno == errno.EADDRINUSE
