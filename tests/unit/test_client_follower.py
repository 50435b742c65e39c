"""The client's follower: all orders of a client, without a server."""

from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orderengine.domain.events import OrderEvent
from orderengine.domain.order import OrderStatus
from orderengine.stream.replay import Cursor
from tests.client_desk import Desk, Play, Told, drain, is_caught_up, seqs
from tests.steps import CONFIRMED, FAIL, RECOVER


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_open_orders_come_from_their_first_event_and_ended_ones_do_not(desk: Desk) -> None:
    is_open, ended = desk.walk(), desk.walk()
    is_open.steps(CONFIRMED[0])
    ended.confirm()
    follower = desk.follow()
    for _ in range(3):
        desk.poll()
    told = drain(follower)
    assert seqs(told, is_open) == [1, 2]
    assert seqs(told, ended) == []


def test_an_order_accepted_later_is_told_live_and_at_no_cost(desk: Desk) -> None:
    follower = desk.follow()
    desk.poll()
    drain(follower)
    reads = desk.orders.reads
    walk = desk.walk()
    asks = [follower.deliver(moved.event) for moved in (walk.first, *walk.confirm())]
    assert not any(asks)
    assert seqs(drain(follower), walk) == [1, 2, 3, 4, 5]
    assert desk.orders.reads == reads


def test_an_event_that_overtakes_makes_the_follower_ask_once(desk: Desk) -> None:
    follower = desk.follow()
    desk.poll()
    walk = desk.walk()
    first, *later = [walk.first, *walk.confirm()]
    assert [follower.deliver(moved.event) for moved in later] == [True, False, False, False]
    follower.deliver(first.event)
    desk.streams.read(everything=False)
    assert seqs(drain(follower), walk) == [1, 2, 3, 4, 5]


def test_orders_whose_every_message_was_lost_are_found_by_the_poll(desk: Desk) -> None:
    follower = desk.follow()
    desk.poll()
    ended, is_open = desk.walk(), desk.walk()
    ended.confirm()
    desk.poll()
    told = drain(follower)
    assert (seqs(told, ended), seqs(told, is_open)) == ([1, 2, 3, 4, 5], [1])
    is_open.confirm()
    desk.poll()
    assert seqs(drain(follower), is_open) == [2, 3, 4, 5]


def test_an_order_that_ended_by_a_step_from_long_ago_is_still_told(desk: Desk) -> None:
    walk = desk.walk()
    follower = desk.follow()
    desk.poll()
    began = desk.clock.moment
    for _ in range(30):
        desk.poll()
    desk.clock.moment, now = began, desk.clock.moment
    walk.steps(FAIL)  # it began then, and commits only now
    desk.clock.moment = now
    drain(follower)
    desk.poll()
    assert seqs(drain(follower), walk) == [2]


def test_late_and_repeated_messages_of_an_order_that_was_forgotten_tell_nothing(
    desk: Desk,
) -> None:
    follower = desk.follow()
    desk.poll()
    walk = desk.walk()
    moves = [walk.first, *walk.confirm()]
    for moved in moves:
        follower.deliver(moved.event)
    for _ in range(20):
        desk.poll()
    drain(follower)
    for moved in moves:
        follower.deliver(moved.event)
    desk.poll()
    assert seqs(drain(follower), walk) == []


def test_an_ended_order_whose_events_were_pruned_is_left_out(desk: Desk) -> None:
    desk.clock.advance(1)
    cursor = Cursor(desk.clock.moment)
    pruned, kept = desk.walk(), desk.walk()
    pruned.confirm()
    kept.confirm()
    desk.orders.prune(pruned.order_id)
    follower = desk.follow(cursor)
    desk.poll()
    told = drain(follower)
    assert (seqs(told, pruned), seqs(told, kept)) == ([], [1, 2, 3, 4, 5])
    assert is_caught_up(told)


def test_a_reader_slower_than_its_queue_gets_everything_later(desk: Desk) -> None:
    desk = Desk(events=10)
    walks = [desk.walk() for _ in range(40)]
    follower = desk.follow()
    for walk in walks:
        walk.steps(CONFIRMED[0], *[RECOVER] * 12, FAIL)
        for event in walk.events:
            follower.deliver(event)
    told: list[Told] = []
    for _ in range(300):
        desk.poll()
        new = drain(follower)
        assert len(new) <= 11
        told += new
    assert all(seqs(told, walk) == list(range(1, 16)) for walk in walks)


def test_more_orders_than_can_be_followed_are_given_up(desk: Desk) -> None:
    desk = Desk(orders=5)
    follower = desk.follow()
    desk.poll()
    for _ in range(6):
        assert not follower.overrun
        follower.deliver(desk.walk().first.event)
    assert follower.overrun
    for _ in range(100):
        assert not follower.deliver(desk.walk().first.event)


def test_two_followers_of_a_client_both_get_everything(desk: Desk) -> None:
    followers = [desk.follow(), desk.follow()]
    walk = desk.walk()
    desk.poll()
    assert [seqs(drain(each), walk) for each in followers] == [[1], [1]]
    followers[0].close()
    followers[0].close()
    walk.confirm()
    desk.poll()
    assert [seqs(drain(each), walk) for each in followers] == [[], [2, 3, 4, 5]]


def test_a_status_is_told_of_as_it_is(desk: Desk) -> None:
    walk = desk.walk()
    walk.confirm()
    follower = desk.follow(Cursor(datetime(2026, 1, 1, tzinfo=UTC)))
    desk.poll()
    events = [each for each in drain(follower) if isinstance(each, OrderEvent)]
    assert events == walk.events
    assert events[-1].status is OrderStatus.CONFIRMED


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["accept", "wait", "step", "commit late", "publish", "poll", "read"]),
        st.integers(0, 9),
    ),
    max_size=60,
)


@given(
    acts=ACTS,
    limit=st.integers(min_value=1, max_value=6),
    back_at=st.sets(st.integers(0, 60), max_size=4),
)
def test_whatever_is_lost_late_or_repeated_each_event_comes_once_and_in_order(
    acts: Sequence[tuple[str, int]], limit: int, back_at: set[int]
) -> None:
    play = Play(limit)
    for number, (act, which) in enumerate(acts):
        play.act(act, which)
        if number in back_at:
            play.come_back()
    play.finish()
    for walk in play.walks:
        got = seqs(play.told, walk)
        assert got == list(range(1, len(got) + 1))
        every = {event.seq for event in walk.events}
        assert set(got) | set(seqs(play.told_before, walk)) == every
