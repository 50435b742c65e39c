"""What PostgreSQL itself refuses to orders that wait, are canceled or expire."""

from decimal import Decimal

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError

from orderengine.domain.moves import Submit
from orderengine.domain.side import Side
from orderengine.storage.orders import SqlOrders
from tests.builders import TRANSACTION
from tests.integration.operators import run
from tests.integration.waiting_rows import a_built, a_waiting


@pytest.fixture
def orders(database: Engine) -> SqlOrders:
    return SqlOrders(database)


@pytest.mark.parametrize("ended", ["canceled", "expired"])
@pytest.mark.parametrize("state", ["live", "landed"])
def test_no_order_ends_beside_a_transaction_that_may_land(
    database: Engine, orders: SqlOrders, ended: str, state: str
) -> None:
    order = a_built(orders)
    assert orders.move(order.order_id, order.version, Submit(TRANSACTION)) is not None
    run(database, f"UPDATE transactions SET state = '{state}'")  # noqa: S608
    forged = f"UPDATE orders SET status = '{ended}', due_at = NULL"  # noqa: S608
    with pytest.raises(IntegrityError, match="has a transaction that may land"):
        run(database, forged)
    run(database, "UPDATE transactions SET state = 'dead'")
    run(database, forged)


@pytest.mark.parametrize(
    "forged",
    [
        "status = 'failed', due_at = NULL",
        "status = 'pending'",
        "status = 'waiting', due_at = 'infinity'",
        "status = 'expired', due_at = NULL",
    ],
)
def test_an_order_whose_cancel_was_requested_goes_no_other_way(
    database: Engine, orders: SqlOrders, forged: str
) -> None:
    """So does a release that does not know requests: its statements fail."""
    order = a_built(orders)
    orders.move(order.order_id, order.version, Submit(TRANSACTION))
    assert orders.cancel("local", order.order_id) is not None
    run(database, "UPDATE transactions SET state = 'dead'")
    with pytest.raises(IntegrityError, match="ck_orders_cancel_requested"):
        run(database, f"UPDATE orders SET {forged}")  # noqa: S608


@pytest.mark.parametrize(
    ("side", "limit_price", "amount", "fits"),
    [
        (Side.BUY, "230", 2_300_000_000, True),
        (Side.BUY, "230", 2_300_000_001, False),
        (Side.SELL, "230", 2_300_000_000, True),
        (Side.SELL, "230", 2_299_999_999, False),
    ],
)
@pytest.mark.parametrize("tolerance", [None, 10_000])
def test_no_limit_amount_is_beyond_the_limit_price(
    database: Engine,
    orders: SqlOrders,
    side: Side,
    limit_price: str,
    amount: int,
    fits: bool,
    tolerance: int | None,
) -> None:
    price = Decimal(limit_price)
    a_waiting(orders, side=side, limit_price=price, slippage_tolerance_bps=tolerance)
    forged = f"UPDATE orders SET limit_amount = {amount}, quote_amount = 2300000000"  # noqa: S608
    if fits:
        run(database, forged)
        return
    with pytest.raises(IntegrityError, match="ck_orders_limit_price_limit"):
        run(database, forged)


@pytest.mark.parametrize(
    ("forged", "constraint"),
    [
        ("type = 'market', limit_price = NULL", "bound"),
        ("limit_price = NULL", "bound"),
        ("limit_price = NULL, slippage_tolerance_bps = 1", "limit_price"),
        ("limit_price = 'NaN'", "limit_price"),
        ("limit_price = 0", "limit_price"),
        ("stop_price = 5", "stop_price"),
        ("min_liquidity = 5", "trigger"),
        ("trigger_on = 'poolOpened', min_liquidity = 0", "trigger"),
        ("time_in_force = 'GTD'", "expires_at"),
        ("time_in_force = 'FOK'", "time_in_force"),
        ("expires_at = now()", "expires_at"),
        ("due_at = now()", "waits"),
        ("status = 'pending'", "waits"),
        ("first_attempt = 2", "rests"),
        (
            "type = 'sniper', limit_price = NULL, trigger_on = 'poolOpened', min_liquidity = 0",
            "bound",
        ),
    ],
)
def test_forged_terms_are_refused(
    database: Engine, orders: SqlOrders, forged: str, constraint: str
) -> None:
    a_waiting(orders)
    with pytest.raises(IntegrityError, match=f"ck_orders_{constraint}"):
        run(database, f"UPDATE orders SET {forged}")  # noqa: S608
