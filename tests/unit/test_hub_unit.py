"""The follower: order, gaps, repetitions and a full queue, without a server."""

import threading
from collections.abc import Sequence
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.domain.events import OrderEvent
from orderengine.stream.follower import Delivery, Follower
from tests.fakes import FakeOrders
from tests.steps import CONFIRMED, FAIL, RECOVER, Walk


def _events(count: int) -> list[OrderEvent]:
    """The events of an order that recovery brought back until it failed."""
    walk = Walk(FakeOrders())
    walk.steps(CONFIRMED[0], *[RECOVER] * (count - 3), FAIL)
    return walk.events


class Asked:
    """Counts how often the follower reads the store."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, order_id: UUID) -> None:
        self.times += 1


@pytest.fixture
def asked() -> Asked:
    return Asked()


def _follower(asked: Asked, after: int = 0, limit: int = 64) -> Follower:
    events = _events(4)
    return Follower(events[0].order_id, after, limit, asked, lambda _: None)


def _seqs(follower: Follower) -> list[int]:
    """The `seq` of each event that the follower returns without waiting."""
    seqs = []
    while (event := follower.next(0)) is not None:
        seqs.append(event.seq)
    return seqs


def test_events_come_in_order_and_once(asked: Asked) -> None:
    follower = _follower(asked)
    events = _events(5)
    for event in (events[1], events[0], events[0], events[4], events[2], events[1], events[3]):
        follower.deliver(event)
    assert _seqs(follower) == [1, 2, 3, 4, 5]
    assert follower.ended


def test_a_gap_is_told_and_holds_back_what_follows(asked: Asked) -> None:
    follower = _follower(asked)
    events = _events(4)
    assert follower.deliver(events[0]) is Delivery.KEPT
    assert follower.deliver(events[2]) is Delivery.GAP
    assert _seqs(follower) == [1]
    assert follower.deliver(events[1]) is Delivery.KEPT
    assert _seqs(follower) == [2, 3]


def test_what_was_seen_before_is_not_sent_again(asked: Asked) -> None:
    follower = _follower(asked, after=2)
    for event in _events(4):
        assert follower.deliver(event) is Delivery.KEPT
    assert _seqs(follower) == [3, 4]


def test_seen_counts_what_waits_without_a_gap(asked: Asked) -> None:
    follower = _follower(asked, after=1)
    events = _events(8)
    assert follower.seen == 1
    for event in (events[1], events[2], events[4]):
        follower.deliver(event)
    assert follower.seen == 3


def test_a_full_queue_keeps_what_is_due_first_and_asks_for_the_rest(asked: Asked) -> None:
    follower = _follower(asked, limit=3)
    events = _events(6)
    assert [follower.deliver(event) for event in events] == [Delivery.KEPT] * 3 + [
        Delivery.OVERFLOW
    ] * 3
    has_room_when_full = follower.has_room
    assert _seqs(follower) == [1, 2, 3]
    assert (has_room_when_full, follower.has_room) == (False, True)
    assert asked.times == 1
    for event in events:
        follower.deliver(event)
    assert _seqs(follower) == [4, 5, 6]
    assert follower.ended


def test_a_queue_full_of_later_events_still_takes_the_one_that_is_due(asked: Asked) -> None:
    follower = _follower(asked, limit=2)
    events = _events(6)
    follower.deliver(events[3])
    follower.deliver(events[4])
    assert follower.has_room
    follower.deliver(events[0])
    assert _seqs(follower) == [1]


def test_nothing_comes_after_the_terminal_event(asked: Asked) -> None:
    follower = _follower(asked)
    for event in _events(3):
        follower.deliver(event)
    assert _seqs(follower) == [1, 2, 3]
    assert follower.next(60) is None


def test_a_waiting_reader_is_woken_by_the_event_that_is_due(asked: Asked) -> None:
    follower = _follower(asked)
    event = _events(3)[0]
    deliver = threading.Timer(0.01, follower.deliver, [event])
    deliver.start()
    assert follower.next(30) == event
    deliver.join()


@given(
    order=st.lists(st.integers(min_value=0, max_value=11), max_size=60),
    limit=st.integers(min_value=1, max_value=4),
)
def test_any_offers_then_re_reads_give_every_event_once(order: Sequence[int], limit: int) -> None:
    events = _events(12)
    wanted = Asked()
    follower = Follower(events[0].order_id, 0, limit, wanted, lambda _: None)
    got: list[int] = []
    for index in order:
        follower.deliver(events[index])
        got += _seqs(follower)
    for _ in range(len(events)):
        for event in events[follower.seen :]:
            follower.deliver(event)
        got += _seqs(follower)
    assert got == [event.seq for event in events]
    assert follower.ended
