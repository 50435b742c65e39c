"""The contract of the store for orders whose time passes, and for those that are amended.

Each race is driven in both orders of its events.
"""

from dataclasses import replace
from decimal import Decimal

import pytest

from orderengine.domain.moves import (
    Amend,
    EndCanceled,
    EndExpired,
    Move,
    Submit,
)
from orderengine.domain.order import NewOrder, OrderStatus
from orderengine.domain.terms import OrderType, TimeInForce
from tests.builders import (
    A_FAIL,
    A_REST,
    A_TRIGGER,
    NOT_FILLED,
    TRANSACTION,
    a_confirm,
    a_failed_attempt,
    a_limit,
)
from tests.contract.conftest import Store
from tests.contract.waiting_orders import (
    DEAD,
    NOT_SIGNED,
    START,
    at,
    cancel,
    statuses,
    told,
    until,
    way_to,
)


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


def test_a_market_order_with_an_end_is_canceled_and_expires_like_others(store: Store) -> None:
    new: NewOrder = replace(store_market(), **until(store))
    order = store.walk(new=new)
    assert order.status is OrderStatus.PENDING
    store.pass_time(61)
    assert [each.order.order_id for each in store.orders.expire_due(10)] == [order.order_id]


def store_market() -> NewOrder:
    return a_limit(type=OrderType.MARKET, limit_price=None, slippage_tolerance_bps=100)
