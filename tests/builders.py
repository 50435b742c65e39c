"""Moves and values that the tests of the core share."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

from orderengine.domain.daily import DailyCharge
from orderengine.domain.errors import FailureReason
from orderengine.domain.fill import Fill, FillLeg, SignedTransaction
from orderengine.domain.moves import (
    Amend,
    Build,
    Confirm,
    EndCanceled,
    EndExpired,
    Fail,
    FailAttempt,
    Move,
    NotFilled,
    Rest,
    RoutingCause,
    StartRouting,
    Submit,
    Trigger,
)
from orderengine.domain.order import FailedAttempt, NewOrder, Order, OrderStatus
from orderengine.domain.routing import Quote, Route, RouteReason
from orderengine.domain.side import Side
from orderengine.domain.terms import OrderType, TimeInForce, TriggerOn
from tests.conftest import a_new_order
from tests.fakes import START, a_quote

TRANSACTION = SignedTransaction("5sig", b'{"swap":1}', 123_456)


A_FILL_LEG = FillLeg(
    "raydium", "raydium-pool", 10_000_000, 2_301_000_000, Decimal("5.7525"), Decimal("3.2")
)


def a_build(at: datetime, side: Side = Side.BUY, valid_s: float = 60.0) -> Build:
    """The move to `building` with two quotes; raydium is the cheaper one."""
    quotes = (
        a_quote("raydium", side, quote_amount=2_300_000_000, at=at, valid_s=valid_s),
        a_quote("meteora", side, quote_amount=2_370_000_000, at=at, valid_s=valid_s),
    )
    limit = 2_323_000_000 if side is Side.BUY else 2_277_000_000
    return Build(route=a_route(*quotes), limit_amount=limit)


def a_route(*quotes: Quote, refusals: Mapping[str, str] | None = None) -> Route:
    """The route that takes the first of these quotes."""
    return Route(
        reason=RouteReason.BEST_PRICE,
        detail="it costs less",
        legs=quotes[:1],
        quotes=quotes,
        refusals=refusals or {},
    )


def a_split(at: datetime, valid_s: float = 60.0) -> Build:
    """The move to `building` with two legs, each with half of 10 AAPL."""
    legs = tuple(
        a_quote(venue, base_amount=5_000_000, quote_amount=1_150_000_000, at=at, valid_s=valid_s)
        for venue in ("raydium", "meteora")
    )
    route = Route(
        reason=RouteReason.ONLY_SPLIT, detail="too large", legs=legs, quotes=(), refusals={}
    )
    return Build(route=route, limit_amount=2_323_000_000)


def a_fill(at: datetime) -> Fill:
    """A fill slightly worse than the quote of `a_build`."""
    return Fill(
        base_amount=10_000_000,
        quote_amount=2_301_000_000,
        executed_price=Decimal("230.1"),
        fee=Decimal("5.7525"),
        market_impact_bps=Decimal("3.2"),
        slippage_bps=Decimal("4.3478"),
        landed_at=at,
        legs=(A_FILL_LEG,),
    )


def a_live_fill(at: datetime) -> Fill:
    """The same fill on a live network, with what that network asks for."""
    return replace(
        a_fill(at),
        legs=(replace(A_FILL_LEG, fee_is_estimated=True),),
        network_fee_lamports=5_000,
        priority_fee_lamports=400,
        rent_lamports=2_039_280,
    )


def a_confirm(at: datetime) -> Confirm:
    """The move to `confirmed` for TRANSACTION."""
    return Confirm(
        venue="raydium",
        quoted_price=Decimal(230),
        signature=TRANSACTION.signature,
        fill=a_fill(at),
    )


def a_failed_attempt(backoff_s: float = 1.5) -> FailAttempt:
    """An attempt that ended in slippage."""
    return FailAttempt(FailureReason.SLIPPAGE_EXCEEDED, "beyond the limit", backoff_s)


A_FAIL = Fail(FailureReason.INSUFFICIENT_LIQUIDITY, "the pool holds 3 AAPL")


A_REST = Rest(FailureReason.PRICE_LIMIT, "the price has left")
NOT_FILLED = NotFilled(FailureReason.NO_QUOTE, "no venue has a price")
A_TRIGGER = Trigger(seen_price=Decimal(225), source="raydium", priced_at=START)


def a_limit(**terms: Any) -> NewOrder:
    """A new limit order to buy 10 AAPL, which waits for its price."""
    wanted: dict[str, Any] = {
        "type": OrderType.LIMIT,
        "limit_price": Decimal(240),
        "slippage_tolerance_bps": None,
        "time_in_force": TimeInForce.GTC,
        **terms,
    }
    return replace(a_new_order(), **wanted)


def a_sniper() -> NewOrder:
    """A new order that waits for a pool with 1000 USDC."""
    return a_limit(
        type=OrderType.SNIPER,
        limit_price=None,
        worst_price=Decimal(240),
        trigger_on=TriggerOn.LIQUIDITY_ADDED,
        min_liquidity=Decimal(1000),
        time_in_force=TimeInForce.GTD,
        expires_at=START + timedelta(days=1),
    )


def an_amend(**terms: Any) -> Amend:
    """New terms for the order of `a_limit`."""
    return Amend.to(a_limit(limit_price=Decimal(250), **terms))


def all_moves(at: datetime) -> list[Move]:
    """One of each move that names a version, StartRouting once for each kind of source."""
    return [
        StartRouting(RoutingCause.ORDER),
        StartRouting(RoutingCause.RECOVERY),
        a_build(at),
        Submit(TRANSACTION),
        a_confirm(at),
        a_failed_attempt(),
        A_FAIL,
        A_TRIGGER,
        A_REST,
        an_amend(),
        NOT_FILLED,
        EndCanceled("dead"),
        EndExpired("dead"),
    ]


def a_full_order() -> Order:
    """A failed order with a value, other than the default, in every field."""
    asked = NewOrder(
        order_id=uuid4(),
        client_id="local",
        symbol="AAPL",
        side=Side.BUY,
        quantity=Decimal(10),
        quote_quantity=Decimal(2300),
        slippage_tolerance_bps=100,
        client_order_id="mine",
        worst_price=Decimal(240),
        max_legs=2,
        type=OrderType.LIMIT,
        limit_price=Decimal(230),
        stop_price=Decimal(220),
        trigger_on=TriggerOn.LIQUIDITY_ADDED,
        min_liquidity=Decimal(1000),
        time_in_force=TimeInForce.GTD,
        expires_at=START + timedelta(days=1),
        base_decimals=6,
        base_mint="So11111111111111111111111111111111111111112",
        placed_on="simulated",
        request_id="r",
    )
    return _failed(Order.accepted(asked, START))


def _failed(order: Order) -> Order:
    built = a_build(START)
    return replace(
        order,
        status=OrderStatus.FAILED,
        daily=DailyCharge(Decimal(2294), 5000),
        first_attempt=2,
        times_rested=3,
        paid_rests=1,
        cancel_requested_at=START,
        held_because=FailureReason.INSTRUMENT_CHANGED,
        limit_amount=built.limit_amount,
        route=built.route,
        transaction=TRANSACTION,
        fill=a_live_fill(START),
        failed_attempts=(FailedAttempt(1, FailureReason.EXPIRED, "too late"),),
    )
