"""The streams of clients in one process: who gets what is published, and what is read for them."""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from orderengine.domain.events import OrderEvent
from orderengine.execution.ports import Orders
from orderengine.execution.standing import ClientOrders, Look
from orderengine.execution.unreadable import UnreadableEvent
from orderengine.stream.client_follower import CLOCK_SLACK, Bounds, ClientFollower
from orderengine.stream.replay import Cursor

_Stored = OrderEvent | UnreadableEvent


class ClientStreams:
    """The followers of clients, however many at the cost of two queries.

    One looks where the orders of all of them stand, the other reads the events that are missing.
    `add`, `discard` and `offer` are for any thread, `read` for one.
    """

    def __init__(self, orders: Orders, clients: ClientOrders, bounds: Bounds) -> None:
        self.bounds = bounds
        self._orders = orders
        self._clients = clients
        self._lock = threading.Lock()
        self._followers: dict[str, set[ClientFollower]] = defaultdict(set)

    def __len__(self) -> int:
        with self._lock:
            return sum(map(len, self._followers.values()))

    def look(self, client_id: str, cursor: Cursor | None) -> Look:
        """Where the orders of a client stand that a follower from this cursor on starts with.

        More than the bounds allow are too many. Raises StorageUnavailable.
        """
        since = None if cursor is None else cursor.at - CLOCK_SLACK
        return self._clients.look({client_id: since}, self.bounds.orders + 1)[client_id]

    def add(self, follower: ClientFollower) -> None:
        """Serve a follower from now on."""
        with self._lock:
            self._followers[follower.client_id].add(follower)

    def discard(self, follower: ClientFollower) -> None:
        """Serve it no longer; can be repeated."""
        with self._lock:
            local = self._followers[follower.client_id]
            local.discard(follower)
            if not local:
                del self._followers[follower.client_id]

    def offer(self, client_id: str, event: OrderEvent) -> bool:
        """Hand out a live event; True if the store is to be asked for what lacks."""
        with self._lock:
            local = list(self._followers.get(client_id, ()))
        asks = [follower.offer(event) for follower in local]
        return any(asks)

    def read(self, *, everything: bool) -> bool:
        """Read what is lacking; True if there is more. Raises StorageUnavailable.

        `everything` also looks for what nobody knows to be lacking.
        """
        with self._lock:
            followers = [each for local in self._followers.values() for each in local]
        self._look([each for each in followers if everything or each.wants_a_look])
        due = {follower: follower.due() for follower in followers}
        found = self._find(list(due.values()))
        for follower, orders in due.items():
            for order_id in orders:
                for event in found.get(order_id, ()):
                    if isinstance(event, OrderEvent):
                        follower.offer_stored(event)
        more = [follower.settle(orders, found) for follower, orders in due.items()]
        return any(more) or any(follower.wants_a_look for follower in followers)

    def _look(self, followers: Sequence[ClientFollower]) -> None:
        since: dict[str, datetime | None] = {}
        for follower in followers:
            wanted = follower.about_to_look()
            before = since.get(follower.client_id)
            since[follower.client_id] = wanted if before is None else min(before, wanted)
        if not since:
            return
        looks = self._clients.look(since, self.bounds.orders + 1)
        for follower in followers:
            follower.learn(looks[follower.client_id])

    def _find(self, due: Sequence[Mapping[UUID, int]]) -> Mapping[UUID, list[_Stored]]:
        seen: dict[UUID, int] = {}
        for orders in due:
            for order_id, had in orders.items():
                seen[order_id] = min(had, seen.get(order_id, had))
        # One that can not be read counts: its order is not one whose events were pruned.
        found: dict[UUID, list[_Stored]] = defaultdict(list)
        for event in self._orders.events_after(seen) if seen else ():
            found[event.order_id].append(event)
        return found
