"""Rows of orders in USDC: what PostgreSQL keeps, and what no message can make it keep."""

from dataclasses import replace
from decimal import Decimal

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DataError, IntegrityError

from orderengine.domain.moves import Build, RoutingCause, StartRouting
from orderengine.domain.order import NewOrder, Order
from orderengine.domain.side import Asset, Side
from orderengine.execution.operations.archive import export_orders
from orderengine.storage.archive import SqlArchive
from orderengine.storage.batches import SqlBatches
from orderengine.storage.clock import DatabaseClock
from orderengine.storage.orders import SqlOrders
from tests.builders import a_route
from tests.conftest import a_new_order
from tests.fakes import a_quote

USDC = Decimal(2300)


@pytest.fixture
def orders(database: Engine) -> SqlOrders:
    return SqlOrders(database)


def in_usdc(side: Side = Side.BUY, worst_price: str | None = None) -> NewOrder:
    worst = None if worst_price is None else Decimal(worst_price)
    order = replace(a_new_order(side), quantity=None, quote_quantity=USDC)
    return replace(order, worst_price=worst)


def routed(orders: SqlOrders, request: NewOrder) -> Order:
    order = orders.accept(request).order
    moved = orders.move(order.order_id, 1, StartRouting(RoutingCause.ORDER))
    assert moved is not None
    return moved.order


def a_build(
    database: Engine, side: Side, limit: int, usdc: int = 2_300_000_000, exact: Asset = Asset.QUOTE
) -> Build:
    """The move to `building` with a quote of ten AAPL for 2300 USDC."""
    at = DatabaseClock(database).now()
    quote = a_quote("raydium", side, 10_000_000, usdc, at=at, valid_s=60.0, exact=exact)
    return Build(route=a_route(quote), limit_amount=limit)


@pytest.mark.parametrize("side", Side)
def test_an_order_of_usdc_is_read_as_it_was_written(orders: SqlOrders, side: Side) -> None:
    request = in_usdc(side, "230")
    order = orders.accept(request).order
    assert (order.quantity, order.quote_quantity, order.exact) == (None, USDC, Asset.QUOTE)
    assert orders.get(order.order_id) == order
    (event,) = orders.events(order.order_id)
    assert event.data["quoteQuantity"] == "2300"


def test_a_batch_keeps_both_kinds_of_amounts(orders: SqlOrders, database: Engine) -> None:
    wanted = [a_new_order(), in_usdc()]
    SqlBatches(database).accept_all(wanted)
    kept = [orders.get(each.order_id) for each in wanted]
    assert [each and (each.quantity, each.quote_quantity) for each in kept] == [
        (Decimal(10), None),
        (None, USDC),
    ]


def test_an_export_has_the_usdc(orders: SqlOrders, database: Engine) -> None:
    orders.accept(in_usdc())
    ((row,),) = export_orders(SqlArchive(database))
    assert (row["quantity"], row["quoteQuantity"]) == (None, USDC)


@pytest.mark.parametrize(
    ("quantity", "usdc"),
    [("10", "2300"), (None, None), (None, "0"), (None, "-1"), (None, "NaN"), (None, "1e14")],
)
def test_an_order_has_one_amount_and_it_is_one(
    database: Engine, quantity: str | None, usdc: str | None
) -> None:
    insert = text(
        "INSERT INTO orders (id, client_id, symbol, side, quantity, quote_quantity,"
        " slippage_tolerance_bps, status, version, attempt, due_at) VALUES (gen_random_uuid(),"
        " 'local', 'AAPL', 'buy', CAST(:quantity AS numeric), CAST(:usdc AS numeric), 100,"
        " 'pending', 1, 1, now())"
    )
    with database.connect() as connection, pytest.raises((IntegrityError, DataError)):
        connection.execute(insert, {"quantity": quantity, "usdc": usdc})


@pytest.mark.parametrize(
    ("side", "worst_price", "limit", "broken"),
    [
        (Side.BUY, None, 9_900_000, None),
        (Side.BUY, None, 9_899_999, "limit_amount"),
        (Side.SELL, None, 10_100_000, None),
        (Side.SELL, None, 10_100_001, "limit_amount"),
        (Side.BUY, "231", 9_956_710, None),
        (Side.BUY, "231", 9_956_709, "worst_price_limit"),
        (Side.SELL, "229", 10_043_668, None),
        (Side.SELL, "229", 10_043_669, "worst_price_limit"),
    ],
)
def test_a_limit_beyond_the_tolerance_or_the_worst_price_is_refused(
    orders: SqlOrders,
    database: Engine,
    side: Side,
    worst_price: str | None,
    limit: int,
    broken: str | None,
) -> None:
    order = routed(orders, in_usdc(side, worst_price))
    build = a_build(database, side, limit)
    if broken is None:
        moved = orders.move(order.order_id, order.version, build)
        assert moved is not None
        assert moved.order.limit_amount == limit
        assert orders.get(order.order_id) == moved.order
        return
    with pytest.raises(IntegrityError, match=broken):
        orders.move(order.order_id, order.version, build)
    assert orders.get(order.order_id) == order


@pytest.mark.parametrize("usdc", [2_299_999_999, 2_300_000_001])
def test_a_route_for_other_usdc_than_the_orders_is_refused(
    orders: SqlOrders, database: Engine, usdc: int
) -> None:
    order = routed(orders, in_usdc())
    with pytest.raises(IntegrityError, match="exact_usdc"):
        orders.move(order.order_id, order.version, a_build(database, Side.BUY, 9_900_000, usdc))


@pytest.mark.parametrize(
    ("change", "broken"),
    [
        ("base_amount = NULL", "exact_usdc"),
        ("quote_amount = NULL", "exact_usdc"),
        ("quote_quantity = 2300.000001", "exact_usdc"),
        ("limit_amount = 0", "limit_amount"),
        ("route = '{}'", "worst_price_limit"),
        ("route = NULL", "worst_price_limit"),
        ("worst_price = 229", "worst_price_limit"),
    ],
)
def test_a_forged_row_is_refused(
    orders: SqlOrders, database: Engine, change: str, broken: str
) -> None:
    order = routed(orders, in_usdc(worst_price="231"))
    assert orders.move(order.order_id, order.version, a_build(database, Side.BUY, 9_960_000))
    forged = text(f"UPDATE orders SET {change} WHERE id = :id")  # noqa: S608
    with database.connect() as connection, pytest.raises(IntegrityError, match=broken):
        connection.execute(forged, {"id": order.order_id})


def test_routing_again_clears_all_that_was_built(orders: SqlOrders, database: Engine) -> None:
    order = routed(orders, in_usdc())
    orders.move(order.order_id, order.version, a_build(database, Side.BUY, 9_900_000))
    again = orders.move(order.order_id, order.version + 1, StartRouting(RoutingCause.RECOVERY))
    assert again is not None
    statement = text("SELECT base_amount, quote_amount, limit_amount FROM orders WHERE id = :id")
    with database.connect() as connection:
        row = connection.execute(statement, {"id": order.order_id}).one()
    assert tuple(row) == (None, None, None)


@pytest.mark.parametrize(
    ("amount", "legs"),
    [("NULL", '[{"baseAmount": "1"}]'), ("1", '[{"quoteAmount": "1"}]')],
)
def test_the_ledger_refuses_a_swap_whose_amount_is_of_two_assets(
    database: Engine, amount: str, legs: str
) -> None:
    insert = text(
        "INSERT INTO sim_transactions (signature, order_id, attempt, legs, symbol, side,"  # noqa: S608
        " base_amount, limit_amount, last_valid_height, received_at, lands_at) VALUES ('s',"
        f" gen_random_uuid(), 1, CAST(:legs AS jsonb), 'AAPL', 'buy', {amount}, 1, 1, now(), now())"
    )
    with database.connect() as connection, pytest.raises(IntegrityError, match="exact_amount"):
        connection.execute(insert, {"legs": legs})
