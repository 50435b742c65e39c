"""The contract of the store for orders that wait, are canceled, amended, or expire.

Each race is driven in both orders of its events.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from orderengine.domain.moves import (
    Amend,
    Move,
    RoutingCause,
    StartRouting,
)
from orderengine.domain.order import Order, OrderStatus
from orderengine.domain.terms import OrderType, TimeInForce, TriggerOn
from orderengine.execution.ports import PlannedMove
from tests.builders import (
    A_REST,
    A_TRIGGER,
    a_failed_attempt,
    a_limit,
)
from tests.contract.conftest import Store
from tests.contract.waiting_orders import (
    SIGNATURE,
    START,
    at,
    cancel,
    statuses,
    until,
)


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


def test_many_are_triggered_at_once_each_by_its_own_fence(store: Store) -> None:
    orders = [at(store, "waiting") for _ in range(4)]
    cancel(store, orders[0])
    store.orders.move(orders[1].order_id, 1, Amend.to(orders[1]))
    moved = store.orders.move_all([PlannedMove(each.order_id, 1, A_TRIGGER) for each in orders])
    assert [each is None for each in moved] == [True, True, False, False]
