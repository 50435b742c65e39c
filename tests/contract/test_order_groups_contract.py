"""The contract of every implementation of the `Orders` port, for many orders at once."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from orderengine.domain.events import Moved
from orderengine.domain.moves import Fail, FailAttempt, Move, RoutingCause, StartRouting, Submit
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.ports import PlannedMove
from tests.builders import A_FAIL, TRANSACTION, a_build, a_confirm, a_failed_attempt
from tests.contract.conftest import Store

START = StartRouting(RoutingCause.ORDER)


def planned(orders: Sequence[Order], moves: Callable[[int], Move]) -> list[PlannedMove]:
    return [
        PlannedMove(order.order_id, order.version, moves(number))
        for number, order in enumerate(orders)
    ]


def moved_orders(moved: Sequence[Moved | None]) -> list[Order]:
    assert None not in moved
    return [each.order for each in moved if each is not None]


def all_moved(store: Store, orders: Sequence[Order], moves: Callable[[int], Move]) -> list[Order]:
    """Move all of them at once, each of which must succeed."""
    after = moved_orders(store.orders.move_all(planned(orders, moves)))
    assert [order.order_id for order in after] == [order.order_id for order in orders]
    return after


def test_the_straight_path_of_many_keeps_everything(store: Store) -> None:
    now = store.now()
    signed = [replace(TRANSACTION, signature=f"sig{n}", payload=b"\x00%d" % n) for n in range(5)]
    confirms = [replace(a_confirm(now), signature=each.signature) for each in signed]
    orders = [store.walk() for _ in range(5)]
    orders = all_moved(store, orders, lambda _: START)
    orders = all_moved(store, orders, lambda _: a_build(now))
    orders = all_moved(store, orders, lambda n: Submit(signed[n]))
    assert [order.transaction for order in orders] == signed
    orders = all_moved(store, orders, lambda n: confirms[n])
    for order, confirm in zip(orders, confirms, strict=True):
        assert (order.status, order.version) == (OrderStatus.CONFIRMED, 5)
        assert order.fill == confirm.fill
        assert store.orders.get(order.order_id) == order
        events = store.orders.events(order.order_id)
        assert [event.seq for event in events] == [1, 2, 3, 4, 5]
        assert events[-1].data == dict(confirm.data)


def test_the_events_of_many_are_those_that_are_stored(store: Store) -> None:
    orders = [store.walk() for _ in range(3)]
    for each in store.orders.move_all(planned(orders, lambda _: START)):
        assert each is not None
        assert store.orders.events(each.order.order_id, after=1) == [each.event]


def test_each_of_many_fails_for_its_own_reason(store: Store) -> None:
    orders = [store.walk(START) for _ in range(3)]
    again = [FailAttempt(a_failed_attempt().reason, f"failed {n} 'so'", n + 0.5) for n in range(3)]
    orders = all_moved(store, orders, lambda n: again[n])
    assert [order.failed_attempts[0].detail for order in orders] == [each.detail for each in again]
    assert {(order.attempt, order.status) for order in orders} == {(2, OrderStatus.PENDING)}
    last = [Fail(A_FAIL.reason, f'over {n} \\ "{{}}",') for n in range(3)]
    orders = all_moved(store, orders, lambda n: last[n])
    for order, failure in zip(orders, last, strict=True):
        assert order.failure is not None
        assert (order.failure.attempt, order.failure.detail) == (2, failure.detail)
        assert store.orders.get(order.order_id) == order


def test_what_was_signed_by_many_dies_with_their_attempts(store: Store) -> None:
    now = store.now()
    orders = [store.walk(START, a_build(now)) for _ in range(2)]
    for attempt in ("a", "b"):
        signed = [Submit(replace(TRANSACTION, signature=f"{attempt}{n}")) for n in range(2)]
        orders = all_moved(store, orders, signed.__getitem__)
        if attempt == "a":
            orders = all_moved(store, orders, lambda _: a_failed_attempt())
            orders = all_moved(store, orders, lambda _: StartRouting(RoutingCause.RETRY))
            orders = all_moved(store, orders, lambda _: a_build(now))
    late = [replace(a_confirm(now), signature=f"a{n}") for n in range(2)]
    assert store.orders.move_all(planned(orders, late.__getitem__)) == [None, None]
    right = [replace(a_confirm(now), signature=f"b{n}") for n in range(2)]
    assert None not in store.orders.move_all(planned(orders, right.__getitem__))


def test_a_superseded_one_in_the_middle_stays_as_it_is(store: Store) -> None:
    orders = [store.walk(START) for _ in range(3)]
    ahead = store.orders.move(orders[1].order_id, 2, a_build(store.now()))
    assert ahead is not None
    first, second, third = store.orders.move_all(planned(orders, lambda _: a_failed_attempt()))
    assert second is None
    assert store.orders.get(orders[1].order_id) == ahead.order
    assert len(store.orders.events(orders[1].order_id)) == 3
    assert [each and each.order.order_id for each in (first, third)] == [
        orders[0].order_id,
        orders[2].order_id,
    ]


def test_an_unknown_one_or_one_in_another_status_is_left_out(store: Store) -> None:
    right, pending = store.walk(START), store.walk()
    moves = [
        PlannedMove(uuid4(), 1, a_build(store.now())),
        PlannedMove(pending.order_id, 1, a_build(store.now())),
        PlannedMove(right.order_id, 2, a_build(store.now())),
    ]
    unknown, wrong, moved = store.orders.move_all(moves)
    assert (unknown, wrong) == (None, None)
    assert moved is not None
    assert moved.order.status is OrderStatus.BUILDING
    assert store.orders.get(pending.order_id) == pending


def test_only_the_expired_quote_is_not_built(store: Store) -> None:
    now = store.now()
    orders = [store.walk(START) for _ in range(3)]
    builds = [a_build(now), a_build(now - timedelta(minutes=5), valid_s=1), a_build(now)]
    moved = store.orders.move_all(planned(orders, builds.__getitem__))
    assert [each is None for each in moved] == [False, True, False]
    assert store.orders.get(orders[1].order_id) == orders[1]


def test_moves_of_several_kinds_are_refused(store: Store) -> None:
    pending, routing = store.walk(), store.walk(START)
    moves = [
        PlannedMove(pending.order_id, 1, START),
        PlannedMove(routing.order_id, 2, StartRouting(RoutingCause.RECOVERY)),
    ]
    with pytest.raises(ValueError, match="several kinds"):
        store.orders.move_all(moves)
    assert store.orders.get(pending.order_id) == pending


def test_two_moves_of_one_order_are_refused(store: Store) -> None:
    order = store.walk()
    with pytest.raises(ValueError, match="two moves of one order"):
        store.orders.move_all([PlannedMove(order.order_id, 1, START)] * 2)
    assert store.orders.get(order.order_id) == order


def test_no_move_needs_no_order(store: Store) -> None:
    assert store.orders.move_all([]) == []


def claimed(store: Store, order: Order, others: int) -> list[Order]:
    moved = store.orders.claim_pending(order.order_id, order.version, others)
    for each in moved:
        assert each.event.data == {"cause": "order"}
        assert (each.order.status, each.order.version) == (OrderStatus.ROUTING, 2)
        assert store.orders.get(each.order.order_id) == each.order
    return [each.order for each in moved]


def test_a_claim_takes_its_own_order_and_the_oldest_others(store: Store) -> None:
    orders = []
    for _ in range(5):
        orders.append(store.walk())
        store.pass_time(0.01)
    ids = [order.order_id for order in orders]
    taken = claimed(store, orders[3], others=2)
    assert [order.order_id for order in taken] == [ids[3], ids[0], ids[1]]
    taken = claimed(store, orders[4], others=5)
    assert [order.order_id for order in taken] == [ids[4], ids[2]]


def test_a_claim_may_be_of_one_order_only(store: Store) -> None:
    first, second = store.walk(), store.walk()
    assert [order.order_id for order in claimed(store, second, 0)] == [second.order_id]
    assert store.orders.get(first.order_id) == first


def test_a_claim_leaves_orders_that_are_not_new(store: Store) -> None:
    retried = store.walk(START, a_failed_attempt(backoff_s=0))
    recovered, routing, new = store.walk(), store.walk(START), store.walk()
    assert store.orders.count_recovery(recovered.order_id, 1)
    assert [order.order_id for order in claimed(store, new, 10)] == [new.order_id]
    assert store.orders.get(retried.order_id) == retried
    assert store.orders.get(routing.order_id) == routing
    taken = claimed(store, recovered, 10)
    assert [order.recoveries for order in taken] == [1]


def test_a_claim_whose_order_has_moved_takes_others(store: Store) -> None:
    gone, new = store.walk(START), store.walk()
    moved = store.orders.claim_pending(gone.order_id, 1, 10)
    assert [each.order.order_id for each in moved] == [new.order_id]
    assert store.orders.claim_pending(gone.order_id, 1, 10) == []
    assert store.orders.claim_pending(uuid4(), 1, 10) == []
    assert store.orders.get(gone.order_id) == gone
