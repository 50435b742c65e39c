"""What follows on a failed attempt, for each type of order: another one, a rest, or an end."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from orderengine.domain.errors import AttemptFailed, FailureReason, OrderUnfillable
from orderengine.domain.moves import Fail, FailAttempt, NotFilled, Rest
from orderengine.domain.order import FailedAttempt, Order, OrderStatus
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType, TimeInForce
from orderengine.execution.chain.ends import MAX_PAID_RESTS, move_after
from orderengine.execution.chain.price_limit import limit_of
from tests.builders import a_build, a_limit
from tests.fakes import START

R = FailureReason


def an_order(status: OrderStatus = OrderStatus.ROUTING, **terms: Any) -> Order:
    return replace(Order.accepted(a_limit(**terms), START), status=status)


def after(order: Order, failure: AttemptFailed, *, paid: bool = False) -> object:
    return move_after(order, failure, 3, float, paid=paid)


def failing(reason: FailureReason) -> AttemptFailed:
    final = {R.PRICE_LIMIT, R.INSUFFICIENT_LIQUIDITY, R.UNKNOWN_SYMBOL, R.NOTIONAL_LIMIT}
    return (OrderUnfillable if reason in final else AttemptFailed)(reason, "why")


def test_a_split_that_is_too_large_is_tried_at_once_whatever_the_attempt() -> None:
    split = AttemptFailed(R.TRANSACTION_TOO_LARGE, "1300 bytes")
    for order in (
        an_order(OrderStatus.BUILDING),
        an_order(OrderStatus.BUILDING, time_in_force=TimeInForce.IOC),
        replace(an_order(OrderStatus.BUILDING), attempt=3),
    ):
        assert after(order, split) == FailAttempt(split.reason, split.detail, 0.0)
        whole = OrderUnfillable(R.TRANSACTION_TOO_LARGE, "1300 bytes")
        assert after(order, whole) == Fail(whole.reason, whole.detail)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (R.NO_QUOTE, Rest),
        (R.INSUFFICIENT_LIQUIDITY, Rest),
        (R.PRICE_LIMIT, Rest),
        (R.QUOTE_EXPIRED, FailAttempt),
        (R.NETWORK_UNAVAILABLE, FailAttempt),
        (R.UNKNOWN_SYMBOL, Fail),
        (R.NOTIONAL_LIMIT, Fail),
    ],
)
def test_a_limit_order_that_holds_and_is_not_signed(reason: FailureReason, kind: type) -> None:
    assert type(after(an_order(), failing(reason))) is kind
    last = replace(an_order(), attempt=7, first_attempt=5)
    spent = Rest if kind is FailAttempt else kind
    assert type(after(last, failing(reason))) is spent, "a spent budget is a rest"


@pytest.mark.parametrize(
    ("reason", "paid", "kind"),
    [
        (R.PRICE_LIMIT, True, Rest),
        (R.SLIPPAGE_EXCEEDED, True, Rest),
        (R.EXPIRED, False, FailAttempt),
        (R.CHAIN_ERROR, True, FailAttempt),
    ],
)
def test_a_limit_order_that_holds_and_is_signed(
    reason: FailureReason, paid: bool, kind: type
) -> None:
    order = an_order(OrderStatus.SUBMITTED)
    move = after(order, failing(reason), paid=paid)
    assert type(move) is kind
    spent = after(replace(order, attempt=3), failing(reason), paid=paid)
    assert spent == Rest(reason, "why", paid)
    often = replace(order, attempt=3, paid_rests=MAX_PAID_RESTS)
    assert type(after(often, failing(reason), paid=paid)) is (Fail if paid else Rest)


def test_a_rest_is_paid_if_any_attempt_since_the_start_cost_a_fee() -> None:
    """Else an order whose last attempt always costs nothing would pay fees without end."""
    reverted = FailedAttempt(2, R.CHAIN_ERROR, "why")
    order = an_order(OrderStatus.SUBMITTED)
    order = replace(order, attempt=3, failed_attempts=(reverted,))
    assert after(order, failing(R.EXPIRED)) == Rest(R.EXPIRED, "why", paid=True)
    often = replace(order, paid_rests=MAX_PAID_RESTS)
    assert type(after(often, failing(R.EXPIRED))) is Fail
    before = replace(often, attempt=5, first_attempt=3)
    assert after(before, failing(R.EXPIRED)) == Rest(R.EXPIRED, "why", paid=False)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (R.NO_QUOTE, NotFilled),
        (R.PRICE_LIMIT, NotFilled),
        (R.SLIPPAGE_EXCEEDED, NotFilled),
        (R.EXPIRED, NotFilled),
        (R.NETWORK_UNAVAILABLE, FailAttempt),
        (R.CHAIN_ERROR, FailAttempt),
        (R.INSUFFICIENT_LIQUIDITY, Fail),
        (R.UNKNOWN_SYMBOL, Fail),
    ],
)
def test_a_limit_order_with_one_try(reason: FailureReason, kind: type) -> None:
    order = an_order(time_in_force=TimeInForce.IOC)
    assert type(after(order, failing(reason))) is kind
    spent = Fail if kind is FailAttempt else kind
    assert type(after(replace(order, attempt=3), failing(reason))) is spent


@pytest.mark.parametrize("kind", [OrderType.MARKET, OrderType.STOP, OrderType.SNIPER])
def test_other_orders_fail_as_they_did(kind: OrderType) -> None:
    order = an_order(type=kind, limit_price=None)
    for reason in set(R) - {R.TRANSACTION_TOO_LARGE}:
        failure = failing(reason)
        final = isinstance(failure, OrderUnfillable)
        assert type(after(order, failure)) is (Fail if final else FailAttempt)
        assert type(after(replace(order, attempt=3), failure)) is Fail
        started_again = replace(order, attempt=7, first_attempt=7)
        assert type(after(started_again, failure)) is (Fail if final else FailAttempt)


@pytest.mark.parametrize(
    ("side", "limit", "tolerance", "expected"),
    [
        (Side.BUY, "240", None, 2_400_000_000),
        (Side.BUY, "240", 100, 2_323_000_000),
        (Side.BUY, "231", 1000, 2_310_000_000),
        (Side.SELL, "225", None, 2_250_000_000),
        (Side.SELL, "225", 100, 2_277_000_000),
        (Side.SELL, "229", 1000, 2_290_000_000),
    ],
)
def test_the_limit_price_bounds_what_is_signed(
    side: Side, limit: str, tolerance: int | None, expected: int
) -> None:
    order = an_order(side=side, limit_price=Decimal(limit), slippage_tolerance_bps=tolerance)
    assert limit_of(order, a_build(START, side).route) == expected


def test_a_route_beyond_the_limit_price_is_refused() -> None:
    order = an_order(limit_price=Decimal("229.99"))
    with pytest.raises(OrderUnfillable, match=r"230, beyond the limit price of 229\.99"):
        limit_of(order, a_build(START).route)
