"""The contract of every implementation for reading: events from any point, and lists in pages."""

from dataclasses import replace
from decimal import Decimal
from uuid import uuid4

import pytest

from orderengine.domain.moves import RoutingCause, StartRouting, Submit
from orderengine.domain.order import Order, OrderStatus
from orderengine.execution.queries.lists import OrderFilter, Position, StatusGroup
from tests.builders import (
    A_FAIL,
    TRANSACTION,
    a_build,
    a_confirm,
    a_limit,
)
from tests.contract.conftest import Store

START = StartRouting(RoutingCause.ORDER)


def test_orders_are_listed_newest_first_in_pages(store: Store) -> None:
    made = [store.walk() for _ in range(5)]
    newest = sorted(made, key=lambda order: (order.created_at, order.order_id), reverse=True)
    first = store.orders.page(OrderFilter(client_id="local", limit=3))
    assert first == newest[:3]
    before = store.orders.position("local", first[-1].order_id)
    assert before == (first[-1].created_at, first[-1].order_id)
    assert store.orders.page(OrderFilter("local", 3, before=before)) == newest[3:]


def test_only_an_order_of_the_client_has_a_place_in_its_list(store: Store) -> None:
    order_id = store.walk().order_id
    assert store.orders.position("local", uuid4()) is None
    assert store.orders.position("another", order_id) is None


def test_a_confirmation_with_another_quote_than_the_row_s_changes_nothing(store: Store) -> None:
    order = store.walk(START, a_build(store.now()), Submit(TRANSACTION))
    forged = replace(a_confirm(store.now()), quoted_price=Decimal(229))
    assert store.orders.move(order.order_id, order.version, forged) is None


def test_the_list_is_filtered(store: Store) -> None:
    store.walk()
    failed = store.walk(A_FAIL)
    wanted = OrderFilter("local", 10, status=OrderStatus.FAILED, symbol="AAPL")
    assert store.orders.page(wanted) == [failed]
    assert store.orders.page(replace(wanted, symbol="SOL")) == []
    assert store.orders.page(replace(wanted, client_id="another")) == []


STATUSES = (None, StatusGroup.OPEN, *OrderStatus)
FILTERS = [(status, symbol) for status in STATUSES for symbol in (None, "AAPL", "SOL")]


@pytest.mark.parametrize(("status", "symbol"), FILTERS)
def test_pages_of_every_filter_join_without_gap_or_overlap(
    store: Store, status: OrderStatus | StatusGroup | None, symbol: str | None
) -> None:
    now = store.now()
    sent = START, a_build(now), Submit(TRANSACTION)
    other = replace(TRANSACTION, signature="another")
    confirmed = (
        START,
        a_build(now),
        Submit(other),
        replace(a_confirm(now), signature=other.signature),
    )
    made = [store.walk(*sent), store.walk(*confirmed)]
    for moves in ((), (A_FAIL,), (START,), sent[:2], (START, A_FAIL)):
        made += [store.walk(*moves, symbol=each) for each in ("SOL", "AAPL", "BTC", "AAPL")]
    made += [store.walk(new=replace(a_limit(), symbol=each)) for each in ("SOL", "AAPL", "AAPL")]
    expected = [
        order
        for order in sorted(made, key=lambda each: (each.created_at, each.order_id), reverse=True)
        if status in {None, order.status, None if order.status.is_terminal else StatusGroup.OPEN}
        and symbol in {None, order.symbol}
    ]
    wanted = OrderFilter("local", 2, status, symbol)
    found: list[Order] = []
    while page := store.orders.page(wanted):
        found += page
        wanted = replace(wanted, before=Position(page[-1].created_at, page[-1].order_id))
    assert found == expected
