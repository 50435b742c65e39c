"""The client streams of one process: hands out published events, and reads missing ones."""

import threading
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from orderengine.domain.events import OrderEvent
from orderengine.execution.ports import Orders
from orderengine.execution.queries.latest_steps import ClientOrders, ClientSnapshot
from orderengine.execution.unreadable import UnreadableEvent
from orderengine.stream.client_follower import CLOCK_SLACK, Bounds, ClientFollower
from orderengine.stream.replay import Cursor

_Stored = OrderEvent | UnreadableEvent


class ClientStreams:
    """The followers of clients, at the cost of two queries for any number of them.

    One query finds the latest steps of all their orders, the other reads the missing events. Any
    thread may call `add`, `discard` and `deliver`; only one may call `read`.
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

    def snapshot(self, client_id: str, cursor: Cursor | None) -> ClientSnapshot:
        """The orders with which a follower of a client starts from this cursor.

        Finds one more than the bounds allow, if there are too many. Raises StorageUnavailable.
        """
        since = None if cursor is None else cursor.at - CLOCK_SLACK
        return self._clients.snapshot({client_id: since}, self.bounds.orders + 1)[client_id]

    def add(self, follower: ClientFollower) -> None:
        """Start to serve a follower."""
        with self._lock:
            self._followers[follower.client_id].add(follower)

    def discard(self, follower: ClientFollower) -> None:
        """Stop serving a follower; can be repeated."""
        with self._lock:
            local = self._followers[follower.client_id]
            local.discard(follower)
            if not local:
                del self._followers[follower.client_id]

    def deliver(self, client_id: str, event: OrderEvent) -> bool:
        """Hand out a live event; True if missing events must be read from the store."""
        with self._lock:
            local = list(self._followers.get(client_id, ()))
        asks = [follower.deliver(event) for follower in local]
        return any(asks)

    def read(self, *, everything: bool) -> bool:
        """Read missing events; True if there are more. Raises StorageUnavailable.

        With `everything`, it also looks for events that nobody knows to be missing.
        """
        with self._lock:
            followers = [each for local in self._followers.values() for each in local]
        self._take_snapshots([each for each in followers if everything or each.needs_snapshot])
        due = {follower: follower.due() for follower in followers}
        found = self._find(list(due.values()))
        for follower, orders in due.items():
            for order_id in orders:
                for event in found.get(order_id, ()):
                    if isinstance(event, OrderEvent):
                        follower.deliver_stored(event)
        more = [follower.finish_read(orders, found) for follower, orders in due.items()]
        return any(more) or any(follower.needs_snapshot for follower in followers)

    def _take_snapshots(self, followers: Sequence[ClientFollower]) -> None:
        since: dict[str, datetime | None] = {}
        waiting_from: dict[str, int | None] = {}
        for follower in followers:
            client_id = follower.client_id
            own, written = follower.begin_snapshot()
            others = since.get(client_id)
            since[client_id] = own if others is None else min(others, own)
            least = waiting_from.get(client_id, written)
            if least is None or written is None:
                waiting_from[client_id] = None
            else:
                waiting_from[client_id] = min(least, written)
        if not since:
            return
        changed = {client: least for client, least in waiting_from.items() if least is not None}
        snapshots = self._clients.snapshot(since, self.bounds.orders + 1, changed)
        for follower in followers:
            follower.learn(snapshots[follower.client_id])

    def _find(self, due: Sequence[Mapping[UUID, int]]) -> Mapping[UUID, list[_Stored]]:
        seen: dict[UUID, int] = {}
        for orders in due:
            for order_id, had in orders.items():
                seen[order_id] = min(had, seen.get(order_id, had))
        # An unreadable event counts as found: its order's events were not pruned.
        found: dict[UUID, list[_Stored]] = defaultdict(list)
        for event in self._orders.events_after(seen) if seen else ():
            found[event.order_id].append(event)
        return found
