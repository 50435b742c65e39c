"""The streams, when another Redis becomes the primary behind its address."""

from collections.abc import Callable, Iterator

import pytest
import redis

from harness.waiting import wait_until
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.stream.messages import order_key
from tests.fakes import FakeOrders
from tests.integration.failovers import (
    FAIL_OVERS,
    PATIENT_S,
    FailOver,
    Moving,
    client,
    moving,
    primary,
)
from tests.integration.streams import NEVER_S, StreamFactory, take
from tests.steps import CONFIRMED

__all__ = ["client", "moving", "primary"]


@pytest.fixture
def make_stream(moving: Moving, fake_orders: FakeOrders) -> Iterator[StreamFactory]:
    with StreamFactory(moving.url, fake_orders) as factory:
        yield factory


def subscribers(server: EmbeddedRedis) -> int:
    with redis.Redis.from_url(server.url) as client:
        return len(client.client_list(_type="pubsub"))


@FAIL_OVERS
def test_events_are_published_and_cached_at_the_new_primary(
    moving: Moving,
    make_stream: StreamFactory,
    primary: Callable[[], redis.Redis],
    fail_over: FailOver,
) -> None:
    stream = make_stream(timeout_s=PATIENT_S)
    stream.walk()
    fail_over(moving)

    def is_cached_there() -> bool:
        return bool(primary().exists(order_key(stream.walk().order_id)))

    wait_until(is_cached_there)


@FAIL_OVERS
def test_a_hub_subscribes_at_the_new_primary(
    moving: Moving, make_stream: StreamFactory, fail_over: FailOver
) -> None:
    stream = make_stream(poll_s=NEVER_S)
    walk = stream.walk()
    with stream.hub.follow(walk.order_id) as follower:
        assert take(follower, 1) == [1]
        wait_until(stream.subscribed)
        fail_over(moving)

        def is_subscribed_there() -> bool:
            stream.walk()
            return subscribers(moving.pair.primary) == 1

        wait_until(is_subscribed_there)
        wait_until(lambda: stream.is_published(walk.first))
        heard = stream.hub.heard
        wait_until(lambda: stream.is_published(walk.first) and stream.hub.heard > heard)
        stream.publish(walk.step(CONFIRMED[0]))
        assert take(follower, 1) == [2]


def test_a_silent_hub_notices_that_the_address_has_moved(
    moving: Moving, make_stream: StreamFactory
) -> None:
    """This process sends no commands, and the old primary no longer replicates."""
    stream = make_stream(poll_s=NEVER_S)
    with stream.hub.follow(stream.walk().order_id):
        wait_until(stream.subscribed)
        old = moving.pair.primary
        moving.fail_over()
        with moving.pair.client(old) as client:
            client.replicaof("127.0.0.1", "1")  # cut off: nothing reaches it
        wait_until(lambda: subscribers(moving.pair.primary) == 1)
        wait_until(lambda: subscribers(old) == 0)
