"""A publisher and a hub on one server, with helpers for the tests of both."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from harness.waiting import wait_until
from orderengine.domain.events import Moved, OrderEvent
from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import create_client
from orderengine.stream.cache import RedisOrderCache
from orderengine.stream.follower import Follower
from orderengine.stream.hub import Hub
from orderengine.stream.publisher import RedisEventPublisher
from tests.fakes import FakeOrders
from tests.steps import Walk

NEVER_S = 3600.0
PATIENT_S = 5.0
"""A long timeout: a stream that never polls loses an event that Redis does not take in time."""


class Stream:
    """A publisher and a hub on one server, with the store between them."""

    def __init__(
        self, url: str, orders: FakeOrders, poll_s: float, queue_limit: int, timeout_s: float
    ) -> None:
        self.orders = orders
        self.client = create_client(url, timeout_s)
        self.breaker = Breaker(skip_s=0.05)
        self.metrics = ProcessMetrics()
        self.publisher = RedisEventPublisher(self.client, self.breaker, self.metrics)
        self.cache = RedisOrderCache(self.client, self.breaker)
        self.hub = Hub(
            url,
            orders,
            orders,
            poll_s=poll_s,
            queue_limit=queue_limit,
            demotions=lambda: self.client.demotions,
        )

    def publish(self, *moves: Moved) -> None:
        for moved in moves:
            self.publisher.publish(moved)

    def is_published(self, moved: Moved) -> bool:
        """Publish again; returns whether Redis has the order."""
        self.publish(moved)
        return self.cache.get(moved.order.order_id) is not None

    def walk(self) -> Walk:
        """A new order, published."""
        walk = Walk(self.orders)
        self.publish(walk.first)
        return walk

    def subscribed(self) -> bool:
        """Whether this hub is subscribed; the server may still count one that has just left."""
        return self.hub.is_subscribed

    def settle(self) -> None:
        """Wait until the hub is subscribed and has no requested reads left.

        The hub may read the first follower's order twice: for the new subscription and for it.
        """
        with self.hub.follow(self.walk().order_id):
            wait_until(self.subscribed)
        for _ in range(2):
            with self.hub.follow(self.walk().order_id) as follower:
                take(follower, 1)

    def lose_subscription(self) -> None:
        """Kill subscriptions until the hub has noticed.

        One kill may only hit another subscriber of this server while the hub reconnects.
        """
        before = self.hub.subscription_losses

        def is_lost() -> bool:
            self.client.client_kill_filter(_type="pubsub")
            return self.hub.subscription_losses > before

        wait_until(is_lost)

    def close(self) -> None:
        self.hub.close()
        self.client.close()


class StreamFactory:
    """Makes streams, and closes them when it is left."""

    def __init__(self, url: str, orders: FakeOrders) -> None:
        self._url = url
        self._orders = orders
        self._made: list[Stream] = []

    def __call__(
        self,
        url: str | None = None,
        *,
        poll_s: float = 0.2,
        queue_limit: int = 64,
        timeout_s: float = PATIENT_S,
    ) -> Stream:
        self._made.append(Stream(url or self._url, self._orders, poll_s, queue_limit, timeout_s))
        return self._made[-1]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for stream in self._made:
            stream.close()


def take(follower: Follower, count: int, timeout_s: float = 15.0) -> list[int]:
    """The `seq` of the next events."""
    return [event.seq for event in take_events(follower, count, timeout_s)]


def take_events(follower: Follower, count: int, timeout_s: float = 15.0) -> list[OrderEvent]:
    events: list[OrderEvent] = []
    for _ in range(count):
        event = follower.next(timeout_s)
        assert event is not None, f"only {len(events)} of {count} events came"
        events.append(event)
    return events


@contextmanager
def frozen(server: EmbeddedRedis) -> Iterator[None]:
    """Freeze the server, as if the link dropped everything: connections stay, no answers come."""
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


@pytest.fixture
def make_stream(redis_url: str, fake_orders: FakeOrders) -> Iterator[StreamFactory]:
    with StreamFactory(redis_url, fake_orders) as factory:
        yield factory


@pytest.fixture
def stream(make_stream: StreamFactory) -> Stream:
    return make_stream()


@pytest.fixture
def live_stream(make_stream: StreamFactory) -> Stream:
    """A stream that never polls, so every event was published, or read on request."""
    return make_stream(poll_s=NEVER_S)


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[EmbeddedRedis]:
    """A server that the test may stop."""
    with EmbeddedRedis(tmp_path / "redis", durable=False) as server:
        yield server
