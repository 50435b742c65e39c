"""Writes log lines to a pipe or terminal whose reader may have stopped.

A frozen process runner, or a paused terminal, leaves its pipe full after some 64 KiB, and each
writer then waits forever. No order may wait for that: unread lines are counted and dropped.
"""

import os
import select
import stat
import time
from collections.abc import Callable
from typing import TextIO

PATIENCE_S = 1.0
"""How long to wait for a slow reader; after that no line waits until it reads again."""


class LogOutput:
    """The stream of a log handler; the handler serializes the calls."""

    def __init__(self, descriptor: int, notice: Callable[[int], str]) -> None:
        """`notice` makes the line that reports the number of dropped lines."""
        self._descriptor = _reopened(descriptor)
        self._notice = notice
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLOUT)
        self._dropped = 0
        self._is_torn = False

    def write(self, text: str) -> None:
        """Write a line, or drop it; a closed pipe is not an error."""
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
        """Do nothing: each line is written at once."""

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
        """Write what the pipe takes without blocking; returns the number of bytes."""
        if not self._poll.poll(wait_s * 1000):
            return 0
        try:
            return os.write(self._descriptor, data[: select.PIPE_BUF])
        except BlockingIOError:  # another process filled the pipe first
            return 0


def log_output(stream: TextIO, notice: Callable[[int], str]) -> "TextIO | LogOutput":
    """The stream for log lines: a file or a buffer never blocks and is used as it is."""
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        return stream
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return stream
    return LogOutput(descriptor, notice)


def _reopened(descriptor: int) -> int:
    """Reopen the file as our own, without blocking; if that fails, polling must suffice.

    O_NONBLOCK on the given descriptor would apply to all processes that share it.
    """
    try:
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY
        return os.open(f"/proc/self/fd/{descriptor}", flags)
    except OSError:
        return descriptor
