"""A line to a server that can be made slow and unreliable."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import threading

_CHUNK = 65536


class Link:
    """Relays TCP connections from a free port of this machine to a server; a context manager.

    Args:
        host: The server's host.
        port: The server's port.

    Attributes:
        delay_s: Every chunk arrives so much later, each way.
        loss: The part of chunks that break their connection. This is harsher than lost packets,
            which TCP sends again: the client meets a reset in the middle of a request.
        port: Where it listens, on 127.0.0.1.
    """

    def __init__(self, host: str, port: int) -> None:
        self.delay_s = 0.0
        self.loss = 0.0
        self.port = 0
        self._target = (host, port)
        self._random = random.Random(0)
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)

    def __enter__(self) -> Link:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(self, *exception: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncio.start_server(self._relay, "127.0.0.1", 0, limit=_CHUNK)
        )
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        try:
            await asyncio.gather(
                self._one_way(reader, far_writer), self._one_way(far_reader, writer)
            )
        except OSError:  # one end has gone, so the other has nobody to talk to
            _reset(writer)
            _reset(far_writer)
            return
        writer.close()
        far_writer.close()

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forwards each chunk when its time has come, without holding up those behind it.

        Raises:
            OSError: The connection broke, or was broken.
        """
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(256)

        async def take() -> None:
            while chunk := await reader.read(_CHUNK):
                if self._random.random() < self.loss:
                    raise ConnectionResetError
                await waiting.put((self._loop.time() + self.delay_s, chunk))
            await waiting.put((self._loop.time() + self.delay_s, b""))

        async def give() -> None:
            while True:
                due, chunk = await waiting.get()
                await asyncio.sleep(due - self._loop.time())
                if not chunk:
                    writer.write_eof()
                    return
                writer.write(chunk)
                await writer.drain()

        tasks = [asyncio.create_task(take()), asyncio.create_task(give())]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Breaks a connection so that its other end gets an error, not an end."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
