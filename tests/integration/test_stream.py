"""Events from the publisher to the hub over a real server."""

import random
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.waiting import wait_until
from orderengine.stream.hub import Hub
from orderengine.stream.messages import EVENTS_CHANNEL, event_text
from tests.fakes import FakeOrders
from tests.integration.streams import (
    NEVER_S,
    Stream,
    StreamFactory,
    live_stream,
    make_stream,
    stream,
    take,
    take_events,
)
from tests.steps import CONFIRMED, FAIL, RECOVER

__all__ = ["live_stream", "make_stream", "stream"]


def test_a_live_follower_gets_every_event_as_it_was_stored(live_stream: Stream) -> None:
    walk = live_stream.walk()
    with live_stream.hub.follow(walk.order_id) as follower:
        assert take(follower, 1) == [1]
        live_stream.settle()
        reads = live_stream.orders.reads
        live_stream.publish(*walk.confirm())
        events = take_events(follower, 4)
        assert follower.ended
    assert live_stream.orders.reads == reads
    stored = walk.events[1:]
    assert [event_text(event) for event in events] == [event_text(event) for event in stored]
    assert live_stream.hub.heard >= 4


def test_a_late_follower_gets_what_it_missed(stream: Stream) -> None:
    walk = stream.walk()
    stream.publish(*walk.confirm())
    with stream.hub.follow(walk.order_id) as follower:
        assert take(follower, 5) == [1, 2, 3, 4, 5]
        assert follower.ended
        assert follower.next(60) is None


def test_a_follower_resumes_after_what_it_has(stream: Stream) -> None:
    walk = stream.walk()
    stream.publish(*walk.confirm())
    with stream.hub.follow(walk.order_id, after=3) as follower:
        assert take(follower, 2) == [4, 5]
        assert follower.ended


def test_fifty_followers_of_one_order_get_everything_at_the_cost_of_few_reads(
    stream: Stream,
) -> None:
    walk = stream.walk()
    followers = [stream.hub.follow(walk.order_id) for _ in range(50)]
    assert stream.hub.followers == 50
    with ThreadPoolExecutor(50) as threads:
        results = [threads.submit(take, follower, 5) for follower in followers]
        stream.publish(*walk.confirm())
        assert [result.result() for result in results] == [[1, 2, 3, 4, 5]] * 50
    for follower in followers:
        follower.close()
        follower.close()
    assert stream.hub.followers == 0


def test_followers_of_different_orders_get_their_own(stream: Stream) -> None:
    first, second = stream.walk(), stream.walk()
    with stream.hub.follow(first.order_id) as one, stream.hub.follow(second.order_id) as two:
        stream.publish(*first.confirm(), *second.steps(FAIL))
        assert take(one, 5) == [1, 2, 3, 4, 5]
        assert take(two, 2) == [1, 2]


def test_an_event_that_is_published_twice_is_told_once(live_stream: Stream) -> None:
    walk = live_stream.walk()
    with live_stream.hub.follow(walk.order_id) as follower:
        wait_until(live_stream.subscribed)
        for moved in walk.confirm():
            live_stream.publish(moved, walk.first, moved)
        assert take(follower, 5) == [1, 2, 3, 4, 5]
        assert follower.next(0) is None


def test_a_gap_is_read_from_the_store_at_once(live_stream: Stream) -> None:
    walk = live_stream.walk()
    with live_stream.hub.follow(walk.order_id) as follower:
        assert take(follower, 1) == [1]
        live_stream.settle()
        before = live_stream.hub.rereads
        live_stream.publish(walk.confirm()[-1])
        assert take(follower, 4) == [2, 3, 4, 5]
        assert live_stream.hub.rereads == before + 1


def test_events_that_overtake_each_other_are_put_in_order(live_stream: Stream) -> None:
    walk = live_stream.walk()
    with live_stream.hub.follow(walk.order_id) as follower:
        wait_until(live_stream.subscribed)
        live_stream.publish(*reversed(walk.confirm()))
        assert take(follower, 5) == [1, 2, 3, 4, 5]


def test_the_loss_of_the_last_message_is_found_by_the_poll(stream: Stream) -> None:
    walk = stream.walk()
    with stream.hub.follow(walk.order_id) as follower:
        assert take(follower, 1) == [1]
        wait_until(stream.subscribed)
        walk.steps(FAIL)
        assert take(follower, 1) == [2]
        assert follower.ended


def test_nothing_is_read_while_nobody_follows(make_stream: StreamFactory) -> None:
    stream = make_stream(poll_s=0.01)
    walk = stream.walk()
    with stream.hub.follow(walk.order_id) as follower:
        assert take(follower, 1) == [1]
    wait_until(stream.subscribed)
    reads = stream.orders.reads
    heard = stream.hub.heard
    stream.publish(*walk.confirm())
    wait_until(lambda: stream.hub.heard >= heard + 4)
    assert stream.orders.reads <= reads + 1


def test_a_reader_slower_than_its_queue_still_gets_everything(make_stream: StreamFactory) -> None:
    stream = make_stream(poll_s=NEVER_S, queue_limit=4)
    walk = stream.walk()
    with stream.hub.follow(walk.order_id) as follower:
        assert take(follower, 1) == [1]
        wait_until(stream.subscribed)
        stream.publish(*walk.steps(CONFIRMED[0], *[RECOVER] * 20, FAIL))
        wait_until(lambda: stream.hub.heard >= 22)
        assert take(follower, 22) == list(range(2, 24))
        assert follower.ended


def test_a_closed_hub_has_no_threads_and_takes_no_followers(stream: Stream) -> None:
    before = set(threading.enumerate())
    walk = stream.walk()
    follower = stream.hub.follow(walk.order_id)
    assert {thread.name for thread in set(threading.enumerate()) - before} == {
        "stream-subscription",
        "stream-reader",
    }
    stream.hub.close()
    stream.hub.close()
    assert not set(threading.enumerate()) - before
    follower.close()
    with pytest.raises(RuntimeError, match="closed"):
        stream.hub.follow(walk.order_id)


def test_an_unused_hub_starts_no_thread(redis_url: str, fake_orders: FakeOrders) -> None:
    before = threading.active_count()
    Hub(redis_url, fake_orders, fake_orders).close()
    assert threading.active_count() == before


def test_a_message_that_cannot_be_read_harms_nobody(live_stream: Stream) -> None:
    walk = live_stream.walk()
    with live_stream.hub.follow(walk.order_id) as follower:
        wait_until(live_stream.subscribed)
        for text in ("", "null", "{}", b"\xff", '{"orderId": 1}'):
            live_stream.client.publish(EVENTS_CHANNEL, text)
        live_stream.publish(*walk.confirm())
        assert take(follower, 5) == [1, 2, 3, 4, 5]
    assert live_stream.hub.subscription_losses == 0


def test_whatever_is_lost_repeated_or_late_every_client_sees_every_event_once(
    stream: Stream,
) -> None:
    walks = [stream.walk() for _ in range(20)]
    followers = [stream.hub.follow(walk.order_id) for walk in walks for _ in range(3)]
    chance = random.Random(7)  # noqa: S311
    messages = [moved for walk in walks for moved in walk.confirm()]
    messages = chance.choices(messages, k=len(messages))  # a third of them is never published
    with ThreadPoolExecutor(len(followers)) as threads:
        results = [threads.submit(take, follower, 5) for follower in followers]
        stream.publish(*messages)
        assert [result.result() for result in results] == [[1, 2, 3, 4, 5]] * len(followers)
    assert all(follower.ended for follower in followers)
