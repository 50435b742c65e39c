"""The client's follower: resuming from a cursor, also from the middle of a replay."""

from collections.abc import Sequence
from itertools import pairwise

import pytest

from orderengine.domain.events import OrderEvent
from orderengine.stream.replay import Cursor
from tests.client_desk import Desk, Told, cursors, drain, is_caught_up, seqs
from tests.steps import CONFIRMED, FAIL, RECOVER, Walk


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_a_cursor_tells_that_nothing_before_it_is_missing(desk: Desk) -> None:
    walk = desk.walk()
    accepted_at = walk.first.event.occurred_at
    follower = desk.follow()
    assert drain(follower) == [Cursor(accepted_at, is_replay=True)]
    desk.poll()
    told = drain(follower)
    assert seqs(told[:-1], walk) == [1]
    assert cursors(told) == [told[-1]] == [Cursor(accepted_at)]
    desk.poll()
    assert drain(follower) == [], "nothing is new"
    walk.confirm()
    desk.poll()
    told = drain(follower)
    assert cursors(told) == [told[-1]] == [Cursor(desk.clock.moment)]


def test_a_follower_from_a_cursor_gets_what_ended_since(desk: Desk) -> None:
    before = desk.walk()
    before.confirm()
    between = desk.walk()
    follower = desk.follow()
    desk.poll()
    cursor = cursors(drain(follower))[-1]
    follower.close()
    between.confirm()
    after = desk.walk()
    again = desk.follow(cursor)
    desk.poll()
    told = drain(again)
    assert seqs(told, before) == []
    assert seqs(told, between) == [1, 2, 3, 4, 5]
    assert seqs(told, after) == [1]


def test_a_client_that_breaks_off_during_the_replay_goes_on_from_its_last_cursor() -> None:
    desk = Desk(events=64)
    start = Cursor(desk.clock.moment)
    stuck, *walks = [desk.walk() for _ in range(400)]
    for number, walk in enumerate(walks):
        desk.clock.advance(0.5)
        walk.steps(CONFIRMED[0], *[RECOVER] * (number % 7), *[FAIL] * (number % 4 > 0))
    told: list[Told] = []
    connections = 0
    while not is_caught_up(told):
        cursor = [start, *cursors(told)][-1]
        desk.clock.advance(0.5)
        walks[4 * connections].steps(RECOVER)
        told += _some_of_the_replay(desk, cursor, 150)
        assert cursors(told)[-1] != cursor, "the replay would start again"
        connections += 1
    assert connections > 5
    for walk in (stuck, *walks):
        _require_whole_and_in_order(seqs(told, walk), walk)
    events = sum(isinstance(each, OrderEvent) for each in told)
    stored = sum(len(walk.events) for walk in (stuck, *walks))
    assert events < 2 * stored, "each connection would begin at the start"


def _some_of_the_replay(desk: Desk, cursor: Cursor, events: int) -> list[Told]:
    """The messages of one connection that breaks off after so many."""
    told: list[Told] = []
    with desk.follow(cursor) as follower:
        while len(told) < events and not is_caught_up(told):
            desk.streams.read(everything=False)
            told += drain(follower)
    return told


def _require_whole_and_in_order(got: Sequence[int], walk: Walk) -> None:
    """Require that no connection leaves a gap in an order's events."""
    assert set(got) == {event.seq for event in walk.events}
    for before, after in pairwise(got):
        assert after in {1, before + 1}


def test_an_order_that_was_sent_goes_on_where_it_was(desk: Desk) -> None:
    desk = Desk(events=10)
    sent, long = desk.walk(), desk.walk()
    long.steps(CONFIRMED[0], *[RECOVER] * 20)
    with desk.follow() as follower:
        desk.streams.read(everything=False)
        told = drain(follower)
        assert seqs(told, sent) == [1]
    again = desk.follow(cursors(told)[-1])
    sent.steps(CONFIRMED[0])
    for _ in range(5):
        desk.poll()
        told += drain(again)
    assert seqs(told, sent) == [1, 2]


def test_the_cursor_of_a_replay_skips_no_step_that_was_committed_late(desk: Desk) -> None:
    desk = Desk(events=10)
    late, other = desk.walk(), desk.walk()
    desk.clock.advance(1)
    began = desk.clock.moment
    desk.clock.advance(1)
    other.steps(CONFIRMED[0], *[RECOVER] * 20)
    with desk.follow() as follower:
        desk.streams.read(everything=False)
        cursor = cursors(drain(follower))[-1]
    assert cursor.sent
    assert late.order.updated_at < began < cursor.before
    desk.clock.moment, now = began, desk.clock.moment
    late.steps(FAIL)  # it began before the cursor, and commits only now
    desk.clock.moment = now
    again = desk.follow(cursor)
    desk.poll()
    assert seqs(drain(again), late) == [1, 2]


def test_a_cursor_is_not_told_before_a_step_that_began_long_ago(desk: Desk) -> None:
    walk = desk.walk()
    follower = desk.follow()
    desk.poll()
    cursor = cursors(drain(follower))[-1]
    began = desk.clock.moment
    for _ in range(30):
        desk.poll()
        Walk(desk.orders, "alice").confirm()
    told = drain(follower)
    latest = [cursor, *cursors(told)][-1]
    assert latest.at <= began
    desk.clock.moment, now = began, desk.clock.moment
    walk.steps(FAIL)  # it began then, and commits only now
    desk.clock.moment = now
    again = desk.follow(latest)
    desk.poll()
    assert seqs(drain(again), walk) == [1, 2]
