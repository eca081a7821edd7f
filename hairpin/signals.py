"""Ctrl-C and SIGTERM: the first asks to stop, the second insists. SIGUSR1: the machine goes."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)
DRAIN = signal.SIGUSR1  # what a head's pod sends before it stops; nobody else has a use for it


class StopRequest:
    """Turns signals into a wish to stop; a context manager.

    Args:
        on_first: Called when the wish is first expressed, from within the signal handler.
    """

    def __init__(self, on_first: Callable[[], None]) -> None:
        self._on_first = on_first
        self._wish: str | None = None
        self._before: dict[int, Any] = {}

    def __call__(self) -> str | None:
        """Why to stop: "stopped" by the user, "drained" with the machine; None: not at all."""
        return self._wish

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.getsignal(number) for number in (*SIGNALS, DRAIN)}
            self.install()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def install(self) -> None:
        """Takes the signals (again: starting Ray takes SIGTERM away)."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._receive)
            signal.signal(DRAIN, self._drain)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._wish == "stopped":
            raise KeyboardInterrupt
        self._wish = "stopped"
        self._on_first()

    def _drain(self, number: int, frame: FrameType | None) -> None:
        if self._wish is None:
            self._wish = "drained"
            self._on_first()
