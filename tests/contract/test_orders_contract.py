"""The contract of every implementation of the `Orders` port: in memory and on PostgreSQL."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from harness.waiting import wait_until
from orderengine.domain.errors import FailureReason
from orderengine.domain.events import OrderEvent
from orderengine.domain.moves import (
    EndCanceled,
    EndExpired,
    Move,
    RoutingCause,
    StartRouting,
    Submit,
)
from orderengine.domain.order import SOURCES, FailedAttempt, OrderStatus
from orderengine.domain.side import Side
from orderengine.domain.terms import TimeInForce
from tests.builders import (
    A_FAIL,
    A_REST,
    NOT_FILLED,
    TRANSACTION,
    a_build,
    a_confirm,
    a_failed_attempt,
    a_fill,
    a_limit,
    a_live_fill,
    a_split,
    all_moves,
)
from tests.conftest import a_new_order
from tests.contract.conftest import Store

START = StartRouting(RoutingCause.ORDER)


def test_a_split_is_kept_with_all_its_terms_and_legs(store: Store) -> None:
    worst = Decimal("0.123456789012345678901234567")
    new = replace(a_new_order(), worst_price=worst, max_legs=2)
    kept = store.orders.accept(new).order
    assert (kept.worst_price, kept.max_legs) == (worst, 2)
    build = a_split(store.now())
    order = store.walk(START, build)
    assert order.route == build.route
    assert store.orders.get(order.order_id) == order


def test_an_accepted_order_is_pending_at_version_one_with_its_event(store: Store) -> None:
    request = replace(a_new_order(), request_id="r")
    moved = store.orders.accept(request)
    order, event = moved.order, moved.event
    assert (order.status, order.version, order.attempt) == (OrderStatus.PENDING, 1, 1)
    assert (order.quantity, order.side, order.symbol) == (Decimal(10), Side.BUY, "AAPL")
    assert (order.created_at.tzinfo, order.request_id) == (UTC, "r")
    assert event == OrderEvent(
        order.order_id, 1, OrderStatus.PENDING, 1, order.created_at, dict(request.data)
    )
    assert store.orders.get(order.order_id) == order
    assert store.orders.events(order.order_id) == [event]


def test_the_straight_path_keeps_everything(store: Store) -> None:
    build, confirm = a_build(store.now()), a_confirm(store.now())
    order = store.walk(START, build, Submit(TRANSACTION), confirm)
    assert order.status is OrderStatus.CONFIRMED
    assert order.route == build.route
    assert order.limit_amount == build.limit_amount
    assert order.transaction == TRANSACTION
    assert order.fill == confirm.fill
    assert store.orders.get(order.order_id) == order
    events = store.orders.events(order.order_id)
    assert [event.seq for event in events] == [1, 2, 3, 4, 5]
    assert [event.status.value for event in events] == [
        "pending",
        "routing",
        "building",
        "submitted",
        "confirmed",
    ]
    assert events[-1].data == dict(confirm.data)


def test_a_sell_keeps_its_limit(store: Store) -> None:
    order = store.walk(START, a_build(store.now(), Side.SELL), side=Side.SELL)
    assert order.limit_amount == 2_277_000_000


@pytest.mark.parametrize("version", [0, 1, 3, 99])
def test_a_move_at_another_version_changes_nothing(store: Store, version: int) -> None:
    order = store.walk(START)
    recover = StartRouting(RoutingCause.RECOVERY)
    assert store.orders.move(order.order_id, version, recover) is None
    assert store.orders.get(order.order_id) == order
    assert len(store.orders.events(order.order_id)) == 2


def test_a_move_of_an_unknown_order_changes_nothing(store: Store) -> None:
    assert store.orders.move(uuid4(), 1, START) is None


def test_only_the_table_of_transitions_lets_an_order_move(store: Store) -> None:
    now = store.now()
    paths: dict[OrderStatus, tuple[Move, ...]] = {
        OrderStatus.PENDING: (),
        OrderStatus.ROUTING: (START,),
        OrderStatus.BUILDING: (START, a_build(now)),
        OrderStatus.SUBMITTED: (START, a_build(now), Submit(TRANSACTION)),
        OrderStatus.CONFIRMED: (START, a_build(now), Submit(TRANSACTION), a_confirm(now)),
        OrderStatus.FAILED: (A_FAIL,),
        OrderStatus.WAITING: (START, A_REST),
        OrderStatus.EXPIRED: (START, NOT_FILLED),
    }
    for status, path in paths.items():
        for number, move in enumerate(all_moves(now)):
            if isinstance(move, EndCanceled | EndExpired):
                continue  # they need more than the status
            signed = replace(TRANSACTION, signature=f"{status}{number}")
            walked = [Submit(signed) if isinstance(step, Submit) else step for step in path]
            walked = [
                replace(step, signature=signed.signature) if step == a_confirm(now) else step
                for step in walked
            ]
            tried = move
            if move == a_confirm(now):
                tried = replace(a_confirm(now), signature=signed.signature)
            if isinstance(move, Submit):
                tried = Submit(replace(TRANSACTION, signature=f"second{status}{number}"))
            order = store.walk(*walked, new=a_limit(time_in_force=TimeInForce.IOC))
            moved = store.orders.move(order.order_id, order.version, tried)
            assert (moved is not None) == (status in SOURCES[move.kind]), (status, move)


def test_a_failed_attempt_starts_the_next_one_and_is_remembered(store: Store) -> None:
    failed = a_failed_attempt()
    order = store.walk(START, failed)
    assert (order.status, order.attempt, order.recoveries) == (OrderStatus.PENDING, 2, 0)
    assert order.failed_attempts == (FailedAttempt(1, failed.reason, failed.detail),)
    assert order.failure is None
    event = store.orders.events(order.order_id)[-1]
    assert (event.attempt, event.data) == (2, dict(failed.data))


def test_a_failed_order_tells_why(store: Store) -> None:
    order = store.walk(START, A_FAIL)
    assert order.failure == FailedAttempt(1, A_FAIL.reason, A_FAIL.detail)
    assert store.orders.get(order.order_id) == order


def test_a_new_attempt_may_sign_again_after_the_last_signature_died(store: Store) -> None:
    second = replace(TRANSACTION, signature="6sig")
    build = a_build(store.now())
    retry = StartRouting(RoutingCause.RETRY)
    first = (START, build, Submit(TRANSACTION), a_failed_attempt())
    order = store.walk(*first, retry, build, Submit(second))
    assert order.transaction == second
    confirm = replace(a_confirm(store.now()), signature="6sig")
    moved = store.orders.move(order.order_id, order.version, confirm)
    assert moved is not None
    assert moved.order.status is OrderStatus.CONFIRMED


def test_recoveries_are_counted_and_reset_by_a_new_attempt(store: Store) -> None:
    recover = StartRouting(RoutingCause.RECOVERY)
    expired = StartRouting(RoutingCause.QUOTE_EXPIRED)
    assert store.walk(START, recover, recover, expired).recoveries == 3
    assert store.walk(START, recover, a_failed_attempt()).recoveries == 0


def test_an_expired_quote_is_not_built(store: Store) -> None:
    order = store.walk(START)
    late = a_build(store.now() - timedelta(minutes=5), valid_s=1)
    assert store.orders.move(order.order_id, order.version, late) is None
    assert store.orders.get(order.order_id) == order


def test_events_can_be_read_from_any_point(store: Store) -> None:
    order = store.walk(START, A_FAIL)
    assert [event.seq for event in store.orders.events(order.order_id, after=1)] == [2, 3]
    assert store.orders.events(order.order_id, after=3) == []
    assert store.orders.events(uuid4()) == []


def test_events_of_many_orders_are_read_at_once(store: Store) -> None:
    first, second, third = store.walk(START), store.walk(START, A_FAIL), store.walk()
    seen = {first.order_id: 0, second.order_id: 2, third.order_id: 1}
    found = [(event.order_id, event.seq) for event in store.orders.events_after(seen)]
    assert sorted(found) == sorted([(first.order_id, 1), (first.order_id, 2), (second.order_id, 3)])
    assert store.orders.events_after({}) == []


def test_the_steps_of_many_orders_are_read_without_their_data(store: Store) -> None:
    first, second, _ = store.walk(START), store.walk(START, A_FAIL), store.walk()
    wanted = [first.order_id, second.order_id]
    found: dict[UUID, list[tuple[OrderStatus, datetime]]] = {each: [] for each in wanted}
    for step in store.orders.steps_of(wanted):
        found[step.order_id].append((step.status, step.occurred_at))
    assert found == {
        order_id: [(event.status, event.occurred_at) for event in store.orders.events(order_id)]
        for order_id in wanted
    }
    assert store.orders.steps_of([]) == []


def test_the_mark_changes_with_each_step_and_not_by_reading(store: Store) -> None:
    marks = [store.orders.mark()]
    order = store.walk()
    marks.append(store.orders.mark())
    assert store.orders.move(order.order_id, order.version, START) is not None
    marks.append(store.orders.mark())
    assert len(set(marks)) == 3

    def stays_the_same() -> bool:
        before = store.orders.mark()
        store.orders.get(order.order_id)
        return store.orders.mark() == before

    wait_until(stays_the_same)  # other tests commit on the same server meanwhile


def test_a_fill_survives_storage_to_the_last_digit(store: Store) -> None:
    now = store.now()
    order = store.walk(START, a_build(now), Submit(TRANSACTION), a_confirm(now))
    stored = store.orders.get(order.order_id)
    assert stored is not None
    assert stored.fill == a_fill(now)


def test_a_transaction_keeps_the_network_the_wallet_and_the_slot_it_was_signed_for(
    store: Store,
) -> None:
    signed = replace(TRANSACTION, network="solana:genesis", wallet="wallet", slot=2**40)
    at = store.now()
    order = store.walk(START, a_build(at), Submit(signed))
    assert order.transaction == signed
    read = store.orders.get(order.order_id)
    assert read is not None
    assert read.transaction == signed


def test_a_fill_keeps_what_the_network_asked_for(store: Store) -> None:
    at = store.now()
    confirm = replace(a_confirm(at), fill=a_live_fill(at))
    order = store.walk(START, a_build(at), Submit(TRANSACTION), confirm)
    assert order.fill == confirm.fill
    read = store.orders.get(order.order_id)
    assert read is not None
    assert read.fill == confirm.fill


def test_a_submitted_order_says_that_the_network_cannot_tell_until_it_does(store: Store) -> None:
    at = store.now()
    waiting = store.walk()
    order = store.walk(START, a_build(at), Submit(TRANSACTION))
    store.orders.hold([order.order_id, waiting.order_id], FailureReason.HISTORY_MISSING)
    held, untouched = (store.orders.get(each.order_id) for each in (order, waiting))
    assert held == replace(order, held_because=FailureReason.HISTORY_MISSING)
    assert untouched == waiting
    moved = store.orders.move(order.order_id, order.version, a_confirm(at))
    assert moved is not None
    assert moved.order.held_because is None
