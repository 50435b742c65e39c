"""Writes log lines to a pipe or terminal whose reader may have stopped.

A process runner that is frozen, or a terminal that was paused, leaves a pipe full after some
64 KiB, and whoever writes to it then waits for ever. An order must not wait for that: lines that
nobody takes are counted and dropped.
"""

import os
import select
import stat
import time
from collections.abc import Callable
from typing import TextIO

PATIENCE_S = 1.0
"""For a reader that is slow; one that has let this pass gets no more of it until it reads again."""


class LogOutput:
    """The stream of a log handler, which serializes its calls."""

    def __init__(self, descriptor: int, notice: Callable[[int], str]) -> None:
        """`notice` makes the line that tells how many were dropped."""
        self._descriptor = _reopened(descriptor)
        self._notice = notice
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLOUT)
        self._dropped = 0
        self._is_torn = False

    def write(self, text: str) -> None:
        """Write a line, or drop it; a pipe that was closed is no error."""
        try:
            if self._dropped:
                if not self._send(self._notice(self._dropped) + "\n", 0.0):
                    self._dropped += 1
                    return
                self._dropped = 0
            if not self._send(text, PATIENCE_S):
                self._dropped = 1
        except OSError:
            pass

    def flush(self) -> None:
        """Do nothing: a line is written at once."""

    def _send(self, text: str, patience_s: float) -> bool:
        data = text.encode(errors="backslashreplace")
        rest = b"\n" + data if self._is_torn else data
        deadline = time.monotonic() + patience_s
        while rest:
            left_s = max(0.0, deadline - time.monotonic())
            written = self._write_some(rest, left_s)
            if written:
                rest = rest[written:]
                self._is_torn = bool(rest)
            elif not left_s or time.monotonic() >= deadline:
                return False
        return True

    def _write_some(self, data: bytes, wait_s: float) -> int:
        """How many bytes were taken: as many as a pipe that has room takes without a wait."""
        if not self._poll.poll(wait_s * 1000):
            return 0
        try:
            return os.write(self._descriptor, data[: select.PIPE_BUF])
        except BlockingIOError:  # another process that writes to the same pipe was faster
            return 0


def log_output(stream: TextIO, notice: Callable[[int], str]) -> "TextIO | LogOutput":
    """What to write the lines of a log to: a file takes them in any case, and so does a buffer."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return stream
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return stream
    return LogOutput(descriptor, notice)


def _reopened(descriptor: int) -> int:
    """A description of our own that does not block; where there is none, the poll must do.

    The flag of the one that we were given would hold for all processes that share it.
    """
    try:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        return os.open(f"/proc/self/fd/{descriptor}", flags)
    except OSError:
        return descriptor
