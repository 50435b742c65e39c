"""The supervisor's loop: one thread that waits for output, signals and deadlines at once."""

import contextlib
import os
import select
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import IO

_SAME_KEYSTROKE_S = 0.5


class Loop:
    """Calls back when something can be read; any signal or thread can wake it."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._ears, self._mouth = socket.socketpair()
        for end in (self._ears, self._mouth):
            end.settimeout(0)
        self._selector.register(self._ears, selectors.EVENT_READ, self._hear)

    def wake(self) -> None:
        """Ends the current or the next turn; for other threads."""
        with contextlib.suppress(OSError):  # full: it will wake up anyway
            self._mouth.send(b"\0")

    def wake_on_signals(self) -> None:
        """Lets every signal that has a handler end the turn, the end of a child among them."""
        signal.set_wakeup_fd(self._mouth.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def watch(self, source: IO[bytes], read: Callable[[], object]) -> None:
        """Calls `read` in each turn in which there is something to read."""
        self._selector.register(source, selectors.EVENT_READ, read)

    def forget(self, source: IO[bytes]) -> None:
        """Undoes `watch`."""
        self._selector.unregister(source)

    def turn(self, timeout_s: float) -> None:
        """Waits until something happens, and handles it."""
        for key, _ in self._selector.select(max(0.0, timeout_s)):
            key.data()

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._ears.recv(4096):
                pass


class StopRequests:
    """SIGINT, SIGTERM and SIGHUP: the first asks to stop, a second Ctrl-C to stop at once.

    The end of our terminal also asks to stop: `make` without a shell does not pass its SIGHUP on.
    """

    def __init__(self) -> None:
        self._requested_at: float | None = None
        self._terminal = select.poll()
        if os.isatty(0):
            self._terminal.register(0, 0)  # no events but the hangup, which poll always reports
        self._raises = False
        self.at_once = False

    @property
    def stopping(self) -> bool:
        """Whether a stop was asked for."""
        if self._requested_at is None and self._terminal.poll(0):
            self._requested_at = time.monotonic()
        return self._requested_at is not None

    def listen(self) -> None:
        """Handles the signals from now on; `nohup` keeps its meaning."""
        signal.signal(signal.SIGINT, self._handle)
        signal.signal(signal.SIGTERM, self._handle)
        if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
            signal.signal(signal.SIGHUP, self._handle)

    @contextlib.contextmanager
    def interrupting(self) -> Iterator[None]:
        """Lets a stop raise KeyboardInterrupt in code that waits for something else."""
        self._raises = True
        try:
            if self.stopping:
                raise KeyboardInterrupt
            yield
        finally:
            self._raises = False

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._requested_at is None:
            self._requested_at = now
            if self._raises:
                raise KeyboardInterrupt
        elif number == signal.SIGINT and now - self._requested_at > _SAME_KEYSTROKE_S:
            # Not sooner: wrappers forward the signal of a Ctrl-C that the terminal also sent us.
            self.at_once = True
