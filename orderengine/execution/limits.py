"""How much one client, or one address, may ask for; shared by all web processes where Redis is."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from orderengine.execution.ports import Orders

WINDOW_S = 1
COUNT_FRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What is allowed; 0 is no limit. Rates are requests a second, the others at once."""

    rate_per_key: int = 0
    rate_per_address: int = 0
    max_open_orders: int = 0
    max_sockets_per_client: int = 0
    orders_disabled: bool = False


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a limit in this second."""

    limit: int
    remaining: int

    @property
    def is_spent(self) -> bool:
        """True if this request was one too many."""
        return self.remaining < 0


class Rates(Protocol):
    """Counts requests."""

    def count(self, name: str) -> int:
        """How many there were by this name in this second, this one included; never raises."""


class MemoryRates:
    """Implements `Rates` for one process: in place of Redis while that gives no answer."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._window = 0
        self._counts: dict[str, int] = {}

    def count(self, name: str) -> int:
        """How many there were by this name in this second, this one included."""
        window = int(self._clock() // WINDOW_S)
        with self._lock:
            if window != self._window:
                self._window = window
                self._counts.clear()
            self._counts[name] = self._counts.get(name, 0) + 1
            return self._counts[name]


class OpenOrderLimit:
    """Bounds the open orders of each client, at the cost of one query a second and client.

    What other processes accept within that second is not seen, nor what is being stored at this
    moment: the limit may be passed by it.
    """

    def __init__(
        self, orders: Orders, limit: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit = limit
        self._orders = orders
        self._clock = clock
        self._lock = threading.Lock()
        self._counted: dict[str, tuple[float, int]] = {}

    def allows(self, client_id: str) -> bool:
        """True if the client may have one more; whoever accepts it then says so.

        Raises StorageUnavailable if its orders can not be counted.
        """
        if not self.limit:
            return True
        with self._lock:
            counted_at, count = self._counted.get(client_id, (float("-inf"), 0))
        now = self._clock()
        if now - counted_at >= COUNT_FRESH_S:
            count = self._orders.count_open(client_id, self.limit)
            with self._lock:
                self._counted[client_id] = (now, count)
        return count < self.limit

    def accepted(self, client_id: str) -> None:
        """Count an order that was accepted; one that was refused, or accepted before, is none."""
        with self._lock:
            if client_id in self._counted:
                counted_at, count = self._counted[client_id]
                self._counted[client_id] = (counted_at, count + 1)


class QueueLimit:
    """Bounds the orders that wait for a worker, by what the queues held a second ago at most.

    `queued` tells how many messages wait in each queue, or None without an answer: then orders are
    taken. One request a second asks it; what other processes accept within that second is not seen,
    and requests at the same moment may pass the limit together.
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

    def has_room(self) -> bool:
        """True if one more order may wait; whoever accepts it then says so."""
        if not self.limit:
            return True
        with self._lock:
            is_stale = self._clock() - self._asked_at >= COUNT_FRESH_S
            if is_stale:
                self._asked_at = self._clock()  # whoever comes meanwhile does not ask, too
        if is_stale:
            found = self._queued()
            with self._lock:
                self._waiting = None if found is None else sum(found.values())
        with self._lock:
            return self._waiting is None or self._waiting < self.limit

    def accepted(self) -> None:
        """Count an order that was accepted, until the queues are asked again."""
        with self._lock:
            if self._waiting is not None:
                self._waiting += 1
