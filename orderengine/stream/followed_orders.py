"""The followed orders of one process: who follows each, and which of its events they miss."""

import threading
from collections.abc import Iterable, Mapping
from uuid import UUID

from orderengine.domain.events import OrderEvent
from orderengine.stream.follower import Delivery, Follower


class FollowedOrders:
    """The followers of orders, by order; for any thread.

    Thousands of orders are asked about once a second, by a thread that shares the interpreter with
    those that answer requests. So only orders whose followers have changed are looked at anew.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._followers: dict[UUID, set[Follower]] = {}
        self._seen: dict[UUID, int] = {}
        self._changed: set[UUID] = set()

    def __bool__(self) -> bool:
        return bool(self._followers)

    @property
    def followers(self) -> int:
        """How many followers there are."""
        with self._lock:
            return sum(map(len, self._followers.values()))

    def add(self, follower: Follower) -> None:
        """Start to serve a follower."""
        with self._lock:
            self._followers.setdefault(follower.order_id, set()).add(follower)
            self._changed.add(follower.order_id)

    def discard(self, follower: Follower) -> None:
        """Stop serving a follower; can be repeated."""
        with self._lock:
            local = self._followers.get(follower.order_id, set())
            local.discard(follower)
            if not local:
                self._followers.pop(follower.order_id, None)
            self._changed.add(follower.order_id)

    def deliver(self, event: OrderEvent) -> bool:
        """Hand an event to the followers of its order; True if one of them misses one before it."""
        with self._lock:
            local = tuple(self._followers.get(event.order_id, ()))
        if not local:
            return False
        results = [follower.deliver(event) for follower in local]
        with self._lock:
            self._changed.add(event.order_id)
        return Delivery.GAP in results

    def seen(self, among: Iterable[UUID] | None = None) -> Mapping[UUID, int]:
        """The `seq` up to which all followers of an order have its events, by order.

        Leaves out orders of which no follower has room for more, and all that are not in `among`.
        """
        with self._lock:
            changed, self._changed = self._changed, set()
            for order_id in changed:
                self._look_at(order_id)
            if among is None:
                return self._seen.copy()
            return {key: self._seen[key] for key in among if key in self._seen}

    def _look_at(self, order_id: UUID) -> None:
        all_wanted = [each.wants_after for each in self._followers.get(order_id, ())]
        wanted = [after for after in all_wanted if after is not None]
        if wanted:
            self._seen[order_id] = min(wanted)
        else:
            self._seen.pop(order_id, None)
        if len(wanted) < len(all_wanted):
            self._changed.add(order_id)  # a full queue gets room without a word
