"""Limits per client or address; shared by all web processes while Redis is available."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

WINDOW_S = 1
COUNT_FRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits; 0 is no limit. Rates are requests per second, the others are concurrent."""

    rate_per_key: int = 0
    rate_per_address: int = 0
    max_open_orders: int = 0
    max_sockets_per_client: int = 0
    orders_disabled: bool = False
    max_waiting_orders: int = 0


@dataclass(frozen=True, slots=True)
class Allowance:
    """The remaining requests of a limit in this second."""

    limit: int
    remaining: int

    @property
    def is_spent(self) -> bool:
        """True if this request exceeds the limit."""
        return self.remaining < 0


class Rates(Protocol):
    """Counts requests."""

    def count(self, name: str, by: int = 1) -> int:
        """Count requests; returns how many came in this second, with these; never raises."""


class MemoryRates:
    """Implements `Rates` for one process; replaces Redis while that gives no answer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._window = 0
        self._counts: dict[str, int] = {}

    def count(self, name: str, by: int = 1) -> int:
        """Count requests; returns how many came under this name in this second, with these."""
        window = int(self._clock() // WINDOW_S)
        with self._lock:
            if window != self._window:
                self._window = window
                self._counts.clear()
            self._counts[name] = self._counts.get(name, 0) + by
            return self._counts[name]


class OrderLimit:
    """Bounds the orders of each client that `count` counts, by one query per second and client.

    `count` takes the client and the limit, at which it may stop. The limit does not see the orders
    that other processes accept within that second, nor those being stored at the moment: they may
    exceed it.
    """

    def __init__(
        self,
        count: Callable[[str, int], int],
        limit: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self._count = count
        self._clock = clock
        self._lock = threading.Lock()
        self._counted: dict[str, tuple[float, int]] = {}

    def allows(self, client_id: str, besides: int = 0) -> bool:
        """True if the client may place one more order; the caller then reports it by `accepted`.

        `besides` are orders that it places at the same time and that are not reported yet. Raises
        StorageUnavailable if its orders cannot be counted.
        """
        if not self.limit:
            return True
        with self._lock:
            counted_at, count = self._counted.get(client_id, (float("-inf"), 0))
        now = self._clock()
        if now - counted_at >= COUNT_FRESH_S:
            count = self._count(client_id, self.limit)
            with self._lock:
                self._counted[client_id] = (now, count)
        return count + besides < self.limit

    def accepted(self, client_id: str, number: int = 1) -> None:
        """Count accepted orders; a refused order, or a replayed one, must not be counted."""
        with self._lock:
            if client_id in self._counted:
                counted_at, count = self._counted[client_id]
                self._counted[client_id] = (counted_at, count + number)


class QueueLimit:
    """Bounds the orders that wait for a worker, by queue lengths that are at most a second old.

    `queued` returns the number of messages in each queue, or None without an answer: then every
    order may pass. It is called at most once a second. Orders that other processes accept meanwhile
    are not seen, and concurrent requests may exceed the limit together.
    """

    def __init__(
        self,
        queued: Callable[[], Mapping[str, int] | None],
        limit: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self._queued = queued
        self._clock = clock
        self._lock = threading.Lock()
        self._asked_at = float("-inf")
        self._waiting: int | None = None

    def has_room(self, besides: int = 0) -> bool:
        """True if one more order may wait; the caller then reports it by `accepted`.

        `besides` are orders that come at the same time and that are not reported yet.
        """
        if not self.limit:
            return True
        with self._lock:
            is_stale = self._clock() - self._asked_at >= COUNT_FRESH_S
            if is_stale:
                self._asked_at = self._clock()  # so that concurrent requests do not ask, too
        if is_stale:
            found = self._queued()
            with self._lock:
                self._waiting = None if found is None else sum(found.values())
        with self._lock:
            return self._waiting is None or self._waiting + besides < self.limit

    def accepted(self, number: int = 1) -> None:
        """Count accepted orders until the queues are read again."""
        with self._lock:
            if self._waiting is not None:
                self._waiting += number
