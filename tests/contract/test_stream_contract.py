"""The contract of every publisher with its cache: in memory and on Redis."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from uuid import uuid4

import pytest

from orderengine.execution.operations.counters import ProcessMetrics
from orderengine.execution.ports import EventPublisher, OrderCache
from orderengine.redis.breaker import Breaker
from orderengine.redis.client import create_client
from orderengine.stream.cache import RedisOrderCache
from orderengine.stream.publisher import RedisEventPublisher
from tests.fakes import FakeCache, FakeOrders, FakePublisher
from tests.steps import CONFIRMED, FAIL, RECOVER, Walk

NOWHERE = "redis://127.0.0.1:1/0"


@dataclass
class Stream:
    """A publisher, and the cache that it writes to."""

    publisher: EventPublisher
    cache: OrderCache


MakeStream = Callable[..., Stream]


@pytest.fixture(params=["fake", "redis"])
def make_stream(request: pytest.FixtureRequest) -> Iterator[MakeStream]:
    """Makes streams; a stream that is `down` has lost its server."""
    clients = []

    def fake(*, down: bool = False) -> Stream:
        cache = FakeCache(down=down)
        return Stream(FakePublisher(cache=cache), cache)

    def on_redis(*, down: bool = False) -> Stream:
        url = NOWHERE if down else request.getfixturevalue("redis_url")
        clients.append(create_client(url, 0.5))
        breaker = Breaker()
        return Stream(
            RedisEventPublisher(clients[-1], breaker, ProcessMetrics()),
            RedisOrderCache(clients[-1], breaker),
        )

    yield fake if request.param == "fake" else on_redis
    for client in clients:
        client.close()


@pytest.fixture
def stream(make_stream: MakeStream) -> Stream:
    return make_stream()


@pytest.fixture
def walk(fake_orders: FakeOrders) -> Walk:
    return Walk(fake_orders)


def test_an_order_that_was_never_published_is_a_miss(stream: Stream, walk: Walk) -> None:
    stream.publisher.publish(walk.first)
    assert stream.cache.get(uuid4()) is None


def test_the_cache_has_the_state_that_was_published_last(stream: Stream, walk: Walk) -> None:
    for moved in (walk.first, *walk.steps(*CONFIRMED[:2], FAIL)):
        stream.publisher.publish(moved)
        assert stream.cache.get(walk.order_id) == moved.order


def test_many_events_are_published_at_once(stream: Stream, fake_orders: FakeOrders) -> None:
    walks = [Walk(fake_orders) for _ in range(100)]
    newer = walks[0].steps(CONFIRMED[0])[0]
    stream.publisher.publish(newer)
    stream.publisher.publish_all([walk.first for walk in walks])
    cached = [stream.cache.get(walk.order_id) for walk in walks]
    assert cached == [newer.order, *(walk.first.order for walk in walks[1:])]


def test_signed_bytes_are_not_cached(stream: Stream, walk: Walk) -> None:
    stream.publisher.publish(walk.confirm()[-1])
    transaction = walk.order.transaction
    assert transaction is not None
    assert transaction.payload
    assert stream.cache.get(walk.order_id) == replace(
        walk.order, transaction=replace(transaction, payload=b"")
    )


def test_an_older_version_never_replaces_a_newer_one(stream: Stream, walk: Walk) -> None:
    moves = [walk.first, *walk.steps(CONFIRMED[0], *[RECOVER] * 9)]
    for moved in (moves[9], moves[8], moves[1], moves[0]):
        stream.publisher.publish(moved)
        held = stream.cache.get(walk.order_id)
        assert held is not None
        assert held.version == 10


def test_orders_are_kept_apart(stream: Stream, fake_orders: FakeOrders) -> None:
    walks = [Walk(fake_orders) for _ in range(3)]
    for walk in walks:
        stream.publisher.publish(walk.first)
    assert [stream.cache.get(walk.order_id) for walk in walks] == [walk.order for walk in walks]


def test_a_lost_server_is_a_miss_and_never_an_error(make_stream: MakeStream, walk: Walk) -> None:
    stream = make_stream(down=True)
    for _ in range(3):
        stream.publisher.publish(walk.first)
        stream.publisher.publish_all([walk.first] * 2)
        assert stream.cache.get(walk.order_id) is None
