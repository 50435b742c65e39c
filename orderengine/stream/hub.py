"""The hub: one subscription and one reader of PostgreSQL serve all streams of a process."""

import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple
from uuid import UUID

import structlog

from orderengine.domain.errors import StorageUnavailable
from orderengine.domain.events import OrderEvent
from orderengine.execution.operations.counters import CounterName, Metrics, ProcessMetrics
from orderengine.execution.ports import Orders
from orderengine.execution.queries.latest_steps import ClientOrders, ClientSnapshot
from orderengine.stream.client_follower import CLOCK_SLACK, Bounds, ClientFollower
from orderengine.stream.client_streams import ClientStreams
from orderengine.stream.followed_orders import FollowedOrders
from orderengine.stream.follower import Follower, nobody_waits
from orderengine.stream.mark import Mark
from orderengine.stream.replay import Cursor
from orderengine.stream.subscription import Subscription

log = structlog.get_logger(__name__)

QUEUE_LIMIT = 64
POLL_S = 1.0
CLOSE_TIMEOUT_S = 5.0


class _Work(NamedTuple):
    """What to read next: `orders`; with `clients` also what the clients' streams miss.

    With `everything` all followed orders are read, unless nothing was committed since the last
    time, and the clients' streams are compared in full.
    """

    orders: set[UUID]
    clients: bool
    everything: bool


class Hub:
    """Lets any number of sockets follow orders at the cost of one query a second.

    A follower is registered first. Then its stored events are read, while events published
    meanwhile already wait in its queue. One query serves many followers: it reads, for each order,
    the events beyond the lowest `seq` among its followers. Orders with a follower that is new or
    misses an event are read at once. All followed orders are read after each (re)subscription and
    once a second, because the loss of an order's last message leaves no visible gap; if nothing was
    heard since, the store is first asked whether anything was committed. Clients are followed the
    same way: one more query a second finds the latest steps of their orders.

    Without Redis, streams are up to a second late. Without PostgreSQL, they wait and catch up.

    Threads start with the first follower, hence after a server's fork. `demotions` counts how often
    a client of this process found its Redis server to be no primary any more. `heard` counts live
    events, `rereads` counts how often an event was missed or dropped and read again.
    """

    def __init__(
        self,
        redis_url: str,
        orders: Orders,
        clients: ClientOrders,
        *,
        queue_limit: int = QUEUE_LIMIT,
        client_bounds: Bounds | None = None,
        poll_s: float = POLL_S,
        demotions: Callable[[], int] = lambda: 0,
        metrics: Metrics | None = None,
    ) -> None:
        self.heard = 0
        self._metrics = ProcessMetrics() if metrics is None else metrics
        self.rereads = 0
        self._orders = orders
        self._queue_limit = queue_limit
        self._poll_s = poll_s
        self._subscription = Subscription(
            redis_url, self._on_event, self._ask_for_all, demotions, self._metrics
        )
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._poll_at = 0.0
        self._mark = Mark(orders)
        self._orders_to_read: set[UUID] = set()
        self._reads_clients = False
        self._followed = FollowedOrders()
        self._clients = ClientStreams(orders, clients, client_bounds or Bounds())
        self._threads: list[threading.Thread] = []

    def follow(
        self, order_id: UUID, after: int = 0, wake: Callable[[], None] = nobody_waits
    ) -> Follower:
        """Follow an order from the event after `after`; close the follower when done.

        `wake` is called when the follower has an event, and must not block. If the order has ended
        and `after` is not below its last event, nothing ever comes. Raises RuntimeError when the
        hub is closed.
        """
        followed = self._followed
        follower = Follower(
            order_id, after, self._queue_limit, self._ask_again, followed.discard, wake
        )
        with self._changed:
            self._start()
            followed.add(follower)
        self._ask(order_id)
        return follower

    @property
    def orders_limit(self) -> int:
        """How many orders of a client can be followed at once."""
        return self._clients.bounds.orders

    def snapshot(self, client_id: str, cursor: Cursor | None) -> ClientSnapshot:
        """The orders with which a client's stream starts here; raises StorageUnavailable."""
        return self._clients.snapshot(client_id, cursor)

    def follow_client(
        self,
        client_id: str,
        first: ClientSnapshot,
        cursor: Cursor | None = None,
        wake: Callable[[], None] = nobody_waits,
    ) -> ClientFollower:
        """Follow all orders of a client that `first` has found, and those accepted later.

        Close the follower when done; `wake` as for `follow`. Raises RuntimeError when the hub is
        closed.
        """
        streams = self._clients
        since = first.taken_at if cursor is None else cursor.at - CLOCK_SLACK
        follower = ClientFollower(
            client_id,
            first,
            since,
            streams.bounds,
            self._ask_for_clients,
            streams.discard,
            None if cursor is None else cursor.sent,
            wake,
        )
        with self._changed:
            self._start()
            streams.add(follower)
        self._ask_for_clients()
        return follower

    @property
    def followers(self) -> int:
        """The number of current followers."""
        return self._followed.followers + len(self._clients)

    @property
    def is_subscribed(self) -> bool:
        """True while events seem to arrive live."""
        return self._subscription.is_live

    @property
    def subscription_losses(self) -> int:
        """How often the subscription failed or could not be made."""
        return self._subscription.losses

    def close(self) -> None:
        """End the threads; followers get no more events."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
            threads = list(self._threads)
        for thread in threads:
            thread.join(CLOSE_TIMEOUT_S)

    def _start(self) -> None:
        if self._stopping.is_set():
            raise RuntimeError("the hub is closed")
        if self._threads:
            return
        self._threads = [
            threading.Thread(
                target=self._subscription.run,
                args=(self._stopping,),
                name="stream-subscription",
                daemon=True,
            ),
            threading.Thread(target=self._read_on, name="stream-reader", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _ask_for_clients(self) -> None:
        with self._changed:
            self._reads_clients = True
            self._changed.notify_all()

    def _ask(self, order_id: UUID) -> None:
        with self._changed:
            self._orders_to_read.add(order_id)
            self._changed.notify_all()

    def _ask_again(self, order_id: UUID) -> None:
        self._count_reread()
        self._ask(order_id)

    def _count_reread(self) -> None:
        with self._changed:
            self.rereads += 1
        self._metrics.count(CounterName.HUB_REREADS)

    def _ask_for_all(self) -> None:
        with self._changed:
            self._poll_at = 0.0
            self._changed.notify_all()

    def _on_event(self, event: OrderEvent, client_id: str | None) -> None:
        self.heard += 1
        if self._followed.deliver(event):
            self._ask_again(event.order_id)
        if client_id is not None and self._clients.deliver(client_id, event):
            self._count_reread()
            self._ask_for_clients()

    def _read_on(self) -> None:
        """Run the reader thread; after a failed read it reads everything again."""
        away = False
        while not self._stopping.is_set():
            work = self._wait_for_work()
            try:
                self._read(self._followed.seen(work.orders))
                if work.everything:
                    self._read_everything()
                if work.clients and self._clients.read(everything=work.everything):
                    self._ask_for_clients()
            except StorageUnavailable as error:
                if not away:
                    log.warning("streams_wait_for_storage", error=str(error))
                away = True
                self._pause()
            except Exception:
                log.exception("stream_read_failed")
                self._pause()
            else:
                away = False

    def _pause(self) -> None:
        self._stopping.wait(self._poll_s)
        self._ask_for_all()

    def _wait_for_work(self) -> _Work:
        """Wait for the next read: the requested orders, or all once a second."""
        with self._changed:
            is_used = bool(self._followed) or len(self._clients) > 0
            self._changed.wait_for(
                lambda: (
                    self._orders_to_read
                    or self._reads_clients
                    or self._stopping.is_set()
                    or self._poll_at <= time.monotonic()
                ),
                timeout=max(self._poll_at - time.monotonic(), 0.0) if is_used else None,
            )
            orders, self._orders_to_read = self._orders_to_read, set()
            clients, self._reads_clients = self._reads_clients, False
            everything = self._poll_at <= time.monotonic()
            if everything:
                self._poll_at = time.monotonic() + self._poll_s
            return _Work(orders, clients or everything, everything)

    def _read_everything(self) -> None:
        if self._followed and self._mark.has_moved(self.heard):
            self._read(self._followed.seen())
            self._mark.done()

    def _read(self, seen: Mapping[UUID, int]) -> None:
        for event in self._orders.events_after(seen) if seen else ():
            if isinstance(event, OrderEvent):
                self._followed.deliver(event)
