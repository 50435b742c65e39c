"""The followed orders of a process: which events they miss, and who gets an event."""

from uuid import UUID, uuid4

import pytest

from orderengine.domain.events import OrderEvent
from orderengine.stream.followed_orders import FollowedOrders
from orderengine.stream.follower import Follower
from tests.fakes import FakeOrders
from tests.steps import CONFIRMED, Walk


@pytest.fixture
def followed() -> FollowedOrders:
    return FollowedOrders()


def follow(followed: FollowedOrders, order_id: UUID, after: int = 0, limit: int = 64) -> Follower:
    follower = Follower(order_id, after, limit, _nothing, followed.discard)
    followed.add(follower)
    return follower


def _nothing(_: UUID) -> None:
    pass


def events() -> list[OrderEvent]:
    """The events of an order, from the first to the last."""
    walk = Walk(FakeOrders())
    walk.steps(*CONFIRMED)
    return walk.events


def test_the_one_who_has_least_decides_what_is_read(followed: FollowedOrders) -> None:
    first, second = uuid4(), uuid4()
    for after in (3, 1, 2):
        follow(followed, first, after)
    follow(followed, second, 5)
    assert followed.seen() == {first: 1, second: 5}
    assert followed.seen({second, uuid4()}) == {second: 5}
    assert followed.seen(set()) == {}


def test_an_event_that_waits_counts_as_seen(followed: FollowedOrders) -> None:
    told = events()
    order_id = told[0].order_id
    follower = follow(followed, order_id)
    assert not followed.deliver(told[0])
    assert followed.seen() == {order_id: 1}
    assert follower.next(0) == told[0]
    assert followed.seen() == {order_id: 1}


def test_a_gap_is_told_if_one_of_the_followers_has_it(followed: FollowedOrders) -> None:
    told = events()
    follow(followed, told[0].order_id, after=1)
    assert not followed.deliver(told[1])
    follow(followed, told[0].order_id)
    assert followed.deliver(told[1])
    assert followed.seen() == {told[0].order_id: 0}


def test_a_full_queue_that_gets_room_is_read_for_again(followed: FollowedOrders) -> None:
    told = events()
    order_id = told[0].order_id
    slow, quick = follow(followed, order_id, limit=2), follow(followed, order_id)
    for event in told:
        followed.deliver(event)
    assert followed.seen() == {order_id: 5}
    assert slow.next(0) == told[0]
    assert followed.seen() == {order_id: 2}
    quick.close()
    assert followed.seen({order_id}) == {order_id: 2}


def test_nothing_is_read_for_those_without_room(followed: FollowedOrders) -> None:
    told = events()
    order_id = told[0].order_id
    full = follow(followed, order_id, limit=1)
    followed.deliver(told[0])
    assert followed.seen() == {}
    follow(followed, order_id, after=1)
    assert followed.seen() == {order_id: 1}
    full.next(0)
    assert followed.seen() == {order_id: 1}


def test_who_leaves_is_asked_about_no_more(followed: FollowedOrders) -> None:
    order_id = uuid4()
    first, second = follow(followed, order_id, 1), follow(followed, order_id, 2)
    assert followed.followers == 2
    for _ in range(2):
        first.close()
    assert followed.seen() == {order_id: 2}
    second.close()
    assert (followed.followers, bool(followed), followed.seen()) == (0, False, {})
