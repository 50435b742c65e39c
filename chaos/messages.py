"""The broker's messages: copied as they are published, or taken away before they are read."""

import ast
import contextlib
import heapq
import random
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any, Self

import redis

from chaos.rig import QUEUES, Rig
from harness.waiting import wait_until
from orderengine.local.ports import LOOPBACK

COPIES = 5
SOON_S = 1.0
DELAY_S = 8.0
MESSAGES = 5
HELD_S = 1.0
_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')


def published(line: str) -> tuple[str, bytes] | None:
    """Queue and message of a MONITOR line; None for any other command."""
    words = _WORD.findall(line)
    if len(words) != 3 or words[0].upper() != "LPUSH" or words[1] not in QUEUES:
        return None
    message: bytes = ast.literal_eval(f'b"{words[2]}"')
    return words[1], message


class Copier:
    """Publishes every message that it sees five more times, later each time.

    Half of the copies come within a second, beside the steps of their order. The others come up to
    eight seconds late, when their order may be two attempts further on.
    """

    def __init__(self, rig: Rig) -> None:
        self.copies = 0
        self._rig = rig
        self._rng = random.Random(rig.rng.random())
        self._seen: set[bytes] = set()
        self._late: list[tuple[float, int, str, bytes]] = []
        self._changed = threading.Condition()
        self._ended = False

    def __enter__(self) -> Self:
        server = self._rig.servers.redis
        self._connection = socket.create_connection((LOOPBACK, server.port))
        self._connection.sendall(f"AUTH {server.password}\r\nMONITOR\r\n".encode())
        self._threads = [threading.Thread(target=run) for run in (self._watch, self._publish)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        self._connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._connection.close()

    def _watch(self) -> None:
        with contextlib.suppress(OSError), self._connection.makefile("r", newline="\n") as lines:
            for line in lines:
                if found := published(line):
                    self._plan(*found)

    def _plan(self, name: str, message: bytes) -> None:
        with self._changed:
            if message in self._seen:
                return
            self._seen.add(message)
            for _ in range(COPIES):
                late_s = self._rng.uniform(0.0, self._rng.choice((SOON_S, DELAY_S)))
                due_at = time.monotonic() + late_s
                heapq.heappush(self._late, (due_at, len(self._seen), name, message))
            self._changed.notify()

    def _publish(self) -> None:
        with self._changed:
            while not self._ended:
                wait_s = self._late[0][0] - time.monotonic() if self._late else None
                if wait_s is None or wait_s > 0:
                    self._changed.wait(wait_s)
                    continue
                _, _, name, message = heapq.heappop(self._late)
                with contextlib.suppress(redis.RedisError):
                    self._rig.redis.lpush(name, message)
                    self.copies += 1


@contextlib.contextmanager
def workers_held(rig: Rig) -> Iterator[None]:
    """Freeze the workers until a few messages wait, so that the block affects them."""
    for name in rig.workers:
        rig.send(name, signal.SIGSTOP)
    with contextlib.suppress(TimeoutError):
        wait_until(lambda: sum(rig.queued().values()) >= MESSAGES, HELD_S, "few messages wait")
    yield
    for name in rig.workers:
        rig.send(name, signal.SIGCONT)


def take_away(rig: Rig) -> int:
    """Remove a random half of the waiting messages; returns how many."""
    removed = 0
    for name in QUEUES:
        messages: list[Any] = rig.redis.lrange(name, 0, -1)
        for message in messages:
            if rig.rng.random() < 0.5:
                removed += int(rig.redis.lrem(name, 1, message))
    return removed
