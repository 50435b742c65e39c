"""Sockets that follow orders to their end through all faults; some start late, all reconnect."""

import contextlib
import json
import queue
import random
import struct
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Self

import websocket

from orderengine.local.ports import LOOPBACK

WATCHERS = 12
LATE_S = 4.0
SOCKET_TIMEOUT_S = 5.0
RECONNECT_S = 0.2
NORMAL_CLOSURE = 1000
SERVICE_RESTART = 1012
REFUSED_FOR_GOOD = (400, 404)


@dataclass
class Watched:
    """A client's view of an order, over all its connections.

    `closed_with` holds the close codes of connections that the server ended (None: without one);
    `refusal` is an answer that reconnecting cannot cure.
    """

    order_id: str
    seqs: list[int] = field(default_factory=list)
    statuses: list[str] = field(default_factory=list)
    closed_with: list[int | None] = field(default_factory=list)
    refusal: str | None = None
    has_ended: bool = False


class OrderWatcher:
    """Follows one order in `one_in`, if a watcher is free."""

    def __init__(self, port: int, rng: random.Random, one_in: int = 2) -> None:
        self.watched: list[Watched] = []
        self._port = port
        self._rng = rng
        self._one_in = one_in
        self._wanted: queue.SimpleQueue[tuple[str, float] | None] = queue.SimpleQueue()
        self._idle = threading.Semaphore(WATCHERS)
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(WATCHERS)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.finish(0.0)

    def offer(self, order_id: str) -> None:
        """Follow an order, if the random choice and the number of watchers allow it."""
        with self._lock:
            chosen = self._rng.randrange(self._one_in) == 0
            late_s = self._rng.choice((0.0, 0.0, self._rng.uniform(0.0, LATE_S)))
        if chosen and self._idle.acquire(blocking=False):
            self._wanted.put((order_id, late_s))

    def finish(self, timeout_s: float) -> None:
        """Wait until all followed orders have ended, then leave."""
        deadline = time.monotonic() + timeout_s
        for _ in self._threads:
            self._wanted.put(None)
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0.0))
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while wanted := self._wanted.get():
            order_id, late_s = wanted
            self._stopping.wait(late_s)
            watched = Watched(order_id)
            self.watched.append(watched)
            self._follow(watched)
            self._idle.release()

    def _follow(self, watched: Watched) -> None:
        while not (watched.has_ended or watched.refusal or self._stopping.is_set()):
            # If nobody listens now, the next try may succeed.
            with contextlib.suppress(OSError, websocket.WebSocketException):
                self._connect_and_read(watched)
            if not watched.has_ended:
                self._stopping.wait(RECONNECT_S)

    def _connect_and_read(self, watched: Watched) -> None:
        after = watched.seqs[-1] if watched.seqs else 0
        url = f"ws://{LOOPBACK}:{self._port}/ws/orders?orderId={watched.order_id}&after={after}"
        try:
            client = websocket.create_connection(url, timeout=SOCKET_TIMEOUT_S)
        except websocket.WebSocketBadStatusException as error:
            if error.status_code in REFUSED_FOR_GOOD:
                watched.refusal = f"after {len(watched.seqs)}: {error.status_code}"
            return
        try:
            self._read(client, watched)
        except (OSError, websocket.WebSocketException):
            watched.closed_with.append(None)
        finally:
            client.shutdown()  # type: ignore[no-untyped-call]

    def _read(self, client: Any, watched: Watched) -> None:
        while not self._stopping.is_set():
            try:
                opcode, data = client.recv_data()
            except websocket.WebSocketTimeoutException:
                continue  # a waiting order sends its next event when it goes on
            if opcode == websocket.ABNF.OPCODE_CLOSE:
                code = struct.unpack("!H", data[:2])[0] if len(data) >= 2 else None
                watched.closed_with.append(code)
                watched.has_ended = code == NORMAL_CLOSURE
                return
            event = json.loads(data)
            watched.seqs.append(event["seq"])
            watched.statuses.append(event["status"])


def cut_without_a_word(watched: Watched) -> bool:
    """True if a connection ended without the order's end or a restart's close code."""
    return any(code not in (NORMAL_CLOSURE, SERVICE_RESTART) for code in watched.closed_with)
