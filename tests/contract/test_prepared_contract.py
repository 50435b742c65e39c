"""The contract of the store for orders that start prepared: three moves in one statement, or none.

Each race is driven in both orders of its events.
"""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from orderengine.domain.events import Moved
from orderengine.domain.moves import Amend, Move, RoutingCause, StartRouting, Submit
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.ports import PreparedStart
from tests.builders import A_TRIGGER, TRANSACTION, a_build, a_sniper
from tests.contract.conftest import Store
from tests.fakes import START

STEPS = [OrderStatus.PENDING, OrderStatus.ROUTING, OrderStatus.BUILDING]


def a_waiting(store: Store, **terms: Any) -> Order:
    ends_at = store.now() + timedelta(hours=1)
    return store.walk(new=replace(a_sniper(), **{"expires_at": ends_at, **terms}))


def prepared(store: Store, order: Order, **changed: Any) -> PreparedStart:
    start = PreparedStart(order.order_id, order.version, A_TRIGGER, a_build(store.now()))
    return replace(start, **changed)


def started(store: Store, *wanted: PreparedStart) -> list[list[Moved]]:
    found = store.orders.start_prepared(wanted)
    assert len(found) == len(wanted)
    return [list(steps) for steps in found]


def statuses(store: Store, order: Order) -> list[OrderStatus]:
    events = store.orders.events(order.order_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [event.status for event in events]


def test_the_three_steps_are_those_of_three_moves(store: Store) -> None:
    order, other = a_waiting(store), a_waiting(store)
    wanted = prepared(store, order)
    (steps,) = started(store, wanted)
    moves: tuple[Move, ...] = wanted.moves
    singly = [store.orders.move(other.order_id, n, m) for n, m in enumerate(moves, start=1)]
    assert [each.event for each in steps] == store.orders.events(order.order_id, after=1)
    assert store.orders.get(order.order_id) == steps[-1].order
    assert [each.order.status for each in steps] == STEPS
    for step, alone in zip(steps, singly, strict=True):
        assert alone is not None
        assert same(step.order) == same(replace(alone.order, order_id=order.order_id))
        assert (step.event.seq, step.event.status) == (alone.event.seq, alone.event.status)
        assert (step.event.data, step.event.attempt) == (alone.event.data, alone.event.attempt)
    assert {each.event.occurred_at for each in steps} == {steps[-1].order.updated_at}


def same(order: Order) -> Order:
    """The order without its times."""
    return replace(order, created_at=START, updated_at=START, expires_at=START)


def test_many_start_in_one_call_and_each_has_its_own_steps(store: Store) -> None:
    orders = [a_waiting(store) for _ in range(5)]
    limits = [2_323_000_000 - n for n in range(5)]
    wanted = [
        prepared(store, order, build=replace(a_build(store.now()), limit_amount=limit))
        for order, limit in zip(orders, limits, strict=True)
    ]
    found = started(store, *wanted)
    assert [[step.order.order_id for step in steps] for steps in found] == [
        [order.order_id] * 3 for order in orders
    ]
    assert [steps[-1].order.limit_amount for steps in found] == limits


def test_none_start_without_a_statement(store: Store) -> None:
    assert started(store) == []


def test_what_came_first_stops_it_and_leaves_the_others(store: Store) -> None:
    canceled, amended, moved, right = (a_waiting(store) for _ in range(4))
    wanted = [prepared(store, each) for each in (canceled, amended, moved, right)]
    assert store.orders.cancel(canceled.client_id, canceled.order_id) is not None
    new = replace(amended, worst_price=Decimal(250))
    assert store.orders.move(amended.order_id, 1, Amend.to(new)) is not None
    assert store.orders.move(moved.order_id, 1, A_TRIGGER) is not None
    found = started(store, *wanted)
    assert [len(steps) for steps in found] == [0, 0, 0, 3]
    assert statuses(store, canceled) == ["waiting", "canceled"]
    assert statuses(store, amended) == ["waiting", "waiting"]
    assert statuses(store, moved) == ["waiting", "pending"]


def test_nothing_starts_that_has_expired_or_whose_quotes_have(store: Store) -> None:
    expired = a_waiting(store, expires_at=store.now() + timedelta(seconds=5))
    late = a_waiting(store)
    store.pass_time(6)
    old = a_build(store.now() - timedelta(minutes=5), valid_s=1)
    found = started(store, prepared(store, expired), prepared(store, late, build=old))
    assert found == [[], []]
    assert statuses(store, late) == statuses(store, expired) == ["waiting"]


def test_it_starts_once(store: Store) -> None:
    order = a_waiting(store)
    wanted = prepared(store, order)
    first, second = started(store, wanted)[0], started(store, wanted)[0]
    assert (len(first), len(second)) == (3, 0)


@pytest.mark.parametrize("is_recovered", [False, True])
def test_what_comes_afterwards_finds_an_order_that_is_built(
    store: Store, *, is_recovered: bool
) -> None:
    """A cancel ends it, recovery routes it anew; the message to sign it is late for both."""
    order = a_waiting(store)
    started(store, prepared(store, order))
    if is_recovered:
        store.pass_time(5.1)
        (due,) = store.orders.claim_due(10)
        assert (due.order_id, due.status, due.recoveries) == (order.order_id, "building", 0)
        again = StartRouting(RoutingCause.RECOVERY)
        assert store.orders.move(order.order_id, 4, again) is not None
    else:
        moved = store.orders.cancel(order.client_id, order.order_id)
        assert moved is not None
        assert moved.order.status is OrderStatus.CANCELED
    assert store.orders.move(order.order_id, 4, Submit(TRANSACTION)) is None


def test_it_is_signed_once(store: Store) -> None:
    order = a_waiting(store)
    started(store, prepared(store, order))
    moved = store.orders.move(order.order_id, 4, Submit(TRANSACTION))
    assert moved is not None
    assert moved.order.first_attempt == moved.order.attempt == 1
    assert store.orders.move(order.order_id, 4, Submit(TRANSACTION)) is None
    assert statuses(store, order) == ["waiting", *STEPS, "submitted"]
