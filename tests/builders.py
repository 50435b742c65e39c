"""Moves and values that the tests of the core share."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

from orderengine.domain.errors import FailureReason
from orderengine.domain.moves import (
    Build,
    Confirm,
    Fail,
    FailAttempt,
    Move,
    RoutingCause,
    StartRouting,
    Submit,
)
from orderengine.domain.order import Fill, FillLeg, SignedTransaction
from orderengine.domain.routing import Quote, Route, RouteReason
from orderengine.domain.side import Side
from tests.fakes import a_quote

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
    return Build(a_route(*quotes), limit)


def a_route(*quotes: Quote, refusals: Mapping[str, str] | None = None) -> Route:
    """The route that takes the first of these quotes."""
    reason, detail = RouteReason.BEST_PRICE, "it costs less"
    return Route(quotes[:1], quotes, refusals or {}, reason, detail)


def a_split(at: datetime, valid_s: float = 60.0) -> Build:
    """The move to `building` with two legs, each with half of 10 AAPL."""
    legs = tuple(
        a_quote(venue, base_amount=5_000_000, quote_amount=1_150_000_000, at=at, valid_s=valid_s)
        for venue in ("raydium", "meteora")
    )
    return Build(Route(legs, (), {}, RouteReason.ONLY_SPLIT, "too large"), 2_323_000_000)


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


def a_confirm(at: datetime) -> Confirm:
    """The move to `confirmed` for TRANSACTION."""
    return Confirm(TRANSACTION.signature, "raydium", Decimal(230), a_fill(at))


def a_failed_attempt(backoff_s: float = 1.5) -> FailAttempt:
    """An attempt that ended in slippage."""
    return FailAttempt(FailureReason.SLIPPAGE_EXCEEDED, "beyond the limit", backoff_s)


A_FAIL = Fail(FailureReason.INSUFFICIENT_LIQUIDITY, "the pool holds 3 AAPL")


def all_moves(at: datetime) -> list[Move]:
    """One of each move, StartRouting once for each kind of source."""
    return [
        StartRouting(RoutingCause.ORDER),
        StartRouting(RoutingCause.RECOVERY),
        a_build(at),
        Submit(TRANSACTION),
        a_confirm(at),
        a_failed_attempt(),
        A_FAIL,
    ]
