"""The line that a drill makes slow and unreliable."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from drill.link import Link


@pytest.fixture
def echo_port() -> Iterator[int]:
    """A server that sends back what it gets."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=echo, args=(connection,), daemon=True).start()

    def echo(connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield listening.getsockname()[1]
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def answer(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=30.0) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        got = b""
        while part := connection.recv(65536):
            got += part
        return got


def test_a_good_line_changes_nothing(echo_port: int) -> None:
    data = bytes(range(256)) * 4096
    with Link("127.0.0.1", echo_port) as link:
        assert answer(link.port, data) == data
        assert answer(link.port, data[::-1]) == data[::-1]


def test_a_slow_line_delivers_everything_in_order(echo_port: int) -> None:
    data = bytes(range(256)) * 4096
    with Link("127.0.0.1", echo_port) as link:
        link.delay_s = 0.05
        assert answer(link.port, data) == data


def test_a_lossy_line_breaks_connections(echo_port: int) -> None:
    with Link("127.0.0.1", echo_port) as link:
        link.loss = 1.0
        with pytest.raises(ConnectionError):
            answer(link.port, b"lost")
        link.loss = 0.0
        assert answer(link.port, b"found") == b"found"


def test_a_server_that_is_down_is_a_broken_connection() -> None:
    with Link("127.0.0.1", 9) as link, pytest.raises(ConnectionError):
        answer(link.port, b"anybody?")
