"""The client's follower beside many orders that wait, without a server."""

from collections.abc import Mapping
from datetime import datetime

import pytest

from orderengine.execution.queries.latest_steps import LONGEST_COMMIT, ClientSnapshot
from orderengine.stream.client_follower import ClientFollower
from orderengine.stream.client_streams import ClientStreams
from orderengine.stream.looks import FULL_LOOK_EVERY
from orderengine.stream.replay import Cursor
from tests.builders import A_REST, A_TRIGGER
from tests.client_desk import Desk, cursors, drain, is_caught_up, seqs
from tests.fakes import FakeOrders
from tests.steps import CONFIRMED, FAIL, Walk

EVERY_S = int(FULL_LOOK_EVERY.total_seconds())


class Counted:
    """The looks at a store: how many orders each one found."""

    def __init__(self, orders: FakeOrders) -> None:
        self._orders = orders
        self.found: list[int] = []

    def snapshot(
        self,
        ended_since: Mapping[str, datetime | None],
        limit: int,
        waiting_from: Mapping[str, int] | None = None,
    ) -> Mapping[str, ClientSnapshot]:
        told = self._orders.snapshot(ended_since, limit, waiting_from)
        self.found.append(sum(len(each.orders) for each in told.values()))
        return told


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def looks(desk: Desk) -> Counted:
    counted = Counted(desk.orders)
    desk.streams = ClientStreams(desk.orders, counted, desk.streams.bounds)
    return counted


def caught_up(desk: Desk) -> ClientFollower:
    """A follower that was told everything, and has looked fully just now."""
    follower = desk.follow()
    desk.poll()
    drain(follower)
    return follower


def test_every_step_of_a_waiting_order_is_found_by_the_next_look(desk: Desk) -> None:
    follower = caught_up(desk)
    walk = desk.walk(waits=True)
    desk.poll()
    assert seqs(drain(follower), walk) == [1]
    walk.steps(A_TRIGGER)
    desk.poll()
    assert seqs(drain(follower), walk) == [2]
    walk.steps(CONFIRMED[0], A_REST)
    desk.poll()
    assert seqs(drain(follower), walk) == [3, 4]
    desk.cancel(walk)
    desk.poll()
    assert seqs(drain(follower), walk) == [5]


def test_a_look_finds_the_waiting_orders_that_have_changed_alone(
    desk: Desk, looks: Counted
) -> None:
    walks = [desk.walk(waits=True) for _ in range(500)]
    follower = caught_up(desk)
    while not is_caught_up(drain(follower)):
        desk.poll()
    del looks.found[:]
    for second in range(2 * EVERY_S):
        if second == EVERY_S // 2:
            walks[7].steps(A_TRIGGER)
        desk.poll()
    full = [found for found in looks.found if found > 1]
    assert full == [500, 500], "full looks"
    assert len(looks.found) == 2 * EVERY_S
    assert seqs(drain(follower), walks[7]) == [2]


def test_an_order_that_was_accepted_long_before_it_was_committed_is_found(desk: Desk) -> None:
    follower = caught_up(desk)
    for _ in range(60):
        desk.poll()
    walks: list[Walk] = []
    desk.late(50, lambda: walks.append(desk.walk(waits=True)))
    desk.poll()
    assert seqs(drain(follower), walks[0]) == [1]


def test_a_rest_that_is_committed_late_is_found_by_the_next_look(desk: Desk) -> None:
    walk = desk.walk(waits=True)
    walk.steps(A_TRIGGER, CONFIRMED[0])
    follower = caught_up(desk)
    for _ in range(20):
        desk.poll()
    desk.late(15, lambda: walk.steps(A_REST))
    desk.poll()
    assert seqs(drain(follower), walk) == [4]


def test_a_cancel_that_is_committed_late_is_told_and_no_cursor_passes_it_by(desk: Desk) -> None:
    walk, other = desk.walk(waits=True), desk.walk()
    follower = caught_up(desk)
    for _ in range(EVERY_S - 10):
        desk.poll()
    desk.late(15, lambda: desk.cancel(walk))
    other.steps(FAIL)
    told = drain(follower)
    for _ in range(EVERY_S + 1):
        desk.poll()
        new = drain(follower)
        if not seqs(told + new, walk):
            for cursor in cursors(new):
                assert cursor.at < walk.order.updated_at
        told += new
    assert seqs(told, walk) == [2]
    assert cursors(told)[-1].at > walk.order.updated_at


def test_a_cursor_is_as_old_as_a_step_may_be_while_an_order_waits_for_long(desk: Desk) -> None:
    desk.walk(waits=True)
    follower = caught_up(desk)
    desk.clock.advance(3 * LONGEST_COMMIT.total_seconds())
    desk.poll()
    desk.walk().steps(FAIL)
    desk.poll()
    assert cursors(drain(follower))[-1] == Cursor(desk.clock.moment - LONGEST_COMMIT)


def test_waiting_orders_count_among_those_that_can_be_followed() -> None:
    desk = Desk(orders=3)
    for _ in range(4):
        desk.walk(waits=True)
    assert desk.follow().overrun


def test_a_new_follower_of_a_client_is_told_all_that_waits(desk: Desk) -> None:
    walk = desk.walk(waits=True)
    old = caught_up(desk)
    for _ in range(5):
        desk.poll()
    new = desk.follow()
    desk.poll()
    told = drain(new)
    assert seqs(told, walk) == [1]
    assert is_caught_up(told)
    assert seqs(drain(old), walk) == []
