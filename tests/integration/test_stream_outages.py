"""Streams while Redis or the store is down, and afterwards."""

from itertools import pairwise

import pytest
from redis.client import PubSub

from harness.waiting import wait_until
from orderengine.local.redis_server import EmbeddedRedis
from orderengine.stream import subscription
from tests.integration.streams import (
    Stream,
    StreamFactory,
    frozen,
    live_stream,
    make_stream,
    own_redis,
    stream,
    take,
)
from tests.steps import CONFIRMED, FAIL, RECOVER

__all__ = ["live_stream", "make_stream", "own_redis", "stream"]


def test_a_killed_subscription_is_made_anew_and_loses_nothing(live_stream: Stream) -> None:
    walk = live_stream.walk()
    with live_stream.hub.follow(walk.order_id) as follower:
        assert take(follower, 1) == [1]
        wait_until(live_stream.subscribed)
        for moved in walk.steps(CONFIRMED[0], RECOVER, RECOVER, RECOVER):
            live_stream.lose_subscription()
            live_stream.publish(moved)
        wait_until(live_stream.subscribed)
        live_stream.publish(walk.step(FAIL))
        assert take(follower, 5) == [2, 3, 4, 5, 6]
        assert follower.ended


def test_streams_go_on_while_redis_is_away_and_after_it_is_back(
    make_stream: StreamFactory, own_redis: EmbeddedRedis
) -> None:
    stream = make_stream(own_redis.url)
    walk = stream.walk()
    with stream.hub.follow(walk.order_id) as follower:
        assert take(follower, 1) == [1]
        own_redis.kill()
        stream.publish(*walk.steps(CONFIRMED[0], RECOVER))
        assert take(follower, 2) == [2, 3]
        own_redis.start()
        wait_until(stream.subscribed)
        wait_until(lambda: stream.is_published(walk.first))
        heard = stream.hub.heard
        stream.publish(walk.step(FAIL))
        wait_until(lambda: stream.hub.heard > heard)
        assert take(follower, 1) == [4]


def test_a_hub_that_starts_without_redis_streams_all_the_same(
    make_stream: StreamFactory, own_redis: EmbeddedRedis
) -> None:
    own_redis.kill()
    stream = make_stream(own_redis.url)
    walk = stream.walk()
    walk.confirm()
    with stream.hub.follow(walk.order_id) as follower:
        assert take(follower, 5) == [1, 2, 3, 4, 5]


def test_followers_wait_while_the_store_is_away_and_catch_up(stream: Stream) -> None:
    walk = stream.walk()
    stream.orders.down = True
    with stream.hub.follow(walk.order_id) as follower:
        assert follower.next(0.3) is None
        stream.orders.down = False
        assert take(follower, 1) == [1]
        wait_until(stream.subscribed)
        moves = walk.steps(CONFIRMED[0], FAIL)
        stream.orders.down = True
        stream.publish(moves[0])
        assert take(follower, 1) == [2], "live events need no store"
        stream.orders.down = False
        assert take(follower, 1) == [3]


def test_a_link_that_died_without_a_word_is_noticed(
    make_stream: StreamFactory, own_redis: EmbeddedRedis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "PING_AFTER_S", 0.1)
    monkeypatch.setattr(subscription, "GIVE_UP_AFTER_S", 1.2)
    stream = make_stream(own_redis.url)
    walk = stream.walk()
    with stream.hub.follow(walk.order_id) as follower:
        assert take(follower, 1) == [1]
        wait_until(stream.subscribed)
        with frozen(own_redis):
            wait_until(lambda: stream.hub.subscription_losses > 0)
            walk.step(CONFIRMED[0])
            assert take(follower, 1) == [2], "the poll needs no Redis"
        wait_until(lambda: stream.is_published(walk.first))
        heard = stream.hub.heard
        wait_until(lambda: stream.is_published(walk.first) and stream.hub.heard > heard)


def test_a_silent_subscription_is_kept_as_long_as_the_server_answers(
    live_stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "WAKE_S", 0.05)
    monkeypatch.setattr(subscription, "PING_AFTER_S", 0.1)
    silences: list[float] = []
    check_silence = subscription._check_silence

    def noted(pubsub: PubSub, silent_s: float) -> None:
        silences.append(silent_s)
        check_silence(pubsub, silent_s)

    def answers() -> int:
        """How many answers to pings came: nothing is published, so only these end a silence."""
        return sum(later < earlier for earlier, later in pairwise(tuple(silences)))

    monkeypatch.setattr(subscription, "_check_silence", noted)
    walk = live_stream.walk()
    with live_stream.hub.follow(walk.order_id) as follower:
        assert take(follower, 1) == [1]
        wait_until(live_stream.subscribed)
        silences.clear()
        wait_until(lambda: answers() >= 5)
        live_stream.publish(walk.step(FAIL))
        assert take(follower, 1) == [2]
    assert live_stream.hub.subscription_losses == 0
