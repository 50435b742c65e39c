"""The contract of the store for orders that wait, are canceled, amended, or expire.

Each race is driven in both orders of its events.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from orderengine.domain.events import Moved
from orderengine.domain.moves import (
    Amend,
    EndCanceled,
    EndExpired,
    Move,
    RoutingCause,
    StartRouting,
    Submit,
)
from orderengine.domain.order import NewOrder, Order, OrderStatus
from orderengine.domain.terms import OrderType, TimeInForce, TriggerOn
from orderengine.execution.ports import PlannedMove
from tests.builders import (
    A_FAIL,
    A_REST,
    A_TRIGGER,
    NOT_FILLED,
    TRANSACTION,
    a_build,
    a_confirm,
    a_failed_attempt,
    a_limit,
)
from tests.contract.conftest import Store

START = StartRouting(RoutingCause.ORDER)
NOBODY = UUID(int=0)
SIGNATURE = TRANSACTION.signature
DEAD = "the transaction is dead"
NOT_SIGNED = ("waiting", "pending", "routing", "building")


def way_to(store: Store, status: str) -> list[Move]:
    way: list[Move] = [A_TRIGGER, START, a_build(store.now()), Submit(TRANSACTION)]
    return way[: [*NOT_SIGNED, "submitted"].index(status)]


def at(store: Store, status: str, **terms: Any) -> Order:
    """A limit order in this status."""
    order = store.walk(*way_to(store, status), new=a_limit(**terms))
    assert order.status.value == status
    return order


def until(store: Store, seconds: float = 60.0) -> dict[str, Any]:
    """The terms of an order that ends after so long."""
    expires_at = store.now() + timedelta(seconds=seconds)
    return {"time_in_force": TimeInForce.GTD, "expires_at": expires_at}


def cancel(store: Store, order: Order) -> Moved | None:
    return store.orders.cancel(order.client_id, order.order_id)


def told(store: Store, move: Move, order: Order) -> Moved | None:
    """Make a move on the network's word about the order's transaction, whatever its version."""
    (moved,) = store.orders.move_all([PlannedMove(order.order_id, 0, move, SIGNATURE)])
    return moved


def statuses(store: Store, order: Order) -> list[str]:
    events = store.orders.events(order.order_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    return [event.status.value for event in events]


@pytest.mark.parametrize(
    "terms",
    [
        {},
        {"slippage_tolerance_bps": 50, "limit_price": Decimal("0.000000000000000000000000012")},
        {
            "type": OrderType.STOP,
            "limit_price": None,
            "stop_price": Decimal(210),
            "slippage_tolerance_bps": 100,
        },
        {
            "type": OrderType.SNIPER,
            "limit_price": None,
            "worst_price": Decimal(300),
            "trigger_on": TriggerOn.LIQUIDITY_ADDED,
            "min_liquidity": Decimal("2500.5"),
            "base_decimals": 6,
        },
    ],
)
def test_an_order_that_waits_is_kept_with_its_terms(store: Store, terms: dict[str, Any]) -> None:
    new = a_limit(**terms, **(until(store) if terms.get("trigger_on") else {}))
    moved = store.orders.accept(new)
    assert (moved.order.status, moved.order.version) == (OrderStatus.WAITING, 1)
    assert (moved.event.status, moved.event.data) == (OrderStatus.WAITING, dict(new.data))
    stored = store.orders.get(new.order_id)
    assert stored == moved.order
    assert {name: getattr(stored, name) for name in terms} == terms


def test_an_order_with_one_try_begins_at_once(store: Store) -> None:
    moved = store.orders.accept(a_limit(time_in_force=TimeInForce.IOC))
    assert moved.order.status is OrderStatus.PENDING


def test_recovery_and_the_count_of_open_orders_leave_waiting_orders_alone(store: Store) -> None:
    at(store, "waiting")
    store.pass_time(1_000_000)
    assert store.orders.claim_due(10) == []
    assert store.orders.count_open("local", 10) == 0
    assert store.orders.count_waiting("local", 10) == 1
    assert store.orders.count_waiting("local", 0) == store.orders.count_waiting("bob", 9) == 0
    at(store, "pending")
    assert store.orders.count_open("local", 10) == store.orders.count_waiting("local", 10) == 1


def test_a_claim_takes_new_orders_along_and_then_the_oldest_that_a_trigger_has_started(
    store: Store,
) -> None:
    waiting = at(store, "waiting")
    late = store.walk(new=a_limit())
    first = at(store, "pending")
    store.pass_time(1)
    second = at(store, "pending")
    store.pass_time(1)
    moved = store.orders.move(late.order_id, 1, A_TRIGGER)  # the oldest, but the last to start
    assert moved is not None
    new, own = store.walk(), store.walk()
    assert claimed(store, own, 3) == {new.order_id, first.order_id, second.order_id}
    assert claimed(store, store.walk(), 3) == {late.order_id}
    assert store.orders.get(waiting.order_id) == waiting


def claimed(store: Store, order: Order, others: int) -> set[UUID]:
    """Claim an order; returns the ids of all that it has taken along."""
    found = store.orders.claim_pending(order.order_id, order.version, others)
    assert found[0].order.order_id == order.order_id
    for each in found:
        assert each.event.data == {"cause": "order"}
        assert (each.order.status, each.order.recoveries) == (OrderStatus.ROUTING, 0)
        assert store.orders.get(each.order.order_id) == each.order
        assert statuses(store, each.order)[-2:] == ["pending", "routing"]
    return {each.order.order_id for each in found[1:]}


def test_a_claim_of_a_triggered_order_takes_others_along(store: Store) -> None:
    first, second, new = at(store, "pending"), at(store, "pending"), store.walk()
    assert claimed(store, second, 5) == {new.order_id, first.order_id}
    assert store.orders.claim_pending(second.order_id, second.version, 5) == []


@pytest.mark.parametrize("times", [1, 2])
def test_a_claim_leaves_what_was_triggered_and_then_recovered_or_failed(
    store: Store, times: int
) -> None:
    """Whatever came before the latest trigger, the first attempt since then is a first one."""
    before: list[Move] = [A_TRIGGER, START, A_REST] * (times - 1)
    recovered = store.walk(*before, A_TRIGGER, new=a_limit())
    failed = store.walk(*before, A_TRIGGER, START, a_failed_attempt(0), new=a_limit())
    right = store.walk(*before, A_TRIGGER, new=a_limit())
    assert store.orders.count_recovery(recovered.order_id, recovered.version)
    assert claimed(store, store.walk(), 5) == {right.order_id}
    assert store.orders.get(failed.order_id) == failed
    again = store.orders.claim_pending(recovered.order_id, recovered.version, 5)
    assert [each.order.recoveries for each in again] == [1]


def test_a_triggered_order_begins_with_a_new_budget(store: Store) -> None:
    rest: list[Move] = [A_TRIGGER, START, StartRouting(RoutingCause.RECOVERY), a_failed_attempt()]
    again: list[Move] = [StartRouting(RoutingCause.RETRY), A_REST]
    order = store.walk(*rest, *again, new=a_limit())
    assert (order.attempt, order.first_attempt, order.times_rested) == (3, 1, 1)
    assert order.failed_attempts == ()
    moved = store.orders.move(order.order_id, order.version, A_TRIGGER)
    assert moved is not None
    assert (moved.order.attempt, moved.order.first_attempt) == (3, 3)
    assert moved.order.recoveries == 0
    assert moved.event.data == dict(A_TRIGGER.data)
    store.pass_time(10.1)
    assert [each.order_id for each in store.orders.claim_due(10)] == [order.order_id]


@pytest.mark.parametrize("status", ["routing", "building", "submitted"])
def test_a_rest_is_no_end(store: Store, status: str) -> None:
    order = at(store, status)
    paid = replace(A_REST, paid=status == "submitted")
    (moved,) = store.orders.move_all([PlannedMove(order.order_id, order.version, paid, SIGNATURE)])
    assert moved is not None
    assert (moved.order.status, moved.order.attempt) == (OrderStatus.WAITING, 2)
    assert (moved.order.times_rested, moved.order.paid_rests) == (1, int(paid.paid))
    assert moved.event.data == {"reason": "PRICE_LIMIT", "detail": A_REST.detail}
    store.pass_time(1_000)
    assert store.orders.claim_due(10) == []
    assert cancel(store, order) is not None, "its dead transaction does not keep it"


@pytest.mark.parametrize("status", NOT_SIGNED)
def test_an_order_that_is_not_signed_is_canceled_at_once(store: Store, status: str) -> None:
    order = at(store, status)
    moved = cancel(store, order)
    assert moved is not None
    assert (moved.order.status, moved.event.status) == (OrderStatus.CANCELED, OrderStatus.CANCELED)
    assert (moved.event.data, moved.order.failure) == ({}, None)
    assert moved.order.cancel_requested_at is not None
    assert store.orders.get(order.order_id) == moved.order
    assert statuses(store, order)[-1] == "canceled"
    store.pass_time(1_000)
    assert store.orders.claim_due(10) == []
    assert cancel(store, order) is None, "a repeat changes nothing"
    assert store.orders.get(order.order_id) == moved.order


def test_only_the_client_of_an_order_cancels_it(store: Store) -> None:
    order = at(store, "waiting")
    assert store.orders.cancel("another", order.order_id) is None
    assert store.orders.cancel("local", NOBODY) is None
    assert store.orders.get(order.order_id) == order


def test_a_submitted_order_is_asked_once_and_stays_in_recovery(store: Store) -> None:
    order = at(store, "submitted")
    moved = cancel(store, order)
    assert moved is not None
    assert (moved.order.status, moved.order.version) == (OrderStatus.SUBMITTED, order.version + 1)
    assert moved.event.data == {"cancelRequested": True}
    assert moved.order.transaction == TRANSACTION
    assert cancel(store, order) is None
    store.pass_time(15.1)
    assert store.orders.claim_due(10) == [moved.order]


@pytest.mark.parametrize("status", NOT_SIGNED)
def test_cancel_then_whatever_comes_next(store: Store, status: str) -> None:
    """Cancel and trigger, cancel and submit: the move that comes late changes nothing."""
    order = at(store, status)
    late: list[Move] = [A_TRIGGER, START, a_build(store.now()), Submit(TRANSACTION)]
    cancel(store, order)
    for move in (*late, a_failed_attempt(), A_FAIL, A_REST, NOT_FILLED, Amend.to(order)):
        assert store.orders.move(order.order_id, order.version, move) is None
    assert statuses(store, order)[-1] == "canceled"


def test_trigger_then_cancel(store: Store) -> None:
    order = at(store, "pending")
    assert cancel(store, order) is not None
    assert statuses(store, order) == ["waiting", "pending", "canceled"]


def test_submit_then_cancel_then_the_network(store: Store) -> None:
    order = at(store, "submitted")
    asked = cancel(store, order)
    assert asked is not None
    for move in (a_failed_attempt(), A_FAIL, A_REST, NOT_FILLED, EndExpired(DEAD)):
        assert told(store, move, order) is None, "only the network ends it"
    moved = told(store, EndCanceled(DEAD), order)
    assert moved is not None
    assert (moved.order.status, moved.order.failure) == (OrderStatus.CANCELED, None)
    assert moved.event.data == {"detail": DEAD}
    assert told(store, EndCanceled(DEAD), order) is None
    assert cancel(store, order) is None


def test_cancel_then_confirm_tells_that_it_was_too_late(store: Store) -> None:
    order = at(store, "submitted")
    cancel(store, order)
    confirm = a_confirm(store.now())
    moved = store.orders.move(order.order_id, order.version, confirm)
    assert moved is not None, "the request has raised the version, and the signature counts"
    assert moved.order.status is OrderStatus.CONFIRMED
    assert moved.event.data == {**confirm.data, "cancelTooLate": True}
    assert store.orders.events(order.order_id)[-1] == moved.event


def test_confirm_then_cancel(store: Store) -> None:
    order = at(store, "submitted")
    moved = store.orders.move(order.order_id, order.version, a_confirm(store.now()))
    assert moved is not None
    assert "cancelTooLate" not in moved.event.data
    assert cancel(store, order) is None
    assert store.orders.get(order.order_id) == moved.order


def test_the_word_on_another_transaction_moves_nothing(store: Store) -> None:
    order = at(store, "submitted")
    cancel(store, order)
    for move in (EndCanceled(DEAD), a_failed_attempt()):
        (moved,) = store.orders.move_all([PlannedMove(order.order_id, 0, move, "another")])
        assert moved is None


def test_without_a_request_no_order_ends_canceled(store: Store) -> None:
    order = at(store, "submitted")
    assert told(store, EndCanceled(DEAD), order) is None
    assert told(store, EndExpired(DEAD), order) is None
    assert told(store, a_failed_attempt(), order) is not None


@pytest.mark.parametrize("status", NOT_SIGNED)
def test_orders_whose_time_has_passed_end(store: Store, status: str) -> None:
    order = at(store, status, **until(store))
    other = at(store, "waiting")
    assert store.orders.expire_due(10) == []
    store.pass_time(61)
    (moved,) = store.orders.expire_due(10)
    assert (moved.order.order_id, moved.event.data) == (order.order_id, {})
    assert (moved.order.status, moved.order.failure) == (OrderStatus.EXPIRED, None)
    assert statuses(store, order)[-1] == "expired"
    assert store.orders.expire_due(10) == []
    assert store.orders.get(other.order_id) == other
    assert cancel(store, order) is None


def test_so_many_expire_at_most(store: Store) -> None:
    for _ in range(3):
        at(store, "waiting", **until(store))
    store.pass_time(61)
    assert [len(store.orders.expire_due(2)) for _ in range(3)] == [2, 1, 0]


@pytest.mark.parametrize(
    ("status", "late"),
    [("waiting", A_TRIGGER), ("building", Submit(TRANSACTION)), ("waiting", None)],
    ids=["trigger", "submit", "amend"],
)
def test_time_passes_then_nothing_starts(store: Store, status: str, late: Move | None) -> None:
    """Also before the sweep has come: the statement itself looks at the clock."""
    order = at(store, status, **until(store))
    move = late or Amend.to(replace(order, **until(store, 600)))
    store.pass_time(61)
    assert store.orders.move(order.order_id, order.version, move) is None
    assert len(store.orders.expire_due(10)) == 1
    assert store.orders.move(order.order_id, order.version, move) is None
    assert statuses(store, order)[-1] == "expired"


def test_trigger_then_time_passes(store: Store) -> None:
    order = at(store, "pending", **until(store))
    store.pass_time(61)
    assert len(store.orders.expire_due(10)) == 1
    assert store.orders.move(order.order_id, order.version, START) is None


def test_a_submitted_order_expires_on_the_networks_word_alone(store: Store) -> None:
    order = at(store, "submitted", **until(store))
    assert told(store, EndExpired(DEAD), order) is None, "its time has not passed"
    store.pass_time(61)
    assert store.orders.expire_due(10) == []
    for move in (a_failed_attempt(), A_FAIL, A_REST, NOT_FILLED):
        assert told(store, move, order) is None
    moved = told(store, EndExpired(DEAD), order)
    assert moved is not None
    assert (moved.order.status, moved.event.data) == (OrderStatus.EXPIRED, {"detail": DEAD})


def test_a_swap_that_was_sent_in_time_may_land_late(store: Store) -> None:
    order = at(store, "submitted", **until(store))
    store.pass_time(61)
    moved = store.orders.move(order.order_id, order.version, a_confirm(store.now()))
    assert moved is not None
    assert moved.order.status is OrderStatus.CONFIRMED


def test_a_request_beats_an_expiry(store: Store) -> None:
    order = at(store, "submitted", **until(store))
    store.pass_time(61)
    assert cancel(store, order) is not None
    assert told(store, EndExpired(DEAD), order) is None
    moved = told(store, EndCanceled(DEAD), order)
    assert moved is not None
    assert moved.order.status is OrderStatus.CANCELED


@pytest.mark.parametrize("status", ["routing", "building", "submitted"])
def test_an_order_with_one_try_that_was_not_filled_expires_and_tells_why(
    store: Store, status: str
) -> None:
    order = store.walk(*way_to(store, status)[1:], new=a_limit(time_in_force=TimeInForce.IOC))
    moved = store.orders.move(order.order_id, order.version, NOT_FILLED)
    assert moved is not None
    assert moved.order.status is OrderStatus.EXPIRED
    assert moved.order.failure is not None
    assert (moved.order.failure.reason, moved.order.failure.detail) == (
        "NOT_FILLED",
        NOT_FILLED.detail,
    )
    assert moved.event.data == {
        "because": "NO_QUOTE",
        "detail": NOT_FILLED.detail,
        "reason": "NOT_FILLED",
    }
    assert store.orders.get(order.order_id) == moved.order


def test_an_amended_order_waits_with_its_new_terms(store: Store) -> None:
    order = at(store, "waiting")
    wanted = replace(
        order,
        quantity=Decimal("2.5"),
        limit_price=Decimal(199),
        slippage_tolerance_bps=10,
        **until(store),
    )
    moved = store.orders.move(order.order_id, 1, Amend.to(wanted))
    assert moved is not None
    assert moved.order == replace(wanted, version=2, updated_at=moved.order.updated_at)
    assert moved.event.data["limitPrice"] == "199"
    assert moved.event.data["quantity"] == "2.5"
    assert store.orders.get(order.order_id) == moved.order
    store.pass_time(61)
    assert len(store.orders.expire_due(10)) == 1, "the new time counts"


def test_an_order_that_rested_is_amended_to_less_than_its_last_attempt_would_have_paid(
    store: Store,
) -> None:
    order = at(store, "building")
    rested = store.orders.move(order.order_id, order.version, A_REST)
    assert rested is not None
    assert rested.order.limit_amount is not None
    wanted = replace(rested.order, limit_price=Decimal(100))
    moved = store.orders.move(order.order_id, rested.order.version, Amend.to(wanted))
    assert moved is not None
    assert (moved.order.limit_price, moved.order.limit_amount) == (Decimal(100), None)
    assert store.orders.get(order.order_id) == moved.order


def test_trigger_then_amend(store: Store) -> None:
    order = at(store, "waiting")
    assert store.orders.move(order.order_id, 1, A_TRIGGER) is not None
    assert store.orders.move(order.order_id, 1, Amend.to(order)) is None
    assert store.orders.move(order.order_id, 2, Amend.to(order)) is None


def test_amend_then_trigger(store: Store) -> None:
    """A watcher that has seen the old terms starts nothing."""
    order = at(store, "waiting")
    assert store.orders.move(order.order_id, 1, Amend.to(order)) is not None
    assert store.orders.move(order.order_id, 1, A_TRIGGER) is None
    assert store.orders.move(order.order_id, 2, A_TRIGGER) is not None


def test_many_are_triggered_at_once_each_by_its_own_fence(store: Store) -> None:
    orders = [at(store, "waiting") for _ in range(4)]
    cancel(store, orders[0])
    store.orders.move(orders[1].order_id, 1, Amend.to(orders[1]))
    moved = store.orders.move_all([PlannedMove(each.order_id, 1, A_TRIGGER) for each in orders])
    assert [each is None for each in moved] == [True, True, False, False]


def canceled_all(store: Store, symbol: str | None = None, limit: int = 2) -> list[int]:
    """Cancel all of the client in parts: how many moved, were asked before, and had ended."""
    sums, after = [0, 0, 0], NOBODY
    while True:
        part = store.orders.cancel_all("local", symbol, after, limit)
        moved: Sequence[Moved] = part.moved
        assert [each.order.order_id for each in moved] == sorted(
            each.order.order_id for each in moved
        )
        sums = [sums[0] + len(moved), sums[1] + part.requested_before, sums[2] + part.too_late]
        if part.last is None:
            return sums
        after = part.last


def test_all_orders_of_a_client_are_canceled(store: Store) -> None:
    open_ones = [at(store, status) for status in (*NOT_SIGNED, "submitted")]
    ended = [store.walk(A_FAIL), at(store, "waiting")]
    cancel(store, ended[1])
    other = store.walk(new=replace(a_limit(), client_id="another"))
    assert canceled_all(store) == [5, 0, 0]
    found = [store.orders.get(each.order_id) for each in open_ones]
    assert [each and each.status.value for each in found] == [*["canceled"] * 4, "submitted"]
    assert store.orders.get(other.order_id) == other
    assert canceled_all(store) == [0, 1, 0]


def test_all_orders_of_a_symbol_are_canceled(store: Store) -> None:
    first = store.walk(new=replace(a_limit(), symbol="SOL"))
    second = at(store, "waiting")
    assert canceled_all(store, "SOL") == [1, 0, 0]
    assert statuses(store, first) == ["waiting", "canceled"]
    assert store.orders.get(second.order_id) == second


def test_a_market_order_with_an_end_is_canceled_and_expires_like_others(store: Store) -> None:
    new: NewOrder = replace(store_market(), **until(store))
    order = store.walk(new=new)
    assert order.status is OrderStatus.PENDING
    store.pass_time(61)
    assert [each.order.order_id for each in store.orders.expire_due(10)] == [order.order_id]


def store_market() -> NewOrder:
    return a_limit(type=OrderType.MARKET, limit_price=None, slippage_tolerance_bps=100)
